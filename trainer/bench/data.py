"""Times how clips are read and degraded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from PIL import Image

from vsanimesr.machine import cores

from ..core.loader import tune_malloc
from ..data.clips import Clip, Frame
from ..data.toy_clips import FRAMES, write_toy_clips
from ..data.uint8 import UINT8_MAX, to_uint8
from ..degradation.blur import blur
from ..degradation.learned.degrader import Degrader
from ..degradation.learned.operator import NARROW_FEATURES, Operator
from ..degradation.noise import add_noise
from ..degradation.pipeline import FRAMES_AT_ONCE, encode, scale_down
from ..vsr.config import VSRConfig
from ..vsr.dataset import DrawnClips
from ..vsr.train import build_samples, divide_clips
from .timing import seconds_each

DRAWN_SIZE = 1280, 720
DRAWN_FRAMES = 45
"""Of a drawn clip: enough for 15 frames at every third."""
DRAWN_CLIPS = 4
"""Clips that are read once and then degraded over and over."""


@dataclass(frozen=True)
class DataTime:
    """Seconds for a clip."""

    read: float
    """In one process: cropping, and without a pool also decoding."""
    parts: Mapping[str, float]
    """On one core, by the part of the degradation."""
    device: float | None
    """Of everything but the codec, by batches on the GPU; None without one."""
    encode: float
    """With all cores in threads."""

    @property
    def on_core(self) -> float:
        """Seconds of one core for reading and degrading."""
        return self.read + sum(self.parts.values())


def draw_clip(folder: Path) -> None:
    """Draw an HQ clip to read: a folder of PNG frames."""
    write_toy_clips(folder / "small", clips=1)
    (small,) = (folder / "small").iterdir()
    clip = folder / "clips" / "drawn"
    clip.mkdir(parents=True)
    for n, path in zip(range(FRAMES), sorted(small.iterdir()), strict=True):
        with Image.open(path) as frame:
            frame.resize(DRAWN_SIZE, Image.Resampling.BICUBIC).save(clip / f"{n:08}.png", compress_level=3)
    for n in range(FRAMES, DRAWN_FRAMES):
        (clip / f"{n:08}.png").hardlink_to(clip / f"{n % FRAMES:08}.png")


class DecodedClip:
    """Some frames of a clip in memory, where a pool has them when a run reads them."""

    def __init__(self, clip: Clip, count: int) -> None:
        self.name = clip.name
        self._frames = clip.read(range(count))

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [self._frames[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        height, width, _ = self._frames[0].shape
        return width, height

    def digest(self) -> str:
        return ""


def decode_clips(settings: VSRConfig) -> Sequence[Clip]:
    """Return clips as a run reads them: with a pool, some frames of two of them, decoded.

    Raises:
        TrainerError: there are none, or one cannot be read.
    """
    clips, _ = divide_clips(settings)
    if not settings.memory:
        return clips
    count = settings.sampling.reach(max(settings.sampling.strides))
    return [DecodedClip(clip, min(count, len(clip))) for clip in clips[:2]]


def time_data(settings: VSRConfig, device: torch.device, budget: float) -> DataTime:
    """Time the parts of making samples, with one thread.

    Args:
        settings: `data` is the folder of HQ clips.
        budget: seconds for all of it.
    """
    tune_malloc()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _time_data(settings, device, budget)
    finally:
        torch.set_num_threads(threads)


def _time_data(settings: VSRConfig, device: torch.device, budget: float) -> DataTime:
    degradation, mode = settings.degradation, settings.degradation.down.lbo_mode
    pool = [Degrader(_random_operator(halves=mode == "replace"))] if degradation.down.lbo else []
    samples = build_samples(settings, decode_clips(settings), pool, DrawnClips)
    assert isinstance(samples, DrawnClips)
    places = count()
    read = seconds_each(lambda: samples.draw((0, next(places) % len(samples)), 0), 0.3 * budget)
    clips = [samples.draw((0, n % len(samples)), 0) for n in range(DRAWN_CLIPS)]
    parts = [slice(n, n + FRAMES_AT_ONCE) for n in range(0, len(clips[0].hq), FRAMES_AT_ONCE)]

    def each(work: Callable[[int, slice], object]) -> Callable[[], None]:
        """Return what does some work for all parts of one clip after the other."""
        numbers = count()

        def run() -> None:
            n = next(numbers) % len(clips)
            for part in parts:
                work(n, part)

        return run

    floats = [each_.hq.float() / UINT8_MAX for each_ in clips]

    def add(n: int, part: slice) -> None:
        sample = clips[n].sample
        add_noise(floats[n][part], sample.noise_sigmas[part], sample.noise_grey[part], sample.noise_seeds[part])

    def scale(n: int, part: slice) -> torch.Tensor:
        frames = floats[n][part]
        for stage in clips[n].sample.stages:
            frames = scale_down(frames, stage, mode, pool)
        return frames

    def soften(n: int, part: slice) -> None:
        sample = clips[n].sample
        blur(floats[n][part], sample.sigma_x, sample.sigma_y, sample.angle)

    lr = [to_uint8(torch.cat([scale(n, part) for part in parts])) for n in range(len(clips))]

    def pack(n: int) -> None:
        encode(lr[n], degradation.codec, clips[n].sample.encodings)

    numbers = count()
    share = 0.1 * budget
    times = {
        "blur": seconds_each(each(soften), share),
        "noise": seconds_each(each(add), share),
        "operators" if pool else "scaling": seconds_each(each(scale), share),
        "codec": seconds_each(lambda: pack(next(numbers) % len(clips)), share),
    }
    if settings.sampling.sharpen_lines:
        times["lines"] = seconds_each(lambda: settings.sampling.target(clips[next(numbers) % len(clips)].hq), share)
    rounds = 2 * cores()
    with ThreadPoolExecutor(cores()) as encoders:
        encoded = (
            seconds_each(lambda: list(encoders.map(pack, (n % len(clips) for n in range(rounds)))), share) / rounds
        )
    return DataTime(read, times, _time_on_gpu(samples, settings, device, share), encoded)


def _time_on_gpu(samples: DrawnClips, settings: VSRConfig, device: torch.device, budget: float) -> float | None:
    if device.type != "cuda":
        return None
    batch = samples.collate([samples.draw((0, n % len(samples)), 0) for n in range(settings.batch)]).pin_memory()
    finish = samples.finish_on(device)
    with torch.no_grad():
        return seconds_each(lambda: finish(batch), budget, device) / settings.batch


def _random_operator(*, halves: bool) -> Operator:
    return Operator(halves=halves, features=NARROW_FEATURES).eval().requires_grad_(False)

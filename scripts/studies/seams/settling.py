"""Pre-roll: after how many steps on its first frame a scene has settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..psnr import compute_psnr
from .clips import Clip
from .runs import Runner, Schedule, levels, make_hold, make_scene
from .steps import block_differences

PREROLLS = (0, 1, 2, 3, 4, 6, 8)
HOLD = 12
"""Steps on the first frame: enough to see what stays for ever."""
BEGINNING = 4
"""Frames of a scene that are compared with HQ."""


@dataclass(frozen=True)
class Settling:
    """The beginning of one clip with one pre-roll."""

    model: str
    clip: str
    group: str
    preroll: int
    psnr: float
    """Of the first output to the second output of the same window, in dB."""
    pixel: float
    """Largest difference of the two, in grey levels: of a pixel."""
    block: float
    """The same: the mean of a block."""
    to_settled: float
    """PSNR of the first output to that after HOLD steps, in dB."""
    quality: tuple[float, ...]
    """PSNR of the first frames to HQ; empty without HQ."""


def list_schedules(clip: Clip) -> Iterator[Schedule]:
    """Yield the schedules that `measure_settling` reads."""
    yield make_hold(0, HOLD)
    for preroll in PREROLLS if clip.hq is not None else ():
        yield make_scene(preroll, BEGINNING, len(clip.lr))


def measure_settling(runner: Runner, clip: Clip) -> Iterator[Settling]:
    """Measure the beginning of a clip with each pre-roll, and yield one more row, for the last steps of the hold."""
    hold, *scenes = list_schedules(clip)
    outputs = levels(runner.run(clip.lr, hold))
    if not runner.may_run(clip.lr, scenes):
        scenes = []
    beginnings = {
        preroll: levels(runner.run(clip.lr, scene))
        for preroll, scene in zip(PREROLLS, scenes, strict=False)  # none of film
    }
    for preroll in (*PREROLLS, HOLD - 2):
        first, second = outputs[preroll], outputs[preroll + 1]
        quality: tuple[float, ...] = ()
        if clip.hq is not None and preroll in beginnings:
            pairs = zip(beginnings[preroll], clip.hq[:BEGINNING].astype(np.float32), strict=True)
            quality = tuple(compute_psnr(sr, hq, peak=255) for sr, hq in pairs)
        yield Settling(
            runner.model,
            clip.source.name,
            clip.source.group,
            preroll,
            psnr=compute_psnr(first, second, peak=255),
            pixel=float(np.abs(first - second).max()),
            block=float(block_differences(first, second).max()),
            to_settled=compute_psnr(first, outputs[-1], peak=255),
            quality=quality,
        )

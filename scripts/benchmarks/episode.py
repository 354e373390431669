"""An episode: drawn on twos and threes, encoded, upscaled by the whole filter with each model; and how long 24 minutes
of it take here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import cycle

import numpy as np
import vapoursynth as vs

from scripts.studies.arrays import make_clip
from scripts.studies.holds.encodings import ENCODINGS, Yuv, decode, encode, split, to_yuv
from vsanimesr.machine import cores
from vsanimesr.network.int8 import load_ranges
from vsanimesr.weights.release import RELEASES

from .candidates import filter_candidate, pytorch_candidate
from .machine import has_bf16
from .settings import Settings
from .speed import time_cells
from .table import Table, verdict
from .timing import Candidate, Results, time_interleaved

core = vs.core

HOLDS = (2, 3)
"""Frames that show a drawing, in turn."""
PERIOD = sum(HOLDS)
EPISODE = 24 * 60 * Fraction(24000, 1001)
"""Frames of an episode of 24 minutes."""
EPISODE_PIXELS = 720 * 480
OVER_PYTORCH = 20.0
"""Target: times the speed of PyTorch fp32 with v2, with the fast model, held frames skipped."""
FAST = "v2-fast"
DISCS = 12
STEP = 3
"""Pixels that a disc moves from a drawing to the next, at most."""


def measure_episode(settings: Settings) -> Iterator[Table]:
    """Compare models, with and without held frames skipped, with PyTorch."""
    settings = replace(settings, frames=-(-settings.frames // PERIOD) * PERIOD)  # whole periods of holds
    clip = make_episode(settings)
    plain = f"PyTorch fp32, {cores()} threads, v2"
    arguments = {
        f"{model}, {precision}{', held frames skipped' if held == 'skip' else ''}": (model, precision, held)
        for model in settings.models
        for precision in precisions(model)
        for held in ("off", "skip")
    }
    clips = {
        name: core.animesr.Upscale(clip, model=model, precision=precision, held=held)
        for name, (model, precision, held) in arguments.items()
    }
    frames = clip[: settings.frames].resize.Bicubic(format=vs.RGBS).frames(close=True)
    pictures = np.stack([np.stack([np.asarray(plane) for plane in frame]) for frame in frames])
    candidates: dict[str, Candidate] = {
        plain: pytorch_candidate(pictures),
        **{name: filter_candidate(upscaled) for name, upscaled in clips.items()},
    }
    results = time_interleaved(candidates, settings.frames, settings.rounds)
    skipped = {name: held_share(clips[name]) for name, (_, _, held) in arguments.items() if held == "skip"}
    yield _table(settings, results, plain, skipped)


def _table(settings: Settings, results: Results, plain: str, skipped: Mapping[str, float]) -> Table:
    def row(name: str) -> tuple[str, ...]:
        speed_up = 1 / results.ratio(name, plain)
        goal = OVER_PYTORCH if name.startswith(f"{FAST},") and name in skipped else None
        share = f"{skipped[name]:.0f} %" if name in skipped else ""
        hours = estimate_hours(results.median(name), settings.pixels)
        cells = (share, f"{speed_up:.2f}", f"{hours:.1f}", verdict(speed_up, at_least=goal))
        return name, *time_cells(results, name), *cells

    columns = ("", "ms per frame", "lowest to highest", "frames held", "times PyTorch", "hours an episode", "target")
    best = min(results.values, key=results.median)
    hours = estimate_hours(results.median(best), settings.pixels)
    note = (
        f"Medians of {settings.rounds} rounds of {settings.frames} frames each; ratios are computed within rounds. "
        f"A 24-minute 720x480 episode takes {hours:.1f} hours here with the fastest of them ({best}), and the time of "
        "its scenes' pre-rolls."
    )
    return Table(f"An episode at {settings.size}, on twos and threes", columns, [*map(row, results.values)], note)


def estimate_hours(seconds: float, pixels: int) -> float:
    """Return the hours that an episode of 720x480 takes. A pixel costs the same at every size (section `sizes`).

    Args:
        seconds: time of a frame.
        pixels: pixels of a frame that was measured.
    """
    return float(EPISODE) * seconds * EPISODE_PIXELS / pixels / 3600


def precisions(model: str) -> tuple[str, ...]:
    """Return the precisions that are measured: int8 where this machine computes it, and the model has ranges."""
    int8 = has_bf16() and load_ranges(RELEASES[model].sha256) is not None
    return ("auto", "int8") if int8 else ("auto",)


def held_share(clip: vs.VideoNode) -> float:
    """Return the share of frames that repeat another, in per cent, among those that were measured last."""
    frames = range(clip.num_frames - 2 * PERIOD, clip.num_frames)
    return 100 * sum("AnimeSRHeld" in clip.get_frame(n).props for n in frames) / len(frames)


def make_episode(settings: Settings) -> vs.VideoNode:
    """Return a drawn clip without cuts, encoded and decoded, cached in memory: long enough for all rounds."""
    count = settings.frames * (settings.rounds + 1)
    drawings: list[Yuv] = []
    for number, hold in zip(range(count), cycle(HOLDS), strict=False):
        drawings += [draw(number, settings.width, settings.height)] * hold
        if len(drawings) >= count:
            break
    decoded = list(decode(encode(drawings[:count], ENCODINGS[0])))
    clip = make_clip([split(yuv) for yuv in decoded], vs.YUV420P8).std.SetFrameProps(_Matrix=6, _Range=0)
    core.std.SetVideoCache(clip, mode=1, fixedsize=1, maxsize=count, maxhistory=0)
    for _ in clip.frames(close=True):
        pass
    return clip


def draw(number: int, width: int, height: int) -> Yuv:
    """Draw discs with dark outlines on a flat background, each at its place in a drawing."""
    random = np.random.default_rng(0)
    picture = np.full((height, width, 3), (210, 200, 170), np.float32)
    y, x = np.mgrid[:height, :width]
    for _ in range(DISCS):
        place, speed = random.uniform(0, (width, height)), random.uniform(-STEP, STEP, 2)
        radius, colour = random.uniform(0.05, 0.2) * height, random.uniform(40, 250, 3)
        centre = np.mod(place + number * speed, (width, height))
        distance = np.hypot(x - centre[0], y - centre[1])
        picture[distance < radius + 1.5] = (30, 25, 35)
        picture[distance < radius] = colour
    return to_yuv(picture)

"""Network steps and time of what a previewer does: stepping back, stepping forward, jumping."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import vapoursynth as vs

from vsanimesr.session import Session

from .settings import Settings
from .table import Table, verdict

core = vs.core

FRAMES = 4000
SIDE = 16
"""Width and height: a step with the backend `null` then takes a fraction of a millisecond."""
MEMORY = 1
"""VapourSynth's memory limit in MB: to a frame of 16x16 what 1.35 GB are to one of 720x480."""
SCENE = 100
"""Frames from cut to cut, in the clip with cuts."""
THREADS = (2, 16)
FROM = 3050
"""Where stepping begins: in the middle of a scene, or far from frame 0."""
TARGETS = {
    "exact": {"50 back": 3.0, "50 forward": 1.0},
    "preview": {"50 back": 5.0, "50 forward": 1.0, "20 random": 13.0},
}
"""Most network steps for a frame, on average after the first."""


@dataclass
class Count:
    """What requests cost: network steps and seconds of each."""

    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def measure_seeks(settings: Settings) -> Iterator[Table]:
    """Measure requests one after the other: with and without cuts, with few and many threads, exact and preview."""
    rng = random.Random(1)
    walks = {
        "50 back": range(FROM, FROM - 50, -1),
        "50 forward": range(FROM, FROM + 50),
        "20 random": [rng.randrange(FRAMES) for _ in range(20)],
    }
    threads, memory = core.num_threads, core.max_cache_size
    core.max_cache_size = MEMORY
    try:
        for seek, targets in TARGETS.items():
            rows = [
                _row(f"{walk}, {name}, {count} threads", _measure(frames, cuts, count, seek), targets.get(walk))
                for walk, frames in walks.items()
                for name, cuts in {"no cuts": False, f"a cut each {SCENE}": True}.items()
                for count in THREADS
            ]
            columns = ("", "steps of the first", "steps, mean of the others", "most", "ms, mean of all", "target")
            yield Table(f'Seeks with seek="{seek}"', columns, rows, _note())
    finally:
        core.num_threads, core.max_cache_size = threads, memory


def _measure(frames: Sequence[int], cuts: bool, threads: int, seek: str) -> Count:
    """Request frames of a new filter one after the other."""
    core.num_threads = threads
    upscaled = core.animesr.Upscale(_clip(cuts), backend="null", seek=seek)
    count = Count()
    with _counting(count):
        for n in frames:
            count.steps.append(0)
            begin = time.perf_counter()
            upscaled.get_frame(n).close()
            count.seconds.append(time.perf_counter() - begin)
    return count


def _clip(cuts: bool) -> vs.VideoNode:
    """Return a clip that says of every frame whether a scene starts there."""
    clip = core.std.BlankClip(width=SIDE, height=SIDE, format=vs.RGBS, length=FRAMES, keep=True)
    within, start = (clip.std.SetFrameProps(_SceneChangePrev=value) for value in (0, 1))
    return core.std.FrameEval(clip, lambda n: start if cuts and n % SCENE == 0 else within)


@contextmanager
def _counting(count: Count) -> Iterator[None]:
    """Count the steps of all sessions in this process, for the request that was begun last."""
    step = Session.step

    def counted(self: Session, *arguments: Any, **keywords: Any) -> Any:
        count.steps[-1] += 1
        return step(self, *arguments, **keywords)

    Session.step = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session.step = step  # type: ignore[method-assign]


def _row(name: str, count: Count, most: float | None) -> tuple[str, ...]:
    first, *others = count.steps
    after = mean(others)
    milliseconds = 1000 * mean(count.seconds)
    return name, f"{first}", f"{after:.1f}", f"{max(others)}", f"{milliseconds:.2f}", verdict(after, at_most=most)


def _note() -> str:
    clip = f"{FRAMES} frames of {SIDE}x{SIDE} with the backend null and a memory limit of {MEMORY} MB"
    return f"{clip}; steps are network steps, those of pre-roll among them."

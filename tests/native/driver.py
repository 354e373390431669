"""A driver for the native sequencer and output cache: it calls them as the filter does, with numbers for pixels.

The recurrent state, which is also the result of a step, is a number that depends on every step since the last reset. A
test serves requests in any order. Frame numbers stand for VapourSynth's frames.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scripts.compiler import COMPILER

NATIVE = Path(__file__).parents[2] / "vsanimesr" / "native"
CHECKS = ["-O1", "-g", "-D_GLIBCXX_ASSERTIONS", *os.environ.get("CXXFLAGS", "").split()]
"""How native code is compiled for tests. `CXXFLAGS` are those of scripts/sanitize."""
FLAGS = ["-std=c++20", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *CHECKS]
LARGEST_BLOCK = 32


class Settings(ctypes.Structure):
    """`Settings` of sequencer_c.cpp."""

    _fields_ = tuple(
        (name, ctypes.c_int)
        for name in (
            "frames",
            "preroll",
            "preview",
            "segment",
            "warmup",
            "skip_held",
            "longest_hold",
            "chunk",
            "reach",
            "checkpoints",
            "capacity",
        )
    )


def compile_library(folder: Path) -> ctypes.CDLL:
    """Compile the sequencer and the output cache with their C interface, `sequencer_c.cpp`, and load the library."""
    library = folder / "sequencer_c.so"
    sources = [Path(__file__).with_name("sequencer_c.cpp"), NATIVE / "sequencer.cpp", NATIVE / "timeline.cpp"]
    subprocess.run([COMPILER, *FLAGS, f"-I{NATIVE}", "-o", library, *sources], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.filter_new.restype = ctypes.c_void_p
    loaded.filter_get.restype = ctypes.c_long
    loaded.filter_is_requested.restype = ctypes.c_bool
    return loaded


def run_network(state: int, prev: int, cur: int, next_: int) -> int:
    """Return the next state: a hash of the state and the window, which fits a C long."""
    return hash((state, prev, cur, next_)) & 0x7FFF_FFFF_FFFF_FFFF


class Run(NamedTuple):
    """As `Run` of timeline.h."""

    first: int
    start: int
    at_anchor: bool
    approximate: bool = False


@dataclass
class Clip:
    """A clip and the arguments that define its result, as docs/design.md, 2 does. Frame 0 is always an anchor.

    Two frames are held if their `pictures` differ by at most `tolerance`: so a slow change is held for some frames.
    """

    frames: int
    anchors: frozenset[int] = frozenset()
    preroll: int = 2
    segment: int = 0
    warmup: int = 0
    skip_held: bool = False
    longest_hold: int = 12
    tolerance: int = 1
    pictures: tuple[int, ...] = ()

    def is_anchor(self, n: int) -> bool:
        return n == 0 or n in self.anchors

    def is_held(self, kept: int, n: int) -> bool:
        return abs(self.pictures[kept] - self.pictures[n]) <= self.tolerance

    def lowest(self, n: int) -> int:
        """Return the first frame that may decide where the run to frame n starts."""
        return max(0, (n // self.segment - 1) * self.segment + 1) if self.segment else 0

    def find_run(self, n: int) -> Run:
        anchor = max(k for k in range(n + 1) if self.is_anchor(k))
        if not self.segment or n < anchor + self.segment:
            return Run(anchor, anchor, True)
        start = max(anchor + self.segment, n // self.segment * self.segment)
        return Run(start - self.warmup, start, False)

    def list_kept(self, run: Run, last: int) -> list[int]:
        """Return the frames of a segment that are kept, from its start up to a frame."""
        kept = [run.start]
        for k in range(run.start + 1, last + 1):
            if not self.skip_held or k - kept[-1] >= self.longest_hold or not self.is_held(kept[-1], k):
                kept.append(k)
        return kept

    def find_kept(self, n: int) -> int:
        return self.list_kept(self.find_run(n), n)[-1]

    def find_next(self, k: int) -> int:
        """Return the frame after a kept one in its scene: the next that is kept."""
        for n in range(k + 1, self.frames):
            if self.is_anchor(n):
                break
            if self.find_kept(n) == n:
                return n
        return k

    def steps(self, n: int) -> Iterator[tuple[int, int, int]]:
        """Yield the windows of all steps to frame n."""
        run = self.find_run(n)
        yield from [(run.first,) * 3] * self.preroll
        for k in range(run.first, run.start):
            yield k - 1, k, k + 1
        kept = self.list_kept(run, n)
        before = [run.start if run.at_anchor else run.start - 1, *kept]
        for prev, k in zip(before, kept, strict=False):
            yield prev, k, self.find_next(k)

    def expected_result(self, n: int) -> int:
        state = 0
        for window in self.steps(n):
            state = run_network(state, *window)
        return state

    def expected_preview(self, n: int, first: int) -> int:
        """Return the result for frame n of an approximate run that starts at another one."""
        state = 0
        for _ in range(self.preroll):
            state = run_network(state, first, first, first)
        for k in range(first, n + 1):
            state = run_network(state, k - 1, k, k if k + 1 == self.frames or self.is_anchor(k + 1) else k + 1)
        return state

    def needs(self, n: int, *, props: bool) -> set[int]:
        """Return the source frames that frame n is a function of."""
        run, end = self.find_run(n), n + 1
        needed = {n, *(k for window in self.steps(n) for k in window)}
        needed |= set(range(run.start, n + 1)) if self.skip_held else set()
        if self.skip_held or props:  # frames are looked at until one is kept or in another scene
            ends = (k for k in range(n + 1, self.frames) if self.is_anchor(k) or self.find_kept(k) == k)
            last = next(ends, self.frames - 1)
            compared = range(n + 1, last + 1) if props else [k for k in range(n + 1, last + 1) if not self.is_anchor(k)]
            needed |= set(compared)
        if props:
            while end > self.lowest(n):
                begin = max(self.lowest(n), end - min(LARGEST_BLOCK, max(1, n + 1 - end)))
                needed |= set(range(max(1, begin), end))  # frame 0 is an anchor, whatever its properties
                if any(self.is_anchor(k) for k in range(begin, end)):
                    break
                end = begin
        return needed


class SourceError(Exception):
    """A source frame cannot be read."""


@dataclass
class Request:
    n: int
    pixels: list[int] = field(default_factory=list)
    props: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    rgb: set[int] = field(default_factory=set)  # frames that the request holds
    source: set[int] = field(default_factory=set)


class FilterDriver:
    """A filter without VapourSynth.

    Args:
        props: anchors become known frame by frame, as with `scene_change="props"`; otherwise from the start.
        preview: of `Sequencer::Config`; -1 for none.
        capacity: of the output cache.
        broken: source frames that cannot be read.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        clip: Clip,
        *,
        props: bool = True,
        preview: int = -1,
        chunk: int = 8,
        reach: int = 2,
        checkpoints: int = 2,
        capacity: int = 4,
        broken: frozenset[int] = frozenset(),
    ) -> None:
        self._c = library
        self._clip = clip
        self._props = props
        self._broken = broken
        self._reach = reach
        settings = Settings(
            clip.frames,
            clip.preroll,
            preview,
            clip.segment,
            clip.warmup,
            clip.skip_held,
            clip.longest_hold,
            chunk,
            reach,
            checkpoints,
            capacity,
        )
        anchors = None if props else (ctypes.c_int * len(clip.anchors))(*clip.anchors)
        self._filter = ctypes.c_void_p(library.filter_new(ctypes.byref(settings), anchors, len(clip.anchors)))
        self._state = 0
        self._saved: dict[int, int] = {}
        self._numbers = (ctypes.c_int * (16 * (clip.frames + clip.preroll) + 64))()
        self._chunk = chunk
        self.most_saved = 0
        self.steps = 0
        self.approximate: dict[int, bool] = {}
        self.fail_at: int | None = None  # number of steps before the one that fails

    def close(self) -> None:
        self._c.filter_free(self._filter)

    def open_request(self, n: int) -> Request:
        self._c.filter_open_request(self._filter, n)
        request = Request(n, pixels=[n])
        if self._props:
            request.props = [k for k in (n, n + 1) if k < self._clip.frames]
        return request

    def serve(self, request: Request, turns: int = 1 << 30) -> int | None:
        """Give a request the frames that it asks for, and let it run steps.

        Args:
            turns: number of times that it may run steps before another request has a turn.

        Returns:
            Its result, or None if it asks for more frames or has had its turns.

        Raises:
            SourceError: it asks for a frame that is broken.
        """
        if broken := self._broken & {*request.pixels, *request.props, *request.sources}:
            raise SourceError(min(broken))
        for k in request.props:
            self._c.filter_record_anchor(self._filter, k, k in self._clip.anchors)
        request.rgb.update(request.pixels)
        request.source.update(request.sources)
        while True:
            plan = self._plan(request)
            request.pixels, request.props, request.sources = plan.pixels, plan.props, plan.sources
            if plan.comparison:
                kept, frame = plan.comparison
                assert {kept, frame} <= request.source
                held = self._clip.is_held(kept, frame)
                self._c.filter_record_comparison(self._filter, kept, frame, held)
                request.source = {k for k in request.source if k >= (kept if held else frame)}
                continue
            if plan.pixels or plan.props or plan.sources:
                assert not plan.steps
                assert len(plan.pixels) <= self._chunk + 2
                assert not request.rgb & set(plan.pixels)
                assert not request.source & set(plan.sources)
                return None
            result: int = self._c.filter_get(self._filter, plan.kept)
            if result >= 0:
                self.close_request(request.n)
                return result
            if turns == 0:
                return None
            turns -= 1
            self._run(plan, request)
            reached = plan.steps[-1].cur
            request.rgb = {k for k in request.rgb if k >= reached or k == request.n}

    def close_request(self, n: int) -> None:
        self._c.filter_close_request(self._filter, n)

    def saved_states(self) -> list[int]:
        return list(self._saved.values())

    def distance(self, n: int) -> int:
        distance: int = self._c.filter_distance(self._filter, n)
        return distance

    def _plan(self, request: Request) -> Plan:
        rgb = (ctypes.c_int * len(request.rgb))(*request.rgb)
        source = (ctypes.c_int * len(request.source))(*request.source)
        self._c.filter_plan(self._filter, request.n, rgb, len(rgb), source, len(source), self._numbers)
        return Plan.read(iter(self._numbers))

    def _run(self, plan: Plan, request: Request) -> None:
        if self.fail_at is not None and self.fail_at < len(plan.steps):
            self.fail_at = None
            self._state = -1  # a backend that fails may leave any state
            self._c.filter_invalidate(self._filter, self._numbers)
            self._drop()
            assert not self._saved, "a state of before the failure is kept"
            raise RuntimeError("backend failed")
        if self.fail_at is not None:
            self.fail_at -= len(plan.steps)
        parked = self._save() if plan.parks else 0
        if plan.origin == RESET:
            self._state = 0
        elif plan.origin == SAVED:
            self._state = self._saved[plan.saved]
        for step in plan.steps:
            assert {step.prev, step.cur, step.next} <= request.rgb, "the request does not hold the frames of a step"
            self.steps += 1
            self._state = run_network(self._state, step.prev, step.cur, step.next)
        saved = self._save() if plan.save else 0
        self._c.filter_complete(self._filter, parked, saved, self._numbers)
        self._drop()
        self.most_saved = max(self.most_saved, len(self._saved))
        last = plan.steps[-1]
        requested = self._c.filter_is_requested(self._filter, last.cur, last.last)
        if last.output and (requested or plan.kept - last.cur < self._reach):
            self.approximate[last.cur] = plan.run.approximate
            self._c.filter_put(self._filter, last.cur, last.last, ctypes.c_long(self._state))

    def _save(self) -> int:
        handle = max(self._saved, default=0) + 1
        self._saved[handle] = self._state
        return handle

    def _drop(self) -> None:
        for handle in self._numbers[1 : 1 + self._numbers[0]]:
            del self._saved[handle]


class Step(NamedTuple):
    prev: int
    cur: int
    next: int
    last: int
    output: int


LIVE, SAVED, RESET = range(3)


class Plan(NamedTuple):
    """As `Plan` of sequencer.h."""

    kept: int
    pixels: list[int]
    props: list[int]
    sources: list[int]
    comparison: list[int]
    steps: list[Step]
    run: Run
    origin: int
    saved: int
    save: bool
    parks: bool

    @classmethod
    def read(cls, numbers: Iterator[int]) -> Plan:
        kept = next(numbers)
        pixels, props, sources, comparison = ([next(numbers) for _ in range(next(numbers))] for _ in range(4))
        steps = [Step(*(next(numbers) for _ in range(5))) for _ in range(next(numbers))]
        run = Run(next(numbers), next(numbers), bool(next(numbers)), bool(next(numbers)))
        origin, saved, save, parks = (next(numbers) for _ in range(4))
        return cls(kept, pixels, props, sources, comparison, steps, run, origin, saved, bool(save), bool(parks))

"""The native sequencer, compiled for the tests and driven as the filter drives it, with numbers for pixels.

A state, and the result of a step, is a number that depends on every step since the last reset. Requests are served in
any order that a test chooses; what the filter does with VapourSynth's frames is done here with frame numbers.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "vsanimesr" / "native"
COMPILER = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), "c++")


def compile_library(folder: Path) -> ctypes.CDLL:
    library = folder / "sequencer_c.so"
    sources = [Path(__file__).with_name("sequencer_c.cpp"), NATIVE / "sequencer.cpp"]
    flags = [
        "-std=c++20",
        "-O1",
        "-g",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-D_GLIBCXX_ASSERTIONS",
    ]
    subprocess.run([COMPILER, *flags, f"-I{NATIVE}", "-o", library, *sources], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.driven_new.restype = ctypes.c_void_p
    loaded.driven_get.restype = ctypes.c_long
    loaded.driven_wants.restype = ctypes.c_bool
    return loaded


def step_of(state: int, prev: int, cur: int, next_: int) -> int:
    """What stands for running the network: another number for every other history. Fits a C long."""
    return hash((state, prev, cur, next_)) & 0x7FFF_FFFF_FFFF_FFFF


@dataclass
class Clip:
    frames: int
    anchors: frozenset[int] = frozenset()  # frame 0 is one anyhow
    preroll: int = 2

    def model(self, n: int, start: int | None = None) -> int:
        """Design, section 2: the result for frame n is one run from its anchor (or from `start`) up to n."""
        anchors = self.anchors | {0}
        first = max(a for a in anchors if a <= n) if start is None else start
        state = 0
        for _ in range(self.preroll):
            state = step_of(state, first, first, first)
        for k in range(first, n + 1):
            after = k if k + 1 == self.frames or k + 1 in anchors else k + 1
            state = step_of(state, k if k in anchors else k - 1, k, after)
        return state


@dataclass
class Request:
    n: int
    pixels: list[int]
    props: list[int] = field(default_factory=list)
    held: set[int] = field(default_factory=set)


class Driven:
    def __init__(
        self,
        library: ctypes.CDLL,
        clip: Clip,
        *,
        learned: bool = True,
        preview: bool = False,
        warmup: int = 8,
        chunk: int = 8,
        capacity: int = 4,
    ) -> None:
        self._c = library
        self._clip = clip
        anchors = None if learned else (ctypes.c_int * len(clip.anchors))(*clip.anchors)
        self._self = ctypes.c_void_p(
            library.driven_new(clip.frames, anchors, len(clip.anchors), clip.preroll, preview, warmup, chunk, capacity)
        )
        self._state = 0
        self._plan = (ctypes.c_int * (16 * (clip.frames + clip.preroll) + 64))()
        self._chunk = chunk
        self.steps = 0
        self.requested = 0  # source frames
        self.approximate: dict[int, bool] = {}
        self.fail_at: int | None = None  # the step, counted from the next one, that fails

    def close(self) -> None:
        self._c.driven_free(self._self)

    def open(self, n: int) -> Request | int:
        """A request as it comes in: a result where there is one already."""
        self._c.driven_open(self._self, n)
        known = self._get(n)
        if known is not None:
            return known
        return Request(n, [k for k in (n - 1, n, n + 1) if 0 <= k < self._clip.frames])

    def serve(self, request: Request) -> int | None:
        """The frames asked for are there: go on; a result, or None where more frames have been asked for."""
        self.requested += len(request.pixels)
        for k in request.props + request.pixels:
            self._c.driven_learn(self._self, k, k in self._clip.anchors)
        request.held.update(request.pixels)
        while (known := self._get(request.n)) is None:
            target, steps, request.pixels, request.props = self._planned(request)
            assert sum(map(bool, (steps, request.pixels, request.props))) == 1
            assert len(request.pixels) <= self._chunk + 2
            if not steps:
                assert not request.held & set(request.pixels)
                return None
            for step in steps:
                self._run(step, target, request)
            reached, n = steps[-1][1], request.n
            request.held = {k for k in request.held if reached <= k <= target + 1 or n - 1 <= k <= n + 1}
        self.end(request.n)
        return known

    def end(self, n: int) -> None:
        self._c.driven_close(self._self, n)

    def _get(self, n: int) -> int | None:
        known: int = self._c.driven_get(self._self, n)
        return None if known < 0 else known

    def _planned(self, request: Request) -> tuple[int, list[tuple[int, ...]], list[int], list[int]]:
        held = (ctypes.c_int * len(request.held))(*request.held)
        self._c.driven_plan(self._self, request.n, held, len(held), self._plan)
        numbers = iter(self._plan)
        target = next(numbers)
        steps = [tuple(next(numbers) for _ in range(6)) for _ in range(next(numbers))]
        pixels = [next(numbers) for _ in range(next(numbers))]
        props = [next(numbers) for _ in range(next(numbers))]
        return target, steps, pixels, props

    def _run(self, step: Sequence[int], target: int, request: Request) -> None:
        prev, cur, next_, reset, output, approximate = step
        assert {prev, cur, next_} <= request.held, "a step was planned whose frames are not here"
        if self.fail_at is not None:
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None
                self._state = -1  # whatever a broken engine leaves behind
                self._c.driven_fail(self._self)
                raise RuntimeError("engine failed")
        self.steps += 1
        self._state = step_of(0 if reset else self._state, prev, cur, next_)
        self._c.driven_done(self._self, (ctypes.c_int * 6)(*step))
        if output and self._c.driven_wants(self._self, cur, target):
            self.approximate[cur] = bool(approximate)
            self._c.driven_put(self._self, cur, ctypes.c_long(self._state))

"""A driver for the native sequencer and output cache: it calls them as the filter does, with numbers for pixels.

The recurrent state, which is also the result of a step, is a number that depends on every step since the last reset.
A test serves requests in any order. Frame numbers stand for VapourSynth's frames.
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
    """Compile the sequencer and the output cache with their C interface, `sequencer_c.cpp`, and load the library."""
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
    loaded.filter_new.restype = ctypes.c_void_p
    loaded.filter_get.restype = ctypes.c_long
    loaded.filter_should_keep.restype = ctypes.c_bool
    return loaded


def run_network(state: int, prev: int, cur: int, next_: int) -> int:
    """Return the next state: a hash of the state and the window, which fits a C long."""
    return hash((state, prev, cur, next_)) & 0x7FFF_FFFF_FFFF_FFFF


@dataclass
class Clip:
    frames: int
    anchors: frozenset[int] = frozenset()  # frame 0 is always an anchor
    preroll: int = 2

    def expected_result(self, n: int, start: int | None = None) -> int:
        """Return the result for frame n: one run from its anchor (or from `start`) up to n (docs/design.md, 2)."""
        anchors = self.anchors | {0}
        first = max(a for a in anchors if a <= n) if start is None else start
        state = 0
        for _ in range(self.preroll):
            state = run_network(state, first, first, first)
        for k in range(first, n + 1):
            after = k if k + 1 == self.frames or k + 1 in anchors else k + 1
            state = run_network(state, k if k in anchors else k - 1, k, after)
        return state


@dataclass
class Request:
    n: int
    pixels: list[int]
    props: list[int] = field(default_factory=list)
    frames: set[int] = field(default_factory=set)  # source frames that the request holds


class FilterDriver:
    """A filter without VapourSynth.

    Args:
        props: anchors become known frame by frame, as with `scene_change="props"`; otherwise from the start.
        capacity: of the output cache.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        clip: Clip,
        *,
        props: bool = True,
        preview: bool = False,
        warmup: int = 8,
        chunk: int = 8,
        capacity: int = 4,
    ) -> None:
        self._c = library
        self._clip = clip
        anchors = None if props else (ctypes.c_int * len(clip.anchors))(*clip.anchors)
        self._filter = ctypes.c_void_p(
            library.filter_new(clip.frames, anchors, len(clip.anchors), clip.preroll, preview, warmup, chunk, capacity)
        )
        self._state = 0
        self._numbers = (ctypes.c_int * (16 * (clip.frames + clip.preroll) + 64))()
        self._chunk = chunk
        self.steps = 0
        self.requested = 0  # number of source frames requested
        self.approximate: dict[int, bool] = {}
        self.fail_at: int | None = None  # number of steps before the one that fails

    def close(self) -> None:
        self._c.filter_free(self._filter)

    def open_request(self, n: int) -> Request | int:
        """Open a request for frame n. Return its result if that is in the cache, else the request."""
        self._c.filter_open_request(self._filter, n)
        result = self._get(n)
        if result is not None:
            return result
        return Request(n, [k for k in (n - 1, n, n + 1) if 0 <= k < self._clip.frames])

    def serve(self, request: Request) -> int | None:
        """Give a request the frames that it asks for. Return its result, or None if it asks for more frames."""
        self.requested += len(request.pixels)
        for k in request.props + request.pixels:
            self._c.filter_record_anchor(self._filter, k, k in self._clip.anchors)
        request.frames.update(request.pixels)
        while (result := self._get(request.n)) is None:
            target, steps, request.pixels, request.props = self._plan(request)
            assert sum(map(bool, (steps, request.pixels, request.props))) == 1
            assert len(request.pixels) <= self._chunk + 2
            if not steps:
                assert not request.frames & set(request.pixels)
                return None
            for step in steps:
                self._run(step, target, request)
            reached, n = steps[-1][1], request.n
            request.frames = {k for k in request.frames if reached <= k <= target + 1 or n - 1 <= k <= n + 1}
        self.close_request(request.n)
        return result

    def close_request(self, n: int) -> None:
        self._c.filter_close_request(self._filter, n)

    def _get(self, n: int) -> int | None:
        result: int = self._c.filter_get(self._filter, n)
        return None if result < 0 else result

    def _plan(self, request: Request) -> tuple[int, list[tuple[int, ...]], list[int], list[int]]:
        frames = (ctypes.c_int * len(request.frames))(*request.frames)
        self._c.filter_plan(self._filter, request.n, frames, len(frames), self._numbers)
        numbers = iter(self._numbers)
        target = next(numbers)
        steps = [tuple(next(numbers) for _ in range(6)) for _ in range(next(numbers))]
        pixels = [next(numbers) for _ in range(next(numbers))]
        props = [next(numbers) for _ in range(next(numbers))]
        return target, steps, pixels, props

    def _run(self, step: Sequence[int], target: int, request: Request) -> None:
        prev, cur, next_, reset, output, approximate = step
        assert {prev, cur, next_} <= request.frames, "a planned step needs a frame that the request does not hold"
        if self.fail_at is not None:
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None
                self._state = -1  # a backend that fails may leave any state
                self._c.filter_discard_state(self._filter)
                raise RuntimeError("backend failed")
        self.steps += 1
        self._state = run_network(0 if reset else self._state, prev, cur, next_)
        self._c.filter_complete(self._filter, (ctypes.c_int * 6)(*step))
        if output and self._c.filter_should_keep(self._filter, cur, target):
            self.approximate[cur] = bool(approximate)
            self._c.filter_put(self._filter, cur, ctypes.c_long(self._state))

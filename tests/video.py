"""Clips, expected frames, and scripts for the tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from tests.backends.runner import make_setup
from tests.native.driver import Clip
from vsanimesr.backends.base import SCALE, Frame, Planes, Ticket
from vsanimesr.backends.null import NullBackend
from vsanimesr.options import Options

core = vs.core

Bytes = tuple[bytes, ...]


def numbered_clip(
    frames: int, width: int = 16, height: int = 12, cuts: Collection[int] = (), pictures: Sequence[int] = ()
) -> vs.VideoNode:
    """Return an RGBS clip whose frames all differ, with `_SceneChangePrev` 1 at `cuts` and 0 elsewhere.

    Args:
        pictures: for each frame, the number of its picture, if some show the same one.
    """
    ramp = core.std.BlankClip(format=vs.RGBS, width=width, height=height, length=frames, color=[0.25, 0.5, 0.75])

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = draw_picture(pictures[n] if pictures else n, width, height)[plane]
        frame.props["_SceneChangePrev"] = int(n in cuts)
        return frame

    return core.std.ModifyFrame(ramp, ramp, draw)


def draw_picture(n: int, width: int, height: int) -> NDArray[np.float32]:
    """Return the planes of frame n of `numbered_clip`, as (3, height, width)."""
    x, y = np.arange(width) / width, np.arange(height)[:, None] / height
    return np.stack([(n * (p + 3) % 17) / 32 + (x + y) / 8 for p in range(3)]).astype(np.float32)


def add_jitter(clip: vs.VideoNode) -> vs.VideoNode:
    """Return the same frames, of which two in five take milliseconds longer, so that they become ready out of order."""
    work = core.std.BlankClip(clip, width=400, height=300, color=[0, 0, 0], keep=True)
    for _ in range(2):
        work = core.std.BoxBlur(work, hradius=30, hpasses=4, vradius=30, vpasses=4)
    nothing = core.std.Crop(work, right=400 - clip.width, bottom=300 - clip.height)
    slow = core.std.Expr([clip, nothing], "x y +")
    return core.std.FrameEval(clip, lambda n: slow if n * 7919 % 5 < 2 else clip)


def break_frames(clip: vs.VideoNode, broken: Collection[int], nan: Collection[int] = ()) -> vs.VideoNode:
    """Return the clip with frames that cannot be read, and frames that hold NaN."""

    def spoil(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        if n in broken:
            raise ValueError("a damaged frame")
        if n not in nan:
            return f
        copy = f.copy()
        np.asarray(copy[0])[1, 1] = np.nan
        return copy

    return core.std.ModifyFrame(clip, clip, spoil)


def expected_frame(n: int, frames: int, cuts: Collection[int], width: int, height: int) -> Bytes:
    """Return frame n as `expected_result` does, for a clip of `numbered_clip` and the default pre-roll."""
    return expected_result(Clip(frames, frozenset(cuts), preroll=Options().preroll), n, width, height)


def expected_result(clip: Clip, n: int, width: int, height: int) -> Bytes:
    """Return frame n as the design defines it (section 2): the backend `null` on all steps of its run."""
    backend = NullBackend(make_setup("null", width, height))
    ticket: Ticket | None = None
    for window in clip.steps(n):
        prev, cur, next_ = (draw_frame(k, clip.pictures[k] if clip.pictures else k, width, height) for k in window)
        ticket = backend.submit(prev, cur, next_, output=True)
    out = np.empty((3, SCALE * height, SCALE * width), np.float32)
    assert ticket is not None
    planes: Planes = (out[0], out[1], out[2])
    ticket.wait(planes)
    return tuple(plane.tobytes() for plane in out)


def draw_frame(n: int, picture: int, width: int, height: int) -> Frame:
    red, green, blue = draw_picture(picture, width, height)
    return Frame(n, (red, green, blue))


def read_planes(frame: vs.VideoFrame) -> Bytes:
    """Return the bytes of each plane, without the padding between rows."""
    return tuple(np.asarray(frame[plane]).tobytes() for plane in range(frame.format.num_planes))


def get_frames(clip: vs.VideoNode, order: Sequence[int], *, at_once: int) -> list[tuple[int, Bytes]]:
    """Request frames in this order, `at_once` of them before waiting for the first. Return their numbers and bytes."""
    results = []
    for start in range(0, len(order), at_once):
        futures = [(n, clip.get_frame_async(n)) for n in order[start : start + at_once]]
        for n, future in futures:
            with future.result() as frame:
                results.append((n, read_planes(frame)))
    return results


def write_script(folder: Path, text: str) -> Path:
    """Write a .vpy file that begins with imports of `vs`, `core` and this module. Return its path."""
    path = folder / "script.vpy"
    head = """
import vapoursynth as vs
core = vs.core
from tests.video import *
"""
    path.write_text(head + text)
    return path


@contextmanager
def collect_log() -> Iterator[list[str]]:
    """Collect the messages of `Upscale` in VapourSynth's log."""
    messages: list[str] = []
    handle = core.add_log_handler(lambda _, message: messages.append(message) if "Upscale" in message else None)
    try:
        yield messages
    finally:
        core.remove_log_handler(handle)

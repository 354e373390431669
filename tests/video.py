"""Clips, scripts and runs of vspipe for the tests."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanimesr.engines.base import SCALE, Frame, Planes
from vsanimesr.engines.null import NullEngine

from .setups import setup_for

core = vs.core

Bytes = tuple[bytes, ...]


def numbered(frames: int, width: int = 16, height: int = 12, cuts: Collection[int] = ()) -> vs.VideoNode:
    """An RGBS clip whose frames all differ, with `_SceneChangePrev` set to 1 at `cuts` and 0 elsewhere."""
    ramp = core.std.BlankClip(format=vs.RGBS, width=width, height=height, length=frames, color=[0.25, 0.5, 0.75])

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = picture(n, width, height)[plane]
        frame.props["_SceneChangePrev"] = int(n in cuts)
        return frame

    return core.std.ModifyFrame(ramp, ramp, draw)


def picture(n: int, width: int, height: int) -> NDArray[np.float32]:
    """The planes of frame n of `numbered`: (3, height, width)."""
    x, y = np.arange(width) / width, np.arange(height)[:, None] / height
    return np.stack([(n * (p + 3) % 17) / 32 + (x + y) / 8 for p in range(3)]).astype(np.float32)


def jittered(clip: vs.VideoNode) -> vs.VideoNode:
    """The same frames, of which two in five take milliseconds longer, so that they get ready out of order."""
    work = core.std.BlankClip(clip, width=400, height=300, color=[0, 0, 0], keep=True)
    for _ in range(2):
        work = core.std.BoxBlur(work, hradius=30, hpasses=4, vradius=30, vpasses=4)
    nothing = core.std.Crop(work, right=400 - clip.width, bottom=300 - clip.height)
    slow = core.std.Expr([clip, nothing], "x y +")
    return core.std.FrameEval(clip, lambda n: slow if n * 7919 % 5 < 2 else clip)


def run_of(n: int, frames: int, cuts: Collection[int], width: int, height: int, preroll: int = 2) -> Bytes:
    """Frame n as the design defines it: one run of the null engine from the anchor up to n (section 2)."""
    anchors = {0, *cuts}
    anchor = max(a for a in anchors if a <= n)
    engine = NullEngine(setup_for("null", width, height))

    def frame(k: int) -> Frame:
        red, green, blue = picture(k, width, height)
        return Frame(k, (red, green, blue))

    for _ in range(preroll):
        engine.submit(frame(anchor), frame(anchor), frame(anchor), output=False)
    for k in range(anchor, n + 1):
        after = k if k + 1 == frames or k + 1 in anchors else k + 1
        ticket = engine.submit(frame(k if k in anchors else k - 1), frame(k), frame(after), output=True)
    out = np.empty((3, SCALE * height, SCALE * width), np.float32)
    assert ticket is not None
    planes: Planes = (out[0], out[1], out[2])
    ticket.wait(planes)
    return tuple(plane.tobytes() for plane in out)


def content(frame: vs.VideoFrame) -> Bytes:
    """The bytes of each plane, without the padding between rows."""
    return tuple(np.asarray(frame[plane]).tobytes() for plane in range(frame.format.num_planes))


def frames_in(clip: vs.VideoNode, order: Sequence[int], *, at_once: int) -> list[tuple[int, Bytes]]:
    """Ask for frames in this order, `at_once` of them before waiting for the first."""
    results = []
    for start in range(0, len(order), at_once):
        futures = [(n, clip.get_frame_async(n)) for n in order[start : start + at_once]]
        for n, future in futures:
            with future.result() as frame:
                results.append((n, content(frame)))
    return results


SCRIPTS = Path(sysconfig.get_path("scripts"))


@functools.cache
def environment() -> dict[str, str]:
    """The environment for vspipe, whose configuration is made once, in a folder of the tests' own."""
    folder = tempfile.mkdtemp(prefix="animesr-vspipe-")
    atexit.register(shutil.rmtree, folder)
    variables = {**os.environ, "XDG_CONFIG_HOME": folder}
    subprocess.run([SCRIPTS / "vapoursynth", "config"], env=variables, check=True, capture_output=True)
    return variables


def script(folder: Path, text: str) -> Path:
    """A .vpy file in which `vs`, `core` and the clips of this module are there."""
    path = folder / "script.vpy"
    head = f"""
import sys
sys.path.append({str(Path(__file__).parents[1])!r})
import vapoursynth as vs
core = vs.core
from tests.video import *
"""
    path.write_text(head + text)
    return path


def vspipe(
    *arguments: str | Path, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run vspipe to its end."""
    return subprocess.run(
        [sys.executable, SCRIPTS / "vspipe", *arguments], env=env or environment(), capture_output=True, timeout=timeout
    )

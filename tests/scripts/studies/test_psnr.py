"""PSNR of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.studies.psnr import MAX_PSNR, compute_psnr


@pytest.mark.parametrize("peak", [1, 255])
def test_psnr_of_known_pictures(peak: float) -> None:
    black = np.zeros((2, 2, 3), np.float32)

    assert compute_psnr(black, black + np.float32(peak), peak=peak) == 0
    assert compute_psnr(black, black + np.float32(peak / 100), peak=peak) == pytest.approx(40)
    assert compute_psnr(black + np.float32(peak / 100), black, peak=peak) == pytest.approx(40)


def test_psnr_has_a_maximum_for_equal_pictures() -> None:
    picture = np.full((3, 4, 4), 0.5)

    assert compute_psnr(picture, picture) == compute_psnr(picture, picture + 1e-9) == MAX_PSNR

"""PSNR against its formula, SSIM against a slow, literal one."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.losses.metrics import psnr_y
from vsanimesr.comparison.metrics import luma_of, measure

RNG = np.random.default_rng(3)
FRAME = RNG.integers(0, 256, (40, 48, 3), np.uint8)
NOISY = np.clip(FRAME + RNG.integers(-20, 21, FRAME.shape), 0, 255).astype(np.uint8)


def test_psnr_is_that_of_the_trainer() -> None:
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(each / 255).permute(2, 0, 1)[None] for each in (NOISY, FRAME)]

    assert measure(NOISY, FRAME).psnr == pytest.approx(float(psnr_y(*tensors)), abs=1e-6)


def test_ssim_is_the_mean_over_gaussian_windows() -> None:
    a, b = luma_of(NOISY), luma_of(FRAME)
    gauss = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(gauss, gauss) / gauss.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
            cov = (window * p * q).sum() - mp * mq
            found.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))

    assert measure(NOISY, FRAME).ssim == pytest.approx(np.mean(found), abs=1e-9)


def test_equal_frames_and_small_ones() -> None:
    assert measure(FRAME, FRAME) == (np.inf, 1)
    assert measure(NOISY[:10], FRAME[:10]).ssim is None
    assert 20 < measure(NOISY[:10], FRAME[:10]).psnr < 40
    assert luma_of(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).tolist() == [[16, pytest.approx(235)]]

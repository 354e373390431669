"""Strips of pictures: LR, SR and HQ of one frame."""

from __future__ import annotations

import numpy as np
import torch

from trainer.dataset import Sample
from trainer.recurrence import Recurrence
from trainer.strip import strip_of
from vsanimesr.torch_network import AnimeSR


def test_a_strip_shows_the_last_frame() -> None:
    torch.manual_seed(0)
    network = AnimeSR(features=4, blocks=(1, 1, 1)).eval()
    sample = Sample(torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8), torch.rand(3, 3, 8, 8), 0)
    with torch.no_grad():
        sr = Recurrence(network)(sample.lr[None])[0, -1]

    lr, made, hq = np.split(np.asarray(strip_of(network, sample)), 3, axis=1)

    assert np.array_equal(lr[::4, ::4], _bytes(sample.lr[-1]))
    assert np.array_equal(np.kron(lr[::4, ::4], np.ones((4, 4, 1), np.uint8)), lr)
    assert np.abs(made.astype(int) - _bytes(sr)).max() <= 1
    assert np.array_equal(hq, sample.hq[-1].permute(1, 2, 0).numpy())


def _bytes(picture: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    levels = (255 * picture.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return levels

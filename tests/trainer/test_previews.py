"""Preview strips show input, output and target of one frame."""

from __future__ import annotations

import numpy as np
import torch

from trainer.data.samples import Sample
from trainer.previews import preview_strip
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.torch_network import AnimeSR


def test_a_strip_shows_the_last_frame() -> None:
    torch.manual_seed(0)
    network = Recurrence(AnimeSR(features=4, blocks=(1, 1, 1)).eval())
    sample = Sample(torch.rand(3, 3, 8, 8), torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8))
    with torch.no_grad():
        sr = network(sample.input[None])[0, -1]

    lr, output, hq = np.split(np.asarray(preview_strip(network, sample)), 3, axis=1)

    assert np.array_equal(lr[::4, ::4], _bytes(sample.input[-1]))
    assert np.array_equal(np.kron(lr[::4, ::4], np.ones((4, 4, 1), np.uint8)), lr)
    assert np.abs(output.astype(int) - _bytes(sr)).max() <= 1
    assert np.array_equal(hq, sample.target[-1].permute(1, 2, 0).numpy())


def _bytes(picture: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    levels = (255 * picture.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return levels

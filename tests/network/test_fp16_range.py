"""The largest number of fp16 is 65504. All values in the network stay far below it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.test_fidelity import real_frames
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.weights.load import load_weights

LARGEST = 65504
UNIT = 10
"""Ratio of the values that the graph stores in 16 bits to those of the paper."""


@pytest.mark.parametrize("model", ["v1", "v2"])
@pytest.mark.parametrize("source", ["real", "noise", "black and white"])
def test_values_stay_a_hundred_times_below_the_largest_of_fp16(model: str, source: str) -> None:
    random = np.random.default_rng(3)
    frames = real_frames(12, 96, 56) if source == "real" else list(random.random((12, 3, 56, 96), np.float32))
    if source == "black and white":
        frames = [(frame > 0.5).astype(np.float32) for frame in frames]
    network = AnimeSR()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in load_weights(model).items()})
    peaks: list[float] = []

    def record(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        peaks.append(float(output.abs().max()))

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.LeakyReLU)):
            module.register_forward_hook(record)
    clip = [torch.from_numpy(frame)[None].clamp(0, 1) for frame in frames]
    with torch.inference_mode():
        sr, hidden = network.initial_state(clip[0])
        for n, cur in enumerate(clip):
            _, sr, hidden = network(clip[max(n - 1, 0)], cur, clip[min(n + 1, len(clip) - 1)], sr, hidden)
            peaks += [float(sr.abs().max()), float(hidden.abs().max())]

    assert len(peaks) > 25 * len(clip)  # the hooks were called
    assert 1 < UNIT * max(peaks) < LARGEST / 100

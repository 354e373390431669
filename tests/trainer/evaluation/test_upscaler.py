"""Upscalers: any size, frame by frame as all at once, and what they cost."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tests.trainer.lbo.networks import Bilinear
from trainer.evaluation.upscaler import Bicubic, NetworkUpscaler, Upscaler, upscale_frames
from vsanimesr.network.torch_network import AnimeSR


def network() -> NetworkUpscaler:
    torch.manual_seed(0)
    return NetworkUpscaler("net", AnimeSR(features=4, blocks=(1, 0, 0)))


@pytest.mark.parametrize("upscaler", [Bicubic(), network()], ids=["bicubic", "network"])
@settings(max_examples=10, deadline=None)
@given(frames=st.integers(1, 3), height=st.integers(1, 19), width=st.integers(1, 19))
def test_any_size_frame_by_frame(upscaler: Upscaler, frames: int, height: int, width: int) -> None:
    lr = torch.rand(frames, 3, height, width)
    sr = upscaler(lr)
    assert sr.shape == (frames, 3, 4 * height, 4 * width)
    assert not sr.requires_grad
    assert torch.equal(torch.cat(list(upscale_frames(upscaler, lr))), sr)


def test_what_has_no_frames_of_its_own_is_called_once() -> None:
    class Nearest:
        name, parameters, macs_per_pixel = "nearest", 0, 0.0

        def __call__(self, lr: torch.Tensor) -> torch.Tensor:
            return functional.interpolate(lr, scale_factor=4)

    lr = torch.rand(2, 3, 5, 7)
    assert torch.equal(torch.cat(list(upscale_frames(Nearest(), lr))), Nearest()(lr))


def test_a_network_keeps_its_state_between_frames_and_padding_stays_outside() -> None:
    lr = torch.rand((1, 3, 6, 7), generator=torch.Generator().manual_seed(0)).expand(3, -1, -1, -1)
    first, second, _ = network()(lr)
    assert not torch.allclose(first, second)
    expected = functional.interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)
    assert torch.allclose(NetworkUpscaler("zero", Bilinear())(lr), expected, atol=1e-5)


def test_costs_are_those_of_the_layers() -> None:
    released = NetworkUpscaler("net", AnimeSR())
    assert (released.parameters, released.macs_per_pixel) == (1_495_376, 1_127_232)
    assert NetworkUpscaler("flat", AnimeSR(multi_scale=False)).macs_per_pixel == 1_493_568  # all layers at full size

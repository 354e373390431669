"""SRVGGNetCompact and RRDBNet compute what their definitions say, on frames of any size, in strips as a whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trainer.baselines import network as network_module
from trainer.baselines.compact import Compact
from trainer.baselines.network import MARGIN, Baseline, BaselineNetwork, count_macs, in_strips
from trainer.baselines.realbasicvsr import RealBasicVsr
from trainer.baselines.rrdb import Rrdb
from trainer.evaluation.upscaler import FrameByFrame, Movable, Upscaler


def small(kind: str, seed: int = 0) -> BaselineNetwork:
    """A small network of each kind with random weights."""
    torch.manual_seed(seed)
    builders: dict[str, Callable[[], BaselineNetwork]] = {
        "compact": lambda: Compact(features=5, blocks=2),
        "rrdb": lambda: Rrdb(features=4, blocks=2, growth=3),
        "realbasicvsr": lambda: RealBasicVsr(features=4, blocks=1),
    }
    return builders[kind]().eval().requires_grad_(False)


@cache
def small_upscaler(kind: str) -> Baseline:
    """The same as an upscaler, made once: to count costs takes a second."""
    return Baseline(kind, small(kind))


KINDS = ["compact", "rrdb", "realbasicvsr"]


@pytest.mark.parametrize("kind", KINDS)
@given(width=st.integers(1, 20), height=st.integers(1, 20), frames=st.integers(1, 2))
@settings(max_examples=8)
def test_frames_of_any_size(kind: str, width: int, height: int, frames: int) -> None:
    upscaler = small_upscaler(kind)
    lr = torch.rand(frames, 3, height, width)

    sr = upscaler(lr)

    assert sr.dtype == torch.float32
    assert sr.shape == (frames, 3, 4 * height, 4 * width)
    assert not sr.requires_grad
    assert torch.equal(sr, torch.cat(list(upscaler.frames(lr))))


@pytest.mark.parametrize("kind", ["compact", "rrdb"])
def test_each_frame_alone(kind: str) -> None:
    upscaler = small_upscaler(kind)
    lr = torch.rand(3, 3, 9, 12)

    torch.testing.assert_close(upscaler(lr)[1:2], upscaler(lr[1:2]), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_upscaler_is_what_evaluations_compare(kind: str) -> None:
    network = small(kind)
    upscaler: Upscaler = Baseline("its name", network)

    assert isinstance(upscaler, FrameByFrame)
    assert isinstance(upscaler, Movable)
    assert upscaler.name == "its name"
    assert upscaler.parameters == sum(each.numel() for each in network.parameters())
    upscaler.to(torch.device("meta"))
    assert next(network.parameters()).is_meta


def test_a_caller_of_frames_is_not_left_in_inference_mode() -> None:
    frames = small_upscaler("compact").frames(torch.rand(2, 3, 8, 8))
    next(frames)

    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("kind", ["rrdb", "realbasicvsr"])
def test_strips_are_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small(kind)
    lr = torch.rand(1, 3, 23, 10)
    (whole,) = network.frames(lr)
    taken = []

    def cut(layers: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
        taken.append(features.shape)
        for rows in range(1, 25):
            torch.testing.assert_close(in_strips(layers, features, rows), layers(features), rtol=1e-5, atol=1e-6)
        return layers(features)

    monkeypatch.setattr(f"trainer.baselines.{kind}.in_strips", cut)
    (again,) = network.frames(lr)

    torch.testing.assert_close(again, whole)
    assert [shape[2:] for shape in taken] == [(23, 10)]


def test_the_margin_is_what_layers_see() -> None:
    """A smaller margin would show: the outermost row of it counts."""
    network = small("realbasicvsr")
    lr = torch.rand(1, 3, 23, 10)
    (whole,) = network.frames(lr)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(network_module, "MARGIN", MARGIN - 1)
        patched.setattr(
            "trainer.baselines.realbasicvsr.in_strips", lambda layers, features: in_strips(layers, features, 8)
        )
        (cut,) = network.frames(lr)

    assert (cut - whole).abs().max() > 1e-5


def test_compact_without_weights_repeats_pixels() -> None:
    network = Compact()
    for each in network.parameters():
        nn.init.zeros_(each)
    lr = torch.rand(1, 3, 6, 7)

    assert torch.equal(network(lr), lr.repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_sub_pixels_are_in_the_order_of_pixel_shuffle() -> None:
    """The channels of the last layer are (colour, row, column)."""
    network = Compact(features=2, blocks=0)
    for each in network.parameters():
        nn.init.zeros_(each)
    network.body[-1].bias.data = torch.arange(48.0)

    sr = network(torch.zeros(1, 3, 1, 1))

    assert torch.equal(sr[0], torch.arange(48.0).view(3, 4, 4))


def test_factors_of_residual_blocks() -> None:
    """With convolutions that only copy, a dense block is 1.2 x, and its block x + 0.2 * 1.2^3 x."""
    network = Rrdb(features=3, blocks=1, growth=3)
    for name, each in network.named_parameters():
        nn.init.zeros_(each)
        if name.endswith("weight") and each.shape[0] == 3 and ("conv5" in name or "rdb" not in name):
            with torch.no_grad():
                each[:, :3, 1, 1] = torch.eye(3)
    lr = torch.rand(1, 3, 4, 5)

    block = 1 + 0.2 * 1.2**3

    torch.testing.assert_close(network(lr), interpolate(lr * (1 + block), scale_factor=4.0, mode="nearest"))


def test_costs_by_hand() -> None:
    """Of SRVGGNetCompact and RRDBNet as published; 9 is a kernel of 3x3."""
    dense = sum((64 + 32 * before) * (32 if before < 4 else 64) for before in range(5))
    upsampling = 4 * 64 * 64 + 16 * (64 * 64 + 64 * 64 + 64 * 3)

    assert count_macs(Compact()) == 9 * (3 * 64 + 16 * 64 * 64 + 64 * 48)
    assert count_macs(Rrdb(blocks=6)) == 9 * (3 * 64 + 18 * dense + 64 * 64 + upsampling)


def test_the_cost_of_realbasicvsr_by_hand() -> None:
    """With the least cleaning. A further frame is seen by both directions, with two flows."""
    features, blocks = 8, 3
    cleaning = 9 * (3 * features + 2 * blocks * features**2 + features * 3)
    direction = 9 * ((3 + features) * features + 2 * blocks * features**2)
    level = 49 * (8 * 32 + 32 * 64 + 64 * 32 + 32 * 16 + 16 * 2)
    flow = level * sum(0.25**number for number in range(6))
    last = 2 * features**2 + 9 * (4 * features**2 * (1 + 4) + 16 * (features**2 + 3 * features))

    network = RealBasicVsr(features=features, blocks=blocks, cleanings=1)

    assert count_macs(network) == pytest.approx(cleaning + 2 * direction + 2 * flow + last)

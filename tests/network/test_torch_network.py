"""The network in PyTorch gives the results of the reference and of the graph, and can be trained."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scripts.benchmarks.reference_network import Network
from tests.backends.runner import import_onnxruntime_or_skip
from vsanimesr.network.graph import build_graph
from vsanimesr.network.shapes import RELEASED_SHAPE, SR_CHANNELS
from vsanimesr.network.torch_network import AnimeSR

type Weights = dict[str, NDArray[np.float32]]

WIDTH, HEIGHT = 20, 12


@pytest.fixture(params=["v1", "v2"])
def weights(request: pytest.FixtureRequest) -> Weights:
    found: Weights = request.getfixturevalue(f"weights_{request.param}")
    return found


def build(weights: Weights) -> AnimeSR:
    network = AnimeSR()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return network


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_steps_equal_the_reference(weights: Weights) -> None:
    clip = list(random(5, 3, HEIGHT, WIDTH).numpy())
    network = build(weights)
    frames = [torch.from_numpy(frame)[None] for frame in clip]
    sr, hidden = network.initial_state(frames[0])

    for n, expected in enumerate(Network(weights).run(clip)):
        with torch.no_grad():
            out, sr, hidden = network(frames[max(n - 1, 0)], frames[n], frames[min(n + 1, 4)], sr, hidden)
        assert out.dtype == torch.float32
        assert np.abs(out[0].numpy() - expected).max() < 5e-6


def test_a_step_and_its_state_equal_the_graph(weights: Weights) -> None:
    runtime = import_onnxruntime_or_skip()
    inputs = {name: random(1, 3, HEIGHT, WIDTH, seed=i) for i, name in enumerate(("prev", "cur", "next"))}
    inputs["sr"] = random(1, SR_CHANNELS, HEIGHT, WIDTH, seed=3)
    inputs["hidden"] = random(1, 64, HEIGHT, WIDTH, seed=4) - 0.3
    # The graph orders the folded channels as (dy, dx, colour).
    order = torch.arange(SR_CHANNELS).reshape(3, 4, 4).permute(1, 2, 0).reshape(-1)
    graph = build_graph(weights, (WIDTH, HEIGHT)).SerializeToString()
    feeds = {name: value.numpy() for name, value in {**inputs, "sr": inputs["sr"][:, order]}.items()}
    frame, sr, hidden = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, feeds)

    with torch.no_grad():
        ours = build(weights)(**inputs)

    for found, expected in zip((ours[0], ours[1][:, order], ours[2]), (frame, sr, hidden), strict=True):
        assert np.abs(found.numpy() - expected).max() < 5e-6


def test_the_state_dict_has_the_keys_of_the_released_files(weights_v2: Weights) -> None:
    state = AnimeSR().state_dict()

    assert {key: tuple(value.shape) for key, value in state.items()} == RELEASED_SHAPE.tensors()
    assert list(state) == list(weights_v2)
    missing = {key: torch.from_numpy(value) for key, value in weights_v2.items()}
    del missing["recurrent_cell.fusion.2.bias"]
    with pytest.raises(RuntimeError, match=r"fusion\.2\.bias"):
        AnimeSR().load_state_dict(missing)


@pytest.mark.parametrize("multi_scale", [True, False])
def test_gradients_reach_every_parameter_and_earlier_frames(multi_scale: bool) -> None:
    torch.manual_seed(0)
    network = AnimeSR(multi_scale=multi_scale)
    window = [random(1, 3, 8, 8, seed=seed).requires_grad_() for seed in range(3)]
    zero = [tensor.requires_grad_() for tensor in network.initial_state(window[0])]

    _, sr, hidden = network(*window, *zero)
    sr.retain_grad()
    hidden.retain_grad()
    still = random(1, 3, 8, 8, seed=4)
    out, _, _ = network(still, still, still, sr, hidden)
    out.square().mean().backward()

    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []
    for tensor in (*window, *zero, sr, hidden):  # through two steps, by both parts of the state
        assert tensor.grad is not None
        assert tensor.grad.any()


def test_one_scale_has_the_same_parameters_and_stays_at_full_size() -> None:
    multi, single = AnimeSR(), AnimeSR(multi_scale=False)

    assert sum(value.numel() for value in single.parameters()) == 1_495_376
    assert {key: value.shape for key, value in single.state_dict().items()} == {
        key: value.shape for key, value in multi.state_dict().items()
    }
    single.load_state_dict(multi.state_dict())
    cur = random(1, 3, 7, 5)  # odd sides, which cannot be halved
    out, sr, hidden = single(cur, cur, cur, *single.initial_state(cur))
    assert (out.shape, sr.shape, hidden.shape) == ((1, 3, 28, 20), (1, 48, 7, 5), (1, 64, 7, 5))


def test_other_widths_and_depths() -> None:
    network = AnimeSR(features=16, blocks=(3, 2, 0))
    cur = random(2, 3, 8, 4)

    out, sr, hidden = network(cur, cur, cur, *network.initial_state(cur))

    assert (out.shape, sr.shape, hidden.shape) == ((2, 3, 32, 16), (2, 48, 8, 4), (2, 16, 8, 4))
    with pytest.raises(ValueError, match=r"blocks=\[2, 3, 1\]"):
        AnimeSR(blocks=(2, 3, 1))


def test_initialisation() -> None:
    """Residual blocks start close to the identity, the rest as in PyTorch (docs/paper-and-release.md, 1.6)."""
    torch.manual_seed(0)
    for name, conv in AnimeSR().named_modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        assert conv.bias is not None
        fan_in = 9 * conv.in_channels
        if "body" in name:
            assert float(conv.weight.detach().std()) == pytest.approx(0.1 * math.sqrt(2 / fan_in), rel=0.03)
            assert not conv.bias.any()
        else:
            for value in (conv.weight, conv.bias):
                assert 0.9 / math.sqrt(fan_in) < float(value.detach().abs().max()) <= 1 / math.sqrt(fan_in)


def test_without_a_change_the_output_is_the_bilinear_picture() -> None:
    """The output of the network is added to the bilinear upsampling of the current frame."""
    network = AnimeSR()
    with torch.no_grad():
        for value in network.recurrent_cell.fusion[2].parameters():
            value.zero_()
        cur = random(1, 3, 8, 8)
        noise = random(1, 3, 8, 8, seed=1)
        out, _, hidden = network(noise, cur, noise, *network.initial_state(cur))

    assert (out - nn.functional.interpolate(cur, scale_factor=4, mode="bilinear")).abs().max() < 5e-7
    assert not hidden.any()


def test_the_picture_stays_float32_in_training_too(weights_v2: Weights) -> None:
    """The picture must not be rounded to 16 bits when nothing is added to it."""
    network = build(weights_v2)
    cur = random(1, 3, 8, 8)
    with torch.no_grad():
        for value in network.recurrent_cell.fusion[2].parameters():
            value.zero_()
        exact = network(cur, cur, cur, *network.initial_state(cur))[0]
        with torch.autocast("cpu", torch.bfloat16):
            autocast = network(cur, cur, cur, *network.initial_state(cur))[0]
        narrow = network.to(torch.bfloat16)
        out = narrow(cur, cur, cur, *narrow.initial_state(cur))[0]

    assert torch.equal(autocast, exact)
    assert torch.equal(out, exact)

"""The recurrence in training: it computes the same as the filter, and the same gradients with less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scripts.benchmarks.reference_network import Network
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.torch_network import AnimeSR

SMALL = {"features": 8, "blocks": (2, 1, 1)}


def clip(batch: int = 2, frames: int = 4, height: int = 8, width: int = 12) -> Tensor:
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def network(**shape: object) -> AnimeSR:
    torch.manual_seed(0)
    return AnimeSR(**(shape or SMALL))  # type: ignore[arg-type]


def gradients(recurrence: Recurrence, lr: Tensor) -> list[Tensor]:
    recurrence.zero_grad()
    recurrence(lr).square().mean().backward()
    return [parameter.grad.clone() for parameter in recurrence.parameters() if parameter.grad is not None]


def test_each_clip_of_a_batch_is_run_like_the_reference(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    released = AnimeSR()
    released.load_state_dict({key: torch.from_numpy(value) for key, value in weights_v2.items()})

    with torch.no_grad():
        sr = Recurrence(released)(clip())

    assert sr.shape == (2, 4, 3, 32, 48)
    for own, lr in zip(sr, clip(), strict=True):
        for frame, expected in zip(own, Network(weights_v2).run(list(lr.numpy())), strict=True):
            assert np.abs(frame.numpy() - expected).max() < 5e-6


def test_a_clip_may_have_one_frame() -> None:
    recurrence = Recurrence(network())
    lr = clip(frames=1)
    sr, hidden = recurrence.network.initial_state(lr[:, 0])

    assert torch.equal(recurrence(lr)[:, 0], recurrence.network(lr[:, 0], lr[:, 0], lr[:, 0], sr, hidden)[0])


@pytest.mark.parametrize("bf16", [False, True])
def test_recomputing_gives_bit_equal_frames_and_gradients(bf16: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        (kept, again), lr = (Recurrence(network(), recompute=recompute) for recompute in (False, True)), clip()
        assert torch.equal(kept(lr), again(lr))
        expected = gradients(kept, lr)
        found = gradients(again, lr)

    assert len(expected) == len(list(kept.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_recomputing_stores_only_the_state_between_frames() -> None:
    kept = dict.fromkeys((False, True), 0)
    for recompute in kept:

        def count(tensor: Tensor, recompute: bool = recompute) -> Tensor:
            kept[recompute] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            Recurrence(network(), recompute=recompute)(clip())

    assert 0 < kept[True] < kept[False] / 3


def test_the_gradient_of_the_last_frame_reaches_the_first() -> None:
    lr = clip().requires_grad_()

    Recurrence(network())(lr)[:, -1].square().mean().backward()

    assert lr.grad is not None
    assert lr.grad[:, 0].abs().max() > 0


def test_channels_last_stays_from_frame_to_frame_and_changes_only_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = network().to(memory_format=torch.channels_last)
    inputs: list[Tensor] = []
    convolve = functional.conv2d

    def note(x: Tensor, weight: Tensor, *more: Any, **how: Any) -> Tensor:
        if weight.shape == (8, 9 + 48 + 8, 3, 3):  # the first convolution
            inputs.append(x)
        out: Tensor = convolve(x, weight, *more, **how)
        return out

    with torch.no_grad():
        expected = Recurrence(network())(clip())
        monkeypatch.setattr(functional, "conv2d", note)
        sr = Recurrence(last, layout=torch.channels_last)(clip())

    assert len(inputs) == 4  # one input for each frame
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in inputs)
    assert (sr - expected).abs().max() < 1e-5


def test_autocast_computes_the_same_as_the_filter_in_bf16() -> None:
    """Pixels enter as two bfloat16 values, also with float32 weights that autocast rounds."""
    lr = clip()
    whole, half = network(), network().bfloat16()
    state = list(half.initial_state(lr[:, 0]))

    with torch.no_grad():
        window = (lr[:, 0], lr[:, 1], lr[:, 2])
        expected = half(*window, *state)[0]
        with torch.autocast("cpu", torch.bfloat16):
            cast = whole(*window, *whole.initial_state(lr[:, 0]))[0]
        exact = whole(*window, *whole.initial_state(lr[:, 0]))[0]

    assert (cast - expected).abs().max() <= 1e-6
    assert 0 < (cast - exact).abs().max() < 0.01


def test_a_limit_holds_an_unstable_network_and_changes_no_other(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    """With weights that are 1.5 times as large, the state grows with each frame."""
    released, lr = AnimeSR(), clip(batch=1, frames=12, height=16, width=16)
    released.load_state_dict({key: torch.from_numpy(value) for key, value in weights_v2.items()})
    with torch.no_grad():
        assert torch.equal(Recurrence(released, growth=10)(lr), Recurrence(released)(lr))
        for parameter in released.parameters():
            parameter.mul_(1.5)

    free, limited = (
        [hidden.abs().max() for _, _, hidden in Recurrence(released, growth=growth).steps(lr)] for growth in (0, 2)
    )

    assert free[-1] > 1e6 * free[len(free) // 2]
    assert max(limited[len(limited) // 2 :]) < 2 * max(limited[: len(limited) // 2])
    gradient = gradients(Recurrence(released, growth=2), lr)
    assert all(each.isfinite().all() for each in gradient)

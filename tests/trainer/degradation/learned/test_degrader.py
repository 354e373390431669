"""The degrader equals its operator, and its results are deterministic."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trainer.degradation.learned.operators import random_operator
from trainer.degradation.learned import degrader
from trainer.degradation.learned.degrader import Degrader


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("features", [64, 8])
def test_it_equals_the_operator_within_a_grey_level(halves: bool, features: int) -> None:
    operator = random_operator(halves=halves, features=features)
    clip = torch.rand(3, 3, 32, 40)

    found = Degrader(operator)(clip)

    expected = operator(clip)
    assert (found.dtype, found.shape) == (torch.float32, expected.shape)
    assert found.is_contiguous()
    assert (found - expected).abs().max() < 0.03 * expected.std()  # bfloat16 has 8 bits
    assert (found - expected).std() < 0.01 * expected.std()


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("features", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [2, 4, 8, 16])
def test_narrow_frames_are_no_other_in_the_precision_of_this_processor(halves: bool, features: int, width: int) -> None:
    operator = random_operator(halves=halves, features=features)
    clip = torch.rand(2, 3, 16, 2 * width if halves else width)

    expected = operator(clip)
    assert (Degrader(operator)(clip) - expected).abs().max() < 0.05 * expected.std()


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(1, 20), st.integers(1, 3), st.integers(1, 9), st.integers(1, 25))
@example(halves=False, features=64, frames=3, height=16, width=20)  # only the last layer is folded
@example(halves=True, features=8, frames=1, height=5, width=16)  # all layers are folded
@example(halves=True, features=1, frames=1, height=4, width=6)  # the fold does not fill a vector
def test_it_equals_the_operator_at_any_size(halves: bool, features: int, frames: int, height: int, width: int) -> None:
    operator = random_operator(halves=halves, features=features)
    for layer in (0, 2, 4):
        torch.nn.init.normal_(operator.main[layer].get_parameter("bias"))
    scale = 2 if halves else 1
    clip = torch.rand(frames, 3, scale * height, scale * width)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(degrader, "computes_bf16", lambda _: False)  # fp32 must be exact
        found = Degrader(operator)(clip)

    assert torch.allclose(found, operator(clip), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("halves", [False, True])
def test_processes_order_and_threads_do_not_change_a_bit(halves: bool) -> None:
    operator = random_operator(halves=halves, features=16)
    first, second, small = torch.rand(5, 3, 48, 64), torch.rand(5, 3, 48, 64), torch.rand(2, 3, 16, 20)
    here = Degrader(operator)
    expected = [here(clip) for clip in (first, second, small)]
    copies = [each.clone() for each in expected]

    elsewhere = pickle.loads(pickle.dumps(here))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        again = [elsewhere(clip) for clip in (small, second, first)][::-1]
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(*pair) for pair in zip(again, expected, strict=True))
    assert all(torch.equal(*pair) for pair in zip(copies, expected, strict=True))  # no result is overwritten

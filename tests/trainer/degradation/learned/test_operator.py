"""The operator: its shape and its definition (docs/paper-and-release.md, 3.1)."""

from __future__ import annotations

import torch

from trainer.degradation.learned.operator import Framewise, Operator


def test_it_has_the_shape_of_the_release() -> None:
    operator = Operator(halves=True)

    shapes = {name: tuple(tensor.shape) for name, tensor in operator.state_dict().items()}
    assert shapes == {
        "main.0.weight": (64, 12, 3, 3),
        "main.0.bias": (64,),
        "main.2.weight": (64, 64, 3, 3),
        "main.2.bias": (64,),
        "main.4.weight": (3, 64, 3, 3),
        "main.4.bias": (3,),
    }
    assert sum(parameter.numel() for parameter in operator.parameters()) == 45_635
    assert operator(torch.rand(2, 3, 32, 48)).shape == (2, 3, 16, 24)
    assert Operator(halves=False)(torch.rand(2, 3, 32, 48)).shape == (2, 3, 32, 48)
    assert all(not bias.any() for name, bias in operator.state_dict().items() if name.endswith("bias"))


def test_it_is_three_convolutions_and_two_leaky_relus_on_unshuffled_pixels() -> None:
    torch.manual_seed(1)
    operator, frame = Operator(halves=True, features=5), torch.rand(1, 3, 6, 8)
    weights = operator.state_dict()

    values = frame.reshape(1, 3, 3, 2, 4, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 12, 3, 4)
    for layer in (0, 2, 4):
        weight, bias = weights[f"main.{layer}.weight"], weights[f"main.{layer}.bias"]
        patches = torch.nn.functional.unfold(values, 3, padding=1).reshape(1, values.shape[1], 9, 12)
        values = torch.einsum("ocy,bcyp->bop", weight.flatten(2), patches).reshape(1, -1, 3, 4) + bias.view(1, -1, 1, 1)
        if layer < 4:
            values = torch.maximum(values, 0.2 * values)

    assert torch.allclose(operator(frame), values, atol=1e-5)


def test_frames_of_clips_are_independent() -> None:
    operator, clips = Operator(halves=True, features=4), torch.rand(2, 3, 3, 16, 16)
    with torch.no_grad():
        found = Framewise(operator)(clips)
        assert found.shape == (2, 3, 3, 8, 8)
        for b in range(2):
            for t in range(3):
                assert torch.allclose(found[b, t], operator(clips[b, t][None])[0], atol=1e-6)

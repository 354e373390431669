"""A student that is cut out of its teacher: which channels it keeps, and the weights that are fitted."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainer.clips import cartoon_clip
from trainer.data.uint8 import UINT8_MAX
from trainer.degradation.scaling import downscale
from trainer.distil.cut import contributions, cut, fit_convolution, match
from trainer.losses.metrics import psnr
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.shapes import SR_CHANNELS, Shape
from vsanimesr.network.torch_network import AnimeSR

BLOCKS = (2, 1, 1)
SMALL = Shape(4, BLOCKS, 10)


@pytest.fixture(scope="module")
def clips() -> Tensor:
    """Two LR clips, (2, 5, 3, 32, 32)."""
    both = [cartoon_clip(5), cartoon_clip(5).flip(3)]
    return torch.stack([downscale(each.float() / UINT8_MAX, 4, "area") for each in both])


def network(shape: Shape, seed: int) -> AnimeSR:
    """A random network whose pictures differ from bilinear ones."""
    torch.manual_seed(seed)
    made = AnimeSR(features=shape.features, blocks=shape.blocks, fusion=shape.fusion)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.1)
    return made.eval()


@torch.no_grad()
def likeness(a: AnimeSR, b: AnimeSR, clips: Tensor) -> float:
    """PSNR of the frames of two networks in dB."""
    sr = [Recurrence(each)(clips).flatten(0, 1) for each in (a, b)]
    return float(psnr(*sr).mean())


def with_idle_channels(small: AnimeSR, shape: Shape) -> tuple[AnimeSR, dict[str, Tensor]]:
    """A network of a larger shape that computes the same: nothing reads the channels that it has besides.

    Returns:
        The network, and the places of the small network's channels: features, hidden state, fusion.
    """
    large = network(shape, 9)
    places = {
        "features": torch.tensor([1, 2, 4, 7]),
        "hidden": torch.tensor([0, 3, 5, 6]),
        "fusion": torch.tensor([0, 1, 3, 4, 6, 7, 9, 11, 12, 14]),
    }
    folded = torch.arange(SR_CHANNELS)
    window = torch.arange(9 + SR_CHANNELS)
    ends = {
        "conv_s1_first.0": (places["features"], torch.cat([window, 9 + SR_CHANNELS + places["hidden"]])),
        "fusion.0": (places["fusion"], torch.cat([n * shape.features + places["features"] for n in range(3)])),
        "fusion.2": (torch.cat([folded, SR_CHANNELS + places["hidden"]]), places["fusion"]),
    }
    with torch.no_grad():
        for name, module in large.recurrent_cell.named_modules():
            if isinstance(module, nn.Conv2d):
                own = cast(nn.Conv2d, small.recurrent_cell.get_submodule(name))
                outputs, inputs = ends.get(name, (places["features"], places["features"]))
                idle = torch.ones(module.in_channels, dtype=torch.bool)
                idle[inputs] = False
                module.weight[:, idle] = 0
                module.weight[outputs[:, None], inputs] = own.weight
                cast(Tensor, module.bias)[outputs] = cast(Tensor, own.bias)
    return large, places


def test_a_convolution_is_fitted_to_what_it_should_give() -> None:
    torch.manual_seed(1)
    for stride in (1, 2):
        known, fitted = (nn.Conv2d(5, 7, 3, stride, 1) for _ in range(2))
        values = torch.rand(6, 5, 16, 16)
        with torch.no_grad():
            fit_convolution(fitted, values, known(values))
            assert functional.mse_loss(fitted(values), known(values)) < 1e-4 * known(values).var()


def test_a_channel_contributes_what_it_changes_in_the_output() -> None:
    torch.manual_seed(2)
    values, weight = torch.randn(4, 6, 12, 12), torch.randn(3, 6, 3, 3)
    weight[:, 4] = 0
    values[:, 5] = 0.7  # a constant is as good as a bias

    found = contributions(values, weight)

    for channel in range(4):
        alone = torch.zeros_like(values)
        alone[:, channel] = values[:, channel] - values[:, channel].mean()
        change = functional.conv2d(alone, weight, padding=1).square().mean((0, 2, 3)).sum()
        assert found[channel].item() == pytest.approx(change.item(), rel=1e-4)
    assert found[4] == 0
    assert found[5] < 1e-9


def test_a_student_without_its_teachers_idle_channels_gives_the_same(clips: Tensor) -> None:
    small = network(SMALL, 3)
    teacher, places = with_idle_channels(small, Shape(9, BLOCKS, 16))
    assert likeness(teacher, small, clips) > 60

    found = cut(teacher, SMALL, clips)

    assert found.hidden.tolist() == places["hidden"].tolist()
    assert likeness(found.network, teacher, clips) > 36  # regression keeps weights small, which costs a little
    assert min(found.contributions.values()) > 0.999
    assert likeness(network(SMALL, 4), teacher, clips) < 20  # others are far from it


def test_a_student_that_lacks_channels_is_nearer_than_one_with_the_teachers_weights(clips: Tensor) -> None:
    teacher = network(Shape(9, BLOCKS, 20), 5)

    found = cut(teacher, SMALL, clips)

    kept = found.hidden
    bare = AnimeSR(features=4, blocks=BLOCKS, fusion=10)
    with torch.no_grad():
        for name, module in bare.recurrent_cell.named_modules():
            if isinstance(module, nn.Conv2d):
                own = cast(nn.Conv2d, teacher.recurrent_cell.get_submodule(name))
                module.weight.copy_(own.weight[: module.out_channels, : module.in_channels])
    assert len(set(kept.tolist())) == 4
    assert likeness(found.network, teacher, clips) > likeness(bare, teacher, clips) + 3
    assert all(0 < share < 1 for share in found.contributions.values())


def test_the_deviations_are_those_of_the_hidden_state(clips: Tensor) -> None:
    teacher = network(Shape(9, BLOCKS, 20), 6)

    found = cut(teacher, SMALL, clips)

    with torch.no_grad():
        *_, (_, _, hidden) = Recurrence(teacher).steps(clips)  # of an odd number of frames, the cut sees the last
    assert list(found.deviations) == pytest.approx(hidden[:, found.hidden].std((0, 2, 3)).tolist(), rel=0.5)


def test_a_student_is_matched_with_the_channels_that_its_own_are_like(clips: Tensor) -> None:
    """They are in another order, of another size, and two of them are like the same one."""
    teacher = network(Shape(9, BLOCKS, 20), 6)
    order = torch.tensor([5, 2, 8, 0])
    shape = Shape(4, BLOCKS, 10)

    class Permuted(AnimeSR):
        """Runs the teacher, and has some of its channels."""

        def initial_state(self, cur: Tensor) -> tuple[Tensor, Tensor]:
            self.state = teacher.initial_state(cur)
            return self.state[0], self.state[1][:, order]

        def forward(
            self, prev: Tensor, cur: Tensor, next: Tensor, sr: Tensor, hidden: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            frame, *self.state = teacher(prev, cur, next, *self.state)
            own = self.state[1][:, order] * torch.tensor([0.5, 3.0, 1.0, 1.0]).view(1, -1, 1, 1)
            own[:, 3] = own[:, 2] + 0.05 * own[:, 3]
            return frame, self.state[0], own

    student = Permuted(features=shape.features, blocks=shape.blocks, fusion=shape.fusion)

    found = match(teacher, student, clips)

    assert found.hidden[:3].tolist() == order[:3].tolist()
    assert len(set(found.hidden.tolist())) == 4
    assert found.network is student
    with torch.no_grad():
        _, second, _, fourth, _ = (hidden for _, _, hidden in Recurrence(teacher).steps(clips))
    kept = torch.cat([second, fourth])[:, found.hidden]
    assert list(found.deviations) == pytest.approx(kept.std((0, 2, 3)).tolist(), rel=1e-4)

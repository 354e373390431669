"""RealBasicVSR has the symmetries of its definition, and flow points where it should.

There are no weights to compare with. A network whose kernels are mirrored must mirror its frames, and one whose
directions of time are exchanged must reverse its clips: a wrong sign, axis, order or size in between would show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trainer.baselines.realbasicvsr import CLEANINGS, THRESHOLD, RealBasicVsr, warp

SIZES = [(32, 64), (20, 50)]  # multiples of 32, which flow is computed at, and others


def network() -> RealBasicVsr:
    """A small network in double precision, with flows of some pixels."""
    torch.manual_seed(3)
    built = RealBasicVsr(features=4, blocks=2).double().eval().requires_grad_(False)
    for _, last in flow_levels(built):
        last.weight *= 60
    return built


def flow_levels(built: RealBasicVsr) -> Iterator[tuple[nn.Conv2d, nn.Conv2d]]:
    """The first and last convolution of each level of flow."""
    for level in built.basicvsr.spynet.basic_module:
        convolutions = [each for each in level.modules() if isinstance(each, nn.Conv2d)]
        yield convolutions[0], convolutions[-1]


def run(network: RealBasicVsr, lr: Tensor) -> Tensor:
    return torch.cat(list(network.frames(lr)))


def clip(height: int, width: int, frames: int = 3) -> Tensor:
    torch.manual_seed(5)
    return torch.rand(frames, 3, height, width).double()


@pytest.mark.parametrize("size", SIZES)
def test_a_reversed_clip(size: tuple[int, int]) -> None:
    forwards, backwards, lr = network(), network(), clip(*size)
    inner = backwards.basicvsr
    inner.forward_resblocks, inner.backward_resblocks = inner.backward_resblocks, inner.forward_resblocks
    inner.fusion.weight.copy_(inner.fusion.weight.roll(inner.features, 1))

    sr = run(forwards, lr)

    torch.testing.assert_close(run(backwards, lr.flip(0)), sr.flip(0))
    assert not torch.allclose(run(forwards, lr.flip(0)), sr.flip(0))


def mirror(built: RealBasicVsr, change: Callable[[Tensor], Tensor], flow: Callable[[Tensor], Tensor]) -> None:
    """Change all kernels, and the order of the sub-pixels; and what flow levels read and write of a flow."""
    for name, layer in built.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(change(layer.weight.clone()))
            if name.endswith("upsample_conv"):
                sub_pixels = change(torch.arange(4).view(1, 2, 2)).flatten()
                order = (4 * torch.arange(layer.out_channels // 4)[:, None] + sub_pixels).flatten()
                layer.weight.copy_(layer.weight[order])
                assert layer.bias is not None
                layer.bias.copy_(layer.bias[order])
    for first, last in flow_levels(built):
        first.weight[:, 6:] = flow(first.weight[:, 6:].transpose(0, 1)).transpose(0, 1)
        last.weight.copy_(flow(last.weight))
        assert last.bias is not None
        last.bias.copy_(flow(last.bias))


def negate(channel: int) -> Callable[[Tensor], Tensor]:
    def change(flow: Tensor) -> Tensor:
        flow = flow.clone()
        flow[channel] *= -1
        return flow

    return change


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("change", "flow"),
    [
        (lambda picture: picture.flip(-1), negate(0)),
        (lambda picture: picture.flip(-2), negate(1)),
        (lambda picture: picture.transpose(-1, -2), lambda flow: flow.flip(0)),
    ],
    ids=["left and right", "up and down", "rows and columns"],
)
def test_a_mirrored_clip(
    size: tuple[int, int], change: Callable[[Tensor], Tensor], flow: Callable[[Tensor], Tensor]
) -> None:
    plain, mirrored, lr = network(), network(), clip(*size)
    mirror(mirrored, change, flow)

    torch.testing.assert_close(run(mirrored, change(lr)), change(run(plain, lr)))


def test_flow_points_at_what_is_fetched() -> None:
    features = torch.arange(12.0).view(1, 1, 3, 4)
    right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4)

    assert warp(features, right, "zeros")[0, 0, 0].tolist() == [1, 2, 3, 0]
    assert warp(features, right, "border")[0, 0, 0].tolist() == [1, 2, 3, 3]
    assert warp(features, right.flip(1), "zeros")[0, 0, :, 0].tolist() == [4, 8, 0]
    torch.testing.assert_close(warp(features, right / 2, "zeros")[0, 0, 0], torch.tensor([0.5, 1.5, 2.5, 1.5]))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_levels_of_flow(height: int, width: int) -> None:
    """Levels that add a pixel each make 1 + 2 + ... + 32 of the finest, at the size that flow is computed at."""
    built = RealBasicVsr(features=1, blocks=0)
    spynet = built.basicvsr.spynet
    for each in spynet.parameters():
        nn.init.zeros_(each)
    for _, last in flow_levels(built):
        last.bias = nn.Parameter(torch.tensor([1.0, -1.0]))
    frame = torch.zeros(1, 3, height, width)

    flow = spynet(frame, frame)

    assert flow.shape == (1, 2, height, width)
    torch.testing.assert_close(flow[:, 0], torch.full((1, height, width), 63 * width / 64))
    torch.testing.assert_close(flow[:, 1], torch.full((1, height, width), -63 * height / 32))


@pytest.mark.parametrize(
    ("change", "cleanings"), [(0.99 * THRESHOLD, 1), (1.01 * THRESHOLD, CLEANINGS), (-1.01 * THRESHOLD, CLEANINGS)]
)
def test_a_clip_is_cleaned_until_little_changes(change: float, cleanings: int) -> None:
    """Without other weights, SR is the cleaned clip, upscaled."""
    built = RealBasicVsr(features=2, blocks=0)
    for each in built.parameters():
        nn.init.zeros_(each)
    nn.init.constant_(built.image_cleaning[-1].bias, change)  # type: ignore[arg-type]
    lr = torch.rand(2, 3, 8, 8)

    expected = interpolate(lr + cleanings * change, scale_factor=4, mode="bilinear", align_corners=False)

    torch.testing.assert_close(run(built, lr), expected)


def test_cleaning_ends_as_soon_as_little_changes() -> None:
    """Each cleaning halves the clip, so the second one changes less than the threshold."""
    built = RealBasicVsr(features=3, blocks=0)
    for each in built.parameters():
        nn.init.zeros_(each)
    first, last = (each for each in built.image_cleaning.modules() if isinstance(each, nn.Conv2d))
    with torch.no_grad():
        first.weight[:, :, 1, 1] = torch.eye(3)
        last.weight[:, :, 1, 1] = -torch.eye(3) / 2
    lr = torch.full((2, 3, 8, 8), 3 * THRESHOLD)

    torch.testing.assert_close(run(built, lr), torch.full((2, 3, 32, 32), 3 * THRESHOLD / 4))


class Still(nn.Module):
    """Stands in for optical flow: nothing moves. It keeps the mean of both frames."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []

    def forward(self, frame: Tensor, other: Tensor) -> Tensor:
        self.asked.append((round(frame.mean().item(), 3), round(other.mean().item(), 3)))
        return frame.new_zeros(1, 2, *frame.shape[2:])


def test_flow_is_asked_from_a_frame_to_the_one_before_in_each_direction() -> None:
    built = RealBasicVsr(features=2, blocks=0, cleanings=0)
    still = built.basicvsr.spynet = Still()  # type: ignore[assignment]
    lr = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1).expand(3, 3, 4, 4)

    run(built, lr)

    assert still.asked == [(0.2, 0.3), (0.1, 0.2), (0.2, 0.1), (0.3, 0.2)]


def test_a_level_of_flow_sees_the_frame_the_other_and_the_flow() -> None:
    spynet = RealBasicVsr(features=1, blocks=0).basicvsr.spynet
    for each in spynet.parameters():
        nn.init.zeros_(each)
    seen: list[Tensor] = []
    spynet.basic_module[-1].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    frame, other = torch.rand(2, 1, 3, 32, 32)

    spynet(frame, other)

    normal = [(each - spynet.mean) / spynet.std for each in (frame, other)]
    torch.testing.assert_close(seen[0], torch.cat([*normal, torch.zeros(1, 2, 32, 32)], 1))


def test_the_fusion_reads_later_frames_first() -> None:
    """Without the second half of its inputs, no earlier frame is seen."""
    built, lr = network(), clip(16, 16)
    built.cleanings = 1
    built.basicvsr.fusion.weight[:, built.basicvsr.features :] = 0
    other = lr.clone()
    other[0] = 0

    differs = (run(built, other) - run(built, lr)).abs().amax((1, 2, 3)) > 1e-12

    assert differs.tolist() == [True, False, False]


def test_frames_see_the_whole_clip() -> None:
    built, lr = network(), clip(16, 16, frames=3)
    plain = run(built, lr)
    for changed in (0, 2):
        other = lr.clone()
        other[changed] = 0
        differs = (run(built, other) - plain).abs().amax((1, 2, 3)) > 1e-12
        assert differs.all()

"""Cuts a student out of its teacher: the channels that contribute most, and the weights that fit them.

Of each layer those channels are kept whose part in what the next layer computes is largest, measured on degraded clips.
Then the weights are fitted anew, one convolution after the other as they run: what the student's layer gets should give
what the teacher's layer gives. That is linear, so least squares solves it, and each layer makes up for what the ones
before it lost.

A student that has learned before is not cut: it keeps its weights, and is matched with its teacher, whose channels of
the hidden state its own are most like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsanimesr.network.graph import SLOPE
from vsanimesr.network.shapes import SR_CHANNELS, Shape
from vsanimesr.network.torch_network import AnimeSR

from ..vsr.recurrence import Recurrence, window_of

FORMAT = "1"
"""Version of what is cut. Raise it if a result can change."""
RIDGE = 1e-3
"""How much large weights cost, relative to the mean power of a layer's input. It keeps the recurrence stable."""
CHUNK = 4
"""Frames that are unfolded at once."""
TAPS = 9

type Kept = Tensor
"""Numbers of the channels that are kept, int64, ascending."""


@dataclass(frozen=True)
class Cut:
    """A student that has learned nothing yet."""

    network: AnimeSR
    hidden: Tensor
    """The channels of the teacher's hidden state that the student's stand for, in order, int64."""
    deviations: tuple[float, ...]
    """Standard deviation of each of these channels."""
    contributions: dict[str, float]
    """Of each kind of layer, the share of the contributions that the kept channels have."""


@dataclass(frozen=True)
class Steps:
    """Steps of a teacher: all frames of all clips, with the state before each."""

    window: Tensor
    """(steps, 9, height, width): prev, cur, next."""
    sr: Tensor
    hidden: Tensor

    @property
    def input(self) -> Tensor:
        return torch.cat([self.window, self.sr, self.hidden], 1)


@torch.no_grad()
def cut(teacher: AnimeSR, shape: Shape, clips: Tensor) -> Cut:
    """Cut a student of a shape out of a teacher.

    Args:
        shape: with at most the channels of the teacher in each layer, and the same blocks.
        clips: LR, float32 (clips, frames, 3, height, width) in [0, 1]; sides are multiples of 4. Of long clips every
            second frame is used.
    """
    steps = _run(teacher, clips)
    outputs = _record(teacher, steps)
    cell = teacher.recurrent_cell
    choose = _Choice()
    hidden = choose(
        "hidden state", steps.hidden, _weight(cell.conv_s1_first[0])[:, -teacher.features :], shape.features
    )
    scales = torch.split(outputs["fusion.0"].input, teacher.features, 1)
    ways = torch.split(_weight(cell.fusion[0]), teacher.features, 1)
    features = choose.together("features", scales, ways, shape.features)
    student = AnimeSR(features=shape.features, blocks=shape.blocks, fusion=shape.fusion)
    _fit(student, teacher, Steps(steps.window, steps.sr, steps.hidden[:, hidden]), outputs, features, hidden, choose)
    state = functional.leaky_relu(outputs["fusion.2"].output[:, SR_CHANNELS + hidden], SLOPE)
    return Cut(student.eval(), hidden, tuple(state.std((0, 2, 3)).tolist()), choose.shares)


@torch.no_grad()
def match(teacher: AnimeSR, student: AnimeSR, clips: Tensor) -> Cut:
    """Return a student that has learned before as if it had been cut: with the channels that its own stand for.

    Args:
        clips: as for `cut`.
    """
    states = (_run(network, clips).hidden[len(clips) :] for network in (teacher, student))  # the first ones are zero
    expected, own = (each.transpose(0, 1).flatten(1) for each in states)
    likeness = _standardise(own) @ _standardise(expected).T / own.shape[1]  # correlations: (own, expected)
    hidden = torch.zeros(len(own), dtype=torch.int64)
    for _ in range(len(own)):
        place, channel = divmod(int(likeness.argmax()), likeness.shape[1])
        hidden[place] = channel
        likeness[place] = likeness[:, channel] = -torch.inf
    return Cut(student.eval(), hidden, tuple(expected[hidden].std(1).tolist()), {})


def _standardise(values: Tensor) -> Tensor:
    """Return rows with mean 0 and deviation 1; rows that never change become 0."""
    centred = values - values.mean(1, keepdim=True)
    return centred / centred.std(1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)


def _run(teacher: AnimeSR, clips: Tensor) -> Steps:
    """Run a teacher over clips, and return every second step, from the first."""
    frames = clips.unbind(1)
    before = teacher.initial_state(frames[0])
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for n, (_, *after) in enumerate(Recurrence(teacher).steps(clips)):
        if n % 2 == 0:
            found.append((torch.cat(window_of(frames, n), 1), *before))
        before = (after[0], after[1])
    return Steps(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@dataclass(frozen=True)
class Layer:
    """What a module of the teacher gets and gives."""

    input: Tensor
    output: Tensor


def _record(teacher: AnimeSR, steps: Steps) -> dict[str, Layer]:
    """Return what each convolution and block of a teacher gets and gives, by its name in the cell."""
    layers: dict[str, Layer] = {}
    cell = teacher.recurrent_cell

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _, inputs, output: layers.update({name: Layer(inputs[0], output)})

    handles = [module.register_forward_hook(note(name)) for name, module in cell.named_modules() if name]
    try:
        cell(steps.window, steps.sr, steps.hidden)
    finally:
        for handle in handles:
            handle.remove()
    first = cast(nn.Conv2d, cell.conv_s1_first[0])  # it is run as a function
    layers["conv_s1_first.0"] = Layer(steps.input, first(steps.input))
    return layers


class _Choice:
    """Chooses channels, and notes the share of the contributions that they have."""

    def __init__(self) -> None:
        self.shares: dict[str, float] = {}
        self._found: dict[str, list[float]] = {}

    def __call__(self, kind: str, values: Tensor, weight: Tensor, count: int) -> Kept:
        return self.together(kind, [values], [weight], count)

    def together(self, kind: str, values: Sequence[Tensor], weights: Sequence[Tensor], count: int) -> Kept:
        """Choose the same channels of several tensors.

        Args:
            kind: what the channels are of.
            values: (steps, channels, height, width) each.
            weights: of the convolutions that read them, (outputs, channels, 3, 3) each.
        """
        parts = torch.stack([contributions(*each) for each in zip(values, weights, strict=True)]).sum(0)
        kept = torch.topk(parts, count).indices.sort().values
        self._found.setdefault(kind, []).append(float(parts[kept].sum() / parts.sum()))
        self.shares[kind] = sum(self._found[kind]) / len(self._found[kind])
        return kept


def contributions(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean power that each channel has in the output of a convolution, apart from its mean: (channels,)."""
    channels = values.shape[1]
    centred = values - values.mean((0, 2, 3), keepdim=True)
    power = torch.zeros(channels, TAPS, TAPS, dtype=torch.float64)
    for part in _chunks(centred):
        patches = _unfold(part, 1).view(-1, channels, TAPS).transpose(0, 1)
        power += patches.transpose(1, 2) @ patches
    kernels = weight.flatten(2).double()  # (outputs, channels, taps)
    pixels = values.shape[0] * values.shape[2] * values.shape[3]
    return torch.einsum("oct,cts,ocs->c", kernels, power, kernels) / pixels


def _fit(
    student: AnimeSR,
    teacher: AnimeSR,
    steps: Steps,
    outputs: dict[str, Layer],
    features: Kept,
    hidden: Kept,
    choose: _Choice,
) -> None:
    """Fit all convolutions of a student, in the order in which they run.

    Args:
        steps: with the channels of the hidden state that the student has.
        outputs: what the teacher's layers get and give.
        features: the channels of the teacher's features that the student has.
    """
    cell, model = student.recurrent_cell, teacher.recurrent_cell
    modules = dict(model.named_modules())
    handles: list[Any] = []

    def fit(name: str, target: Callable[[], Tensor]) -> None:
        """Fit a convolution when it is about to run."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            fit_convolution(cast(nn.Conv2d, module), inputs[0], target())

        handles.append(cell.get_submodule(name).register_forward_pre_hook(hook))

    def fit_block(name: str) -> None:
        """Fit a block: its inner channels those that contribute most, its output that of the teacher's block."""
        inner = outputs[f"{name}.conv1"].output
        second = _weight(modules[f"{name}.conv2"])[features]
        kept = choose("inside blocks", functional.relu(inner), second, len(features))
        got: list[Tensor] = []
        handles.append(cell.get_submodule(name).register_forward_pre_hook(lambda _, inputs: got.append(inputs[0])))
        fit(f"{name}.conv1", lambda: inner[:, kept])
        fit(f"{name}.conv2", lambda: outputs[name].output[:, features] - got[0])

    for name in ("conv_s2_first.0", "conv_s4_first.0"):
        fit(name, lambda name=name: outputs[name].output[:, features])  # type: ignore[misc]
    for name in modules:
        if f"{name}.conv1" in modules:
            fit_block(name)
    between = outputs["fusion.0"].output
    width = cast(nn.Conv2d, cell.fusion[0]).out_channels
    kept = choose("fusion", functional.leaky_relu(between, SLOPE), _weight(model.fusion[2]), width)
    fit("fusion.0", lambda: between[:, kept])
    state = torch.cat([torch.arange(SR_CHANNELS), SR_CHANNELS + hidden])
    fit("fusion.2", lambda: outputs["fusion.2"].output[:, state])
    first = outputs["conv_s1_first.0"].output[:, features]
    fit_convolution(cast(nn.Conv2d, cell.conv_s1_first[0]), steps.input, first)
    try:
        cell(steps.window, steps.sr, steps.hidden)
    finally:
        for handle in handles:
            handle.remove()


def fit_convolution(convolution: nn.Conv2d, values: Tensor, target: Tensor) -> None:
    """Set weight and bias of a convolution so that its output is as near as possible to a target: ridge regression.

    Args:
        values: its input, (steps, channels, height, width).
        target: (steps, outputs, ...).
    """
    stride = convolution.stride[0]
    count = values.shape[1] * TAPS + 1  # the last is the bias
    normal = torch.zeros(count, count, dtype=torch.float64)
    right = torch.zeros(count, target.shape[1], dtype=torch.float64)
    for part, wanted in zip(_chunks(values), _chunks(target), strict=True):
        patches = functional.pad(_unfold(part, stride), (0, 1), value=1.0)
        normal += patches.T @ patches
        right += patches.T @ wanted.movedim(1, -1).flatten(0, 2)
    pixels = float(normal[-1, -1])
    normal, right = normal / pixels, right / pixels
    cost = normal.diagonal().clone()
    cost += cost[:-1].mean()
    cost[-1] = 0
    found = torch.linalg.solve(normal + torch.diag(RIDGE * cost), right).float()
    convolution.weight.copy_(found[:-1].T.reshape(convolution.weight.shape))
    cast(Tensor, convolution.bias).copy_(found[-1])


def _chunks(values: Tensor) -> Sequence[Tensor]:
    return torch.split(values, CHUNK)


def _unfold(values: Tensor, stride: int) -> Tensor:
    """Return the 3x3 patches of a convolution's input, (pixels, channels * 9)."""
    return functional.unfold(values, 3, padding=1, stride=stride).transpose(1, 2).flatten(0, 1)


def _weight(convolution: nn.Module) -> Tensor:
    return cast(nn.Conv2d, convolution).weight

"""The colours of the source are added to the frame as defined, at any size, and to nothing else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.studies.colours.correction import Correction
from tests.backends.runner import import_onnxruntime_or_skip
from vsanimesr.network.graph import GraphPrecision, build_graph, padded_size
from vsanimesr.network.int8 import load_ranges
from vsanimesr.network.shapes import PREFIX, SR_CHANNELS, Shape
from vsanimesr.network.tensors import WINDOW
from vsanimesr.network.torch_colour import RestoringColours
from vsanimesr.network.torch_network import build_network
from vsanimesr.weights.release import RELEASES

runtime = import_onnxruntime_or_skip()

type Picture = NDArray[np.float32]
type Step = dict[str, Picture]

SHAPE = Shape(features=4, blocks=(1, 1, 0))
SIDES = st.integers(1, 40)


def small_network(seed: int = 0) -> dict[str, Picture]:
    """Return random weights of a small network that changes colours much."""
    random = np.random.default_rng(seed)
    return {name: (0.1 * random.standard_normal(shape)).astype(np.float32) for name, shape in SHAPE.tensors().items()}


def shifting_network(shift: float) -> dict[str, Picture]:
    """Return the weights of a network that adds `shift` to the upsampled frame."""
    weights = {name: np.zeros(shape, np.float32) for name, shape in SHAPE.tensors().items()}
    weights[f"{PREFIX}fusion.2.bias"][:SR_CHANNELS] = shift
    return weights


def inputs(width: int, height: int) -> Step:
    """Return random frames, partly out of range, and a random state."""
    random = np.random.default_rng(100 * width + height)
    sides = (padded_size(height), padded_size(width))
    window = {name: 1.4 * random.random((1, 3, height, width), np.float32) - 0.2 for name in WINDOW}
    return window | {
        "sr": random.random((1, SR_CHANNELS, *sides), np.float32),
        "hidden": random.random((1, SHAPE.features, *sides), np.float32),
    }


def pad(step: Step) -> Step:
    """Pad the frames to multiples of 4, as the network does."""
    height, width = step["cur"].shape[2:]
    pads = [(0, 0), (0, 0), (0, padded_size(height) - height), (0, padded_size(width) - width)]
    return step | {name: np.pad(step[name], pads, "edge") for name in WINDOW}


def run(graph: onnx.ModelProto, step: Step) -> Step:
    names = ["frame", "sr_out", "hidden_out"]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # starting threads takes longer than the work
    session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, step), strict=True))


@given(width=SIDES, height=SIDES, any_size=st.booleans())
@example(width=1, height=1, any_size=False)
@example(width=1, height=1, any_size=True)
@settings(max_examples=60, deadline=None)
def test_the_graph_adds_low_frequencies_to_the_frame_and_leaves_the_state(
    width: int, height: int, any_size: bool
) -> None:
    """To the frame with its padding: a tile at the edge of a frame sees that padding too."""
    weights, step = small_network(), inputs(width, height)
    padded = pad(step)
    sides = padded["cur"].shape[:1:-1]

    plain = run(build_graph(weights, None if any_size else sides), padded)
    restored = run(build_graph(weights, None if any_size else (width, height), colour="source"), step)

    expected = Correction().apply(plain["frame"][0], padded["cur"][0])
    assert np.abs(restored["frame"][0] - expected[:, : 4 * height, : 4 * width]).max() < 2e-6
    assert np.abs(expected - plain["frame"][0]).max() > 0.01
    for name in ("sr_out", "hidden_out"):
        assert np.array_equal(restored[name], plain[name])


@given(width=SIDES, height=SIDES)
@settings(max_examples=30, deadline=None)
def test_pytorch_adds_the_same(width: int, height: int) -> None:
    network = build_network({name: torch.from_numpy(value) for name, value in small_network().items()})
    step = {name: torch.from_numpy(value) for name, value in pad(inputs(width, height)).items()}
    sides = (step["cur"].shape[3], step["cur"].shape[2])
    window = [step[name].clamp(0, 1) for name in WINDOW]

    with torch.no_grad():
        plain, *state = network(*window, step["sr"], step["hidden"])
        restored, *new_state = RestoringColours(network, sides)(*window, step["sr"], step["hidden"])

    expected = Correction().apply(plain[0].numpy(), step["cur"][0].numpy())
    assert np.abs(restored[0].numpy() - expected).max() < 2e-6
    assert all(map(torch.equal, new_state, state))


@given(width=SIDES, height=SIDES, grey=st.integers(26, 229), shift=st.integers(-26, 26))
@settings(max_examples=30, deadline=None)
def test_a_shift_of_the_whole_frame_is_taken_back_up_to_the_corners(
    width: int, height: int, grey: int, shift: int
) -> None:
    step = inputs(width, height) | {"cur": np.full((1, 3, height, width), grey / 255, np.float32)}

    frame = run(build_graph(shifting_network(shift / 255), (width, height), colour="source"), step)["frame"]

    assert np.abs(frame - grey / 255).max() < 1e-6


def test_what_is_clipped_when_shown_is_not_taken_for_a_shift() -> None:
    """White that the network makes brighter than white is shown as white, so it has no shift to be taken back."""
    step = inputs(32, 8)
    step["cur"] = np.full((1, 3, 8, 32), 0.5, np.float32)
    step["cur"][..., :16] = 1
    weights = shifting_network(0.05)

    frame = run(build_graph(weights, (32, 8), colour="source"), step)["frame"]

    assert np.abs(frame[..., :8] - 1.05).max() < 1e-6
    assert np.abs(frame[..., -8:] - 0.5).max() < 1e-6


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_it_is_float32_with_every_precision(weights_v2: dict[str, Picture], precision: GraphPrecision) -> None:
    ranges = load_ranges(RELEASES["v2"].sha256) if precision == "int8" else None
    model = build_graph(weights_v2, (9, 7), precision, ranges, "source")
    onnx.checker.check_model(model, full_check=True)
    added = {tensor.name: tensor for tensor in model.graph.initializer}
    for tensor in build_graph(weights_v2, (9, 7), precision, ranges).graph.initializer:
        del added[tensor.name]

    assert {name.split()[0] for name in added} == {"mean", "lowpass", "ones"}
    assert {tensor.data_type for tensor in added.values()} == {onnx.TensorProto.FLOAT}

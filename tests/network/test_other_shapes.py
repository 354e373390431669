"""Networks of any width and depth, and of any fusion: the graph equals the network in PyTorch, and files keep them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file
from torch import Tensor

from tests.backends.runner import import_onnxruntime_or_skip
from vsanimesr.errors import WeightsError
from vsanimesr.network.graph import GraphPrecision, build_graph, padded_size
from vsanimesr.network.int8 import Ranges
from vsanimesr.network.shapes import PREFIX, SR_CHANNELS, Shape
from vsanimesr.network.torch_network import AnimeSR, build_network
from vsanimesr.quiet import block_import
from vsanimesr.weights.load import read_weights

with block_import("openvino.tools.ovc"):
    import openvino

type Picture = NDArray[np.float32]
type Weights = dict[str, Picture]

ORDER = np.arange(SR_CHANNELS).reshape(3, 4, 4).transpose(1, 2, 0).reshape(-1)
"""The graph orders the folded channels as (dy, dx, colour)."""

counts = st.lists(st.integers(0, 3), min_size=3, max_size=3).map(lambda each: tuple(sorted(each, reverse=True)))
shapes = st.builds(Shape, st.integers(1, 20), counts, st.none() | st.integers(1, 40))
SAMPLES = [Shape(32, (3, 2, 1), 48), Shape(7, (2, 1, 1), 5), Shape(1, (0, 0, 0), 1), Shape(12, (2, 2, 0))]


def network_of(shape: Shape) -> AnimeSR:
    torch.manual_seed(1)
    return AnimeSR(features=shape.features, blocks=shape.blocks, fusion=shape.fusion).eval()


def weights_of(network: AnimeSR) -> Weights:
    return {key: value.numpy() for key, value in network.state_dict().items()}


def random_inputs(shape: Shape, width: int, height: int) -> Weights:
    """Return a window of frames, and a state as the graph takes it."""
    random = np.random.default_rng(2)
    frames = {name: random.random((1, 3, height, width), np.float32) for name in ("prev", "cur", "next")}
    sides = (padded_size(height), padded_size(width))
    hidden = random.random((1, shape.features, *sides), np.float32) - np.float32(0.3)
    return {**frames, "sr": random.random((1, SR_CHANNELS, *sides), np.float32), "hidden": hidden}


def torch_step(network: AnimeSR, inputs: Weights) -> list[Picture]:
    """Run the network on what the graph takes; return the frame and the state as the graph gives them."""
    height, width = inputs["cur"].shape[2:]
    pads = (0, padded_size(width) - width, 0, padded_size(height) - height)
    tensors: dict[str, Tensor] = {name: torch.from_numpy(value) for name, value in inputs.items()}
    window = [torch.nn.functional.pad(tensors[name], pads, mode="replicate") for name in ("prev", "cur", "next")]
    with torch.no_grad():
        frame, sr, hidden = network(*window, tensors["sr"][:, np.argsort(ORDER)], tensors["hidden"])
    return [frame[:, :, : 4 * height, : 4 * width].numpy(), sr[:, ORDER].numpy(), hidden.numpy()]


def openvino_step(graph: onnx.ModelProto, inputs: Weights) -> list[Picture]:
    model = openvino.Core().read_model(graph.SerializeToString())
    outputs = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)
    return [outputs[name] for name in ("frame", "sr_out", "hidden_out")]


def onnxruntime_step(graph: onnx.ModelProto, inputs: Weights) -> list[Picture]:
    session = import_onnxruntime_or_skip().InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    results: list[Picture] = session.run(["frame", "sr_out", "hidden_out"], inputs)
    return results


@pytest.mark.parametrize("step", [openvino_step, onnxruntime_step])
@settings(max_examples=25, deadline=None)
@given(shape=shapes, width=st.integers(1, 9), height=st.integers(1, 9))
@example(shape=Shape(32, (3, 2, 1), 48), width=12, height=8)
@example(shape=Shape(13, (2, 1, 0), 11), width=5, height=8)
def test_the_graph_equals_the_network_in_pytorch(
    step: Callable[[onnx.ModelProto, Weights], list[Picture]], shape: Shape, width: int, height: int
) -> None:
    network, inputs = network_of(shape), random_inputs(shape, width, height)
    graph = build_graph(weights_of(network), (width, height))
    for found, expected in zip(step(graph, inputs), torch_step(network, inputs), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 5e-6


def ranges_of(shape: Shape) -> Ranges:
    """Return ranges that hold everything that a small random network computes."""

    def around(name: str, channels: int) -> Iterator[tuple[str, tuple[Picture, Picture]]]:
        if name != "conv_s1_first.0":
            ends = np.full(channels, 2, np.float32)
            yield "fusion.2.hidden" if name == "fusion.2" else name, (-ends, ends)

    return dict(entry for name, (inputs, _) in shape.convolutions.items() for entry in around(name, inputs))


@pytest.mark.parametrize("shape", SAMPLES)
@pytest.mark.parametrize(
    ("precision", "symmetric", "tolerance"),
    [("bf16", False, 0.03), ("fp16", False, 3e-3), ("int8", False, 0.1), ("int8", True, 0.1), ("fp8", False, 0.1)],
)
def test_16_and_8_bits_compute_the_same_network(
    precision: GraphPrecision, symmetric: bool, tolerance: float, shape: Shape
) -> None:
    """By ONNX's own evaluator, which needs no hardware for them."""
    network, inputs = network_of(shape), random_inputs(shape, 8, 4)
    ranges = ranges_of(shape) if precision == "int8" else None
    graph = build_graph(weights_of(network), (8, 4), precision, ranges, symmetric=symmetric)
    onnx.checker.check_model(graph, full_check=True)
    types = {each.name: each.type.tensor_type.elem_type for each in graph.graph.input}
    unit = np.float32(1 if precision == "int8" and not symmetric else -10)  # of what a LeakyReLU gives
    inputs["hidden"] *= unit
    feeds = {name: value.astype(onnx.helper.tensor_dtype_to_np_dtype(types[name])) for name, value in inputs.items()}
    inputs["hidden"] /= unit

    frame, sr, hidden = map(np.asarray, ReferenceEvaluator(graph).run(["frame", "sr_out", "hidden_out"], feeds))

    outputs = (frame, sr.astype(np.float32), hidden.astype(np.float32) / unit)
    for found, expected in zip(outputs, torch_step(network, inputs), strict=True):
        assert np.abs(found - expected).max() < tolerance


@settings(max_examples=20, deadline=None)
@given(shape=shapes, half=st.booleans())
def test_a_file_gives_the_network_back(shape: Shape, half: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    stored = weights_of(network_of(shape))
    if half:
        stored = {key: value.astype(np.float16) for key, value in stored.items()}
    save_file(stored, path)

    file = read_weights(str(path))

    assert file.shape() == shape
    loaded = file.load()
    assert list(loaded) == list(shape.tensors())
    assert all(np.array_equal(loaded[key], stored[key]) for key in stored)
    network = build_network({key: torch.from_numpy(value) for key, value in loaded.items()})
    assert network.recurrent_cell.fusion[0].out_channels == shape.fusion_channels
    assert all(np.array_equal(value.numpy(), loaded[key]) for key, value in network.state_dict().items())


@settings(max_examples=20, deadline=None)
@given(
    shape=shapes,
    other=st.integers(1, 40),
    name=st.sampled_from(["fusion.0.weight", "fusion.0.bias", "fusion.2.weight"]),
)
def test_a_fusion_of_two_widths_is_refused(
    shape: Shape, other: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(other != shape.fusion_channels)
    path = tmp_path_factory.getbasetemp() / "mixed.safetensors"
    tensors = {key: np.zeros(sides, np.float32) for key, sides in shape.tensors().items()}
    changed = Shape(shape.features, shape.blocks, other).tensors()[PREFIX + name]
    tensors[PREFIX + name] = np.zeros(changed, np.float32)
    save_file(tensors, path)

    with pytest.raises(WeightsError, match=r"mixed\.safetensors holds weights of another network: ") as caught:
        read_weights(str(path)).load()
    assert re.search(rf"\d of another shape: {PREFIX}fusion\.", str(caught.value))
    assert {str(other), str(shape.fusion_channels)} <= set(re.findall(r"\d+", str(caught.value)))


@pytest.mark.parametrize(("name", "count"), [("fusion.0.bias", 112), ("conv_s1_first.0.bias", 8)])
def test_a_file_without_channels_is_refused(name: str, count: int, tmp_path: Path) -> None:
    tensors = {key: np.zeros(sides, np.float32) for key, sides in Shape(8, (1, 1, 1)).tensors().items()}
    tensors[PREFIX + name] = np.zeros(0, np.float32)
    save_file(tensors, tmp_path / "empty.safetensors")

    with pytest.raises(
        WeightsError, match=rf"network: 1 of another shape: {PREFIX}{name} \(0, the network's is {count}\)"
    ):
        read_weights(str(tmp_path / "empty.safetensors")).load()

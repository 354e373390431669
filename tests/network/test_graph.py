"""The graph is valid ONNX, and its constants have the required types and rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from vsanimesr.network import float8
from vsanimesr.network.graph import GraphPrecision, build_graph
from vsanimesr.network.int8 import Ranges, load_ranges
from vsanimesr.weights.release import RELEASES


def ranges_for(precision: GraphPrecision) -> Ranges | None:
    return load_ranges(RELEASES["v2"].sha256) if precision == "int8" else None


@pytest.mark.parametrize(
    ("precision", "symmetric"), [("fp32", False), ("bf16", False), ("int8", False), ("int8", True), ("fp8", False)]
)
@pytest.mark.parametrize(("width", "height"), [(32, 24), (1, 1), (33, 23)])
def test_the_graph_is_valid_onnx(
    weights_v2: dict[str, NDArray[np.float32]], width: int, height: int, precision: GraphPrecision, symmetric: bool
) -> None:
    """The full check covers shapes, and the types that each operator accepts in the graph's opset."""
    graph = build_graph(weights_v2, (width, height), precision, ranges_for(precision), symmetric=symmetric)
    onnx.checker.check_model(graph, full_check=True)


def test_ranges_are_for_int8_only(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    with pytest.raises(ValueError, match="int8"):
        build_graph(weights_v2, (32, 24), "int8")
    with pytest.raises(ValueError, match="int8"):
        build_graph(weights_v2, (32, 24), "bf16", ranges_for("int8"))


def test_with_bf16_the_picture_stays_float32(
    weights_v2: dict[str, NDArray[np.float32]],
) -> None:
    graph = build_graph(weights_v2, (32, 24), "bf16").graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    constants = {tensor.name: tensor.data_type for tensor in graph.initializer}

    float32, bfloat16 = onnx.TensorProto.FLOAT, onnx.TensorProto.BFLOAT16
    assert [types[name] for name in ("prev", "cur", "next", "frame")] == [float32] * 4
    assert [types[name] for name in ("sr", "hidden", "sr_out", "hidden_out")] == [bfloat16] * 4
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] != "bilinear":
            assert [constants[name] for name in node.input[1:]] == [bfloat16] * 2


def test_values_are_rounded_to_the_nearest_bf16(weights_v1: dict[str, NDArray[np.float32]]) -> None:
    stored = {tensor.name: tensor for tensor in build_graph(weights_v1, (4, 4), "bf16").graph.initializer}
    keys = [
        f"body_s{scale}_first.{block}.conv1.bias"
        for scale, blocks in ((1, 5), (2, 3), (4, 2))
        for block in range(blocks)
    ]

    for key in keys:  # biases that are not scaled
        values = onnx.numpy_helper.to_array(stored[key])
        assert np.array_equal(values, weights_v1[f"recurrent_cell.{key}"].astype(values.dtype))


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8", "fp8"])
def test_16_bits_hold_the_slope_exactly(weights_v2: dict[str, NDArray[np.float32]], precision: GraphPrecision) -> None:
    graph = build_graph(weights_v2, (4, 4), precision, ranges_for(precision), symmetric=True).graph
    nodes = [node for node in graph.node if node.op_type == "LeakyRelu"]

    assert len(nodes) == 5
    assert {node.attribute[0].f for node in nodes} == {10.0}


def test_a_kernel_in_bf16_keeps_its_sum(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    stored = {tensor.name: tensor for tensor in build_graph(weights_v2, (4, 4), "bf16").graph.initializer}
    exact = weights_v2["recurrent_cell.body_s1_first.0.conv2.weight"].astype(np.float64) * -10
    rounded = onnx.numpy_helper.to_array(stored["body_s1_first.0.conv2.weight"]).astype(np.float64)
    nearest = exact.astype(onnx.numpy_helper.to_array(stored["body_s1_first.0.conv2.weight"]).dtype).astype(np.float64)

    def error_of_sums(kernels: NDArray[np.float64]) -> float:
        return float(np.abs((kernels - exact).sum((2, 3))).mean())

    assert error_of_sums(rounded) < error_of_sums(nearest) / 10
    assert np.abs(rounded - exact).max() <= 2**-7 * np.abs(exact).max()


def test_a_kernel_in_fp8_keeps_its_sum_and_uses_all_exponents(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    stored = {tensor.name: tensor for tensor in build_graph(weights_v2, (4, 4), "fp8").graph.initializer}
    name = "body_s1_first.0.conv2.weight"
    exact = weights_v2[f"recurrent_cell.{name}"] * -10
    step = onnx.numpy_helper.to_array(stored[f"{name} step"]).astype(np.float32)
    rounded = float8.to_float32(np.frombuffer(stored[name].raw_data, np.uint8)).reshape(exact.shape) * step
    nearest = float8.round_float32(exact / step) * step

    def error_of_sums(kernels: NDArray[np.float32]) -> float:
        return float(np.abs((kernels - exact).sum((2, 3))).mean())

    assert error_of_sums(rounded) < error_of_sums(nearest) / 4
    assert float8.LARGEST / 2 < np.abs(rounded / step).max() <= float8.LARGEST


def test_weights_that_are_zero_can_be_stored_in_fp8(weights_v2: dict[str, NDArray[np.float32]]) -> None:
    zero = {key: np.zeros_like(weight) for key, weight in weights_v2.items()}
    for tensor in build_graph(zero, (4, 4), "fp8").graph.initializer:
        if tensor.name.endswith("step"):
            assert 0 < onnx.numpy_helper.to_array(tensor) <= 1
        elif tensor.data_type == onnx.TensorProto.FLOAT8E4M3FN:
            assert not np.frombuffer(tensor.raw_data, np.uint8).any()

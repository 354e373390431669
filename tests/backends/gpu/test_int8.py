"""The int8 graph for TensorRT. It is off until it has been measured; here it is parsed, built, and run on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.backends.runner import psnr
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.tensorrt_build import BuildRequest, TensorRTRTXOptions
from vsanimesr.errors import BackendError
from vsanimesr.network.graph import build_graph
from vsanimesr.network.int8 import load_ranges
from vsanimesr.weights.load import read_weights

SIZE = (48, 32)

type Array = NDArray[np.float32]


def make_request(size: tuple[int, int] | None) -> BuildRequest:
    options = TensorRTRTXOptions()
    return BuildRequest(
        backend="tensorrt_rtx", size=size, precision="int8", colour="source", targets=("sm89",), options=options
    )


@pytest.mark.parametrize("size", [SIZE, None])
def test_tensorrt_reads_the_graph(size: tuple[int, int] | None) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)
    network = builder.parse_network(trt, log, trt_builder, make_request(size), read_weights("v2"))

    layers = [network.get_layer(i).type for i in range(network.num_layers)]
    assert layers.count(trt.LayerType.QUANTIZE) == 24
    assert layers.count(trt.LayerType.DEQUANTIZE) == 2 * 24  # of inputs and of weights


def test_an_engine_can_be_built() -> None:
    pytest.importorskip("tensorrt_rtx")

    assert len(builder.build(make_request(SIZE), read_weights("v2"))) > 1_495_376  # the parameters, in 8 bits


def test_it_is_off() -> None:
    with pytest.raises(BackendError, match="precision='int8' is not available with TensorRT; use 'fp16' or 'auto'"):
        builder.resolve_precision("int8")


def test_steps_around_zero_cost_little() -> None:
    """To fp32, with inputs in 255 steps around zero instead of 256 that cover the range."""
    weights = read_weights("v2")
    ranges = load_ranges(weights.digest)
    exact = run(build_graph(weights.load(), SIZE))
    full, around_zero = (
        min(map(psnr, run(spell_out(build_graph(weights.load(), SIZE, "int8", ranges, symmetric=symmetric))), exact))
        for symmetric in (False, True)
    )

    assert full > 42
    assert around_zero > full - 3


def run(model: Any) -> list[Array]:
    """Return the first SR frames of a moving pattern."""
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    request = compiled.create_infer_request()
    kinds = {each.any_name: each for each in compiled.inputs}
    state = {name: openvino.Tensor(kinds[name].element_type, kinds[name].shape) for name in ("sr", "hidden")}
    for tensor in state.values():
        np.asarray(tensor.data).view(np.uint8)[...] = 0
    frames = []
    for n in range(3):
        window = {"prev": make_pattern(max(n - 1, 0)), "cur": make_pattern(n), "next": make_pattern(n + 1)}
        request.set_tensors({name: openvino.Tensor(frame) for name, frame in window.items()} | state)
        request.infer()
        frames.append(request.get_tensor("frame").data.copy())
        for name, tensor in state.items():
            request.get_tensor(f"{name}_out").copy_to(tensor)
    return frames


def make_pattern(n: int) -> Array:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    pattern: Array = (0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.3]]] * (x + n) + 0.1 * y)).astype(np.float32)[None]
    return pattern


def spell_out(model: Any) -> Any:
    """Write quantisation in floating point. OpenVINO's own gave 25 dB with signed inputs, without VNNI."""
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    steps: dict[str, str] = {}

    def constant(name: str, value: Any) -> str:
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    for node in model.graph.node:
        x, *scale = node.input
        out = node.output[0]
        if node.op_type == "QuantizeLinear":
            zero = constants[scale[1]]
            limits = np.iinfo(zero.dtype)
            steps[out] = scale[0]
            low, high = (
                constant(f"{out} {name}", limit - int(zero))
                for name, limit in (("low", limits.min), ("high", limits.max))
            )
            nodes += [
                helper.make_node("Div", [x, scale[0]], [f"{out} exact"]),
                helper.make_node("Round", [f"{out} exact"], [f"{out} nearest"]),
                helper.make_node("Clip", [f"{out} nearest", low, high], [out]),
            ]
        elif node.op_type == "DequantizeLinear" and x in steps:
            nodes.append(helper.make_node("Mul", [x, steps[x]], [out]))
        elif node.op_type == "DequantizeLinear":
            constant(out, constants[x] * constants[scale[0]][:, None, None, None])
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model

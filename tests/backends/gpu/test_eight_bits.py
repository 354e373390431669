"""The graphs of int8 and fp8 for TensorRT. No GPU has run them: here they are parsed, built, and run on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from scripts.studies.precisions import make_graph, run_graph
from scripts.studies.psnr import compute_psnr
from tests.backends.runner import import_onnxruntime_or_skip
from vsanimesr.backends.gpu import runtimes
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.backends.gpu.tensorrt_build import BuildRequest, TensorRTRTXOptions
from vsanimesr.errors import BackendError
from vsanimesr.network import float8
from vsanimesr.network.graph import GraphPrecision
from vsanimesr.weights.load import read_weights

SIZE = (48, 32)
STEPS = 12
EIGHT_BITS: tuple[GraphPrecision, ...] = ("int8", "fp8")
LEAST_PSNR = {("v1", "int8"): 43.5, ("v2", "int8"): 45.5, ("v1", "fp8"): 43, ("v2", "fp8"): 43.5}

type Array = NDArray[np.float32]


def make_request(precision: GraphPrecision, size: tuple[int, int] | None = SIZE, target: str = "sm89") -> BuildRequest:
    return BuildRequest(
        backend="tensorrt_rtx",
        size=size,
        precision=precision,
        colour="source",
        targets=(target,),
        options=TensorRTRTXOptions(),
    )


@pytest.mark.parametrize("precision", EIGHT_BITS)
@pytest.mark.parametrize("size", [SIZE, None])
def test_tensorrt_reads_the_graph(size: tuple[int, int] | None, precision: GraphPrecision) -> None:
    """27 convolutions; the first one and the one that makes the picture have 16 bits, and one is in two parts."""
    trt = pytest.importorskip("tensorrt_rtx")
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)
    network = builder.parse_network(trt, log, trt_builder, make_request(precision, size), read_weights("v2"))

    layers = [network.get_layer(i) for i in range(network.num_layers)]
    rounding = [layer for layer in layers if layer.type == trt.LayerType.QUANTIZE]
    assert len(rounding) == 24
    kinds = {"int8": trt.DataType.INT8, "fp8": trt.DataType.FP8}
    assert {layer.get_output(0).dtype for layer in rounding} == {kinds[precision]}
    # Those of inputs and of weights. Each gives 16 bits to the convolution behind it.
    widening = [layer for layer in layers if layer.type == trt.LayerType.DEQUANTIZE]
    assert len(widening) == 2 * 24
    assert {layer.get_output(0).dtype for layer in widening} == {trt.DataType.HALF}


@pytest.mark.parametrize(
    ("precision", "target", "type"),
    [
        ("int8", "sm80", b"int8"),
        ("int8", "sm120", b"int8"),
        ("fp8", "sm89", b"fp8_e4m3"),
        ("fp8", "sm120", b"fp8_e4m3"),
    ],
)
def test_an_engine_can_be_built(precision: GraphPrecision, target: str, type: bytes) -> None:
    """And its convolutions read 8 bits: what is rounded is not widened again before them."""
    pytest.importorskip("tensorrt_rtx")
    engine = builder.build(make_request(precision, target=target), read_weights("v2"))

    assert len(engine) > 1_495_376  # the parameters, in 8 bits
    features = b"dims={ 1 64 %d %d }" % SIZE[::-1]
    tensors = [line for line in engine.partition(b"\nmain {")[0].splitlines() if line.lstrip().startswith(b"tensor=")]
    assert sum(features in line and line.endswith(b"type=%b }" % type) for line in tensors) >= 10


def test_they_must_be_asked_for() -> None:
    assert builder.resolve_precision("auto") == "fp16"
    assert [builder.resolve_precision(precision) for precision in EIGHT_BITS] == list(EIGHT_BITS)


@pytest.mark.parametrize(
    ("backend", "capability", "precision", "runs"),
    [
        ("tensorrt_rtx", (8, 6), "fp8", False),
        ("tensorrt_rtx", (8, 9), "fp8", True),
        ("tensorrt_rtx", (12, 0), "fp8", True),
        ("tensorrt_rtx", (7, 5), "int8", False),
        ("tensorrt_rtx", (8, 0), "int8", True),
        ("tensorrt", (8, 0), "fp8", False),
        ("tensorrt", (8, 7), "fp8", False),
        ("tensorrt", (9, 0), "fp8", True),
        ("tensorrt", (10, 0), "fp8", True),
        ("tensorrt", (8, 0), "int8", True),
    ],
)
def test_a_card_that_has_no_such_arithmetic_is_refused(
    backend: str, capability: tuple[int, int], precision: GraphPrecision, runs: bool
) -> None:
    pytest.importorskip("tensorrt_rtx")
    gpu = Gpu(0, "A card", capability, 1 << 33, 13010)
    reason = (
        f"backend={backend!r} does not compute precision={precision!r} on A card ({gpu.target}); use precision='fp16'"
    )
    assert runtimes.refusal(backend, gpu, precision) == ("" if runs else reason)


def test_engines_in_fp8_are_built_for_the_cards_that_have_it() -> None:
    """TensorRT-RTX would refuse a build for all of them: "the model contains HW-specific datatypes"."""
    pytest.importorskip("tensorrt_rtx")
    targets = runtimes.select_targets((), "fp8")
    assert {"sm89", "sm120"} <= set(targets)
    assert not {"sm75", "sm80", "sm86"} & set(targets)
    with pytest.raises(BackendError, match="gpu='sm86' does not compute in precision='fp8'; use 'fp16'"):
        runtimes.select_targets(("sm86",), "fp8")
    with pytest.raises(BackendError, match=r"cannot build an engine for 48x32 in fp8 for sm86: .*fp8_e4m3"):
        builder.build(make_request("fp8", target="sm86"), read_weights("v2"))


def test_weights_without_ranges_have_no_int8(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    path = tmp_path / "other.pth"
    path.write_bytes(read_weights("v2").data + b"\0")
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)

    weights = read_weights(str(path))
    with pytest.raises(BackendError, match="precision='int8' needs ranges for these weights"):
        builder.parse_network(trt, log, trt_builder, make_request("int8"), weights)
    assert builder.parse_network(trt, log, trt_builder, make_request("fp8"), weights).num_layers > 100


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_fp8_holds_all_values(model: str) -> None:
    """Also those of frames that are black and white noise. Larger values would be clipped to the largest."""
    graph = make_graph("fp8", read_weights(model), SIZE)
    rounded = sorted({node.input[0] for node in graph.graph.node if node.op_type == "QuantizeLinear"})
    half = onnx.TensorProto.FLOAT16
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, half, None) for name in rounded)
    random = np.random.default_rng(1)
    frames = [(random.random((1, 3, *SIZE[::-1])) > 0.5).astype(np.float32) for _ in range(4)]
    peaks = [
        np.abs(values).max()
        for outputs in run_graph(graph, [frames[n : n + 3] for n in range(2)])
        for values in outputs[3:]
    ]

    assert len(peaks) == 2 * 22  # of 24 convolutions, two read the input of another one too
    assert 20 < max(peaks) < float8.LARGEST / 4


@pytest.mark.parametrize("model", ["v1", "v2"])
@pytest.mark.parametrize("precision", EIGHT_BITS)
def test_the_error_to_fp32_is_small_over_many_steps(model: str, precision: GraphPrecision) -> None:
    """The state carries the error from step to step. With `v1` it grows in some scenes: docs/reports/precisions.md."""
    weights = read_weights(model)
    found = run(make_graph(precision, weights, SIZE))
    psnr = [compute_psnr(*pair) for pair in zip(found, run(make_graph("fp32", weights, SIZE)), strict=True)]

    assert min(psnr) > LEAST_PSNR[model, precision]
    assert np.mean(psnr[8:]) > np.mean(psnr[4:8]) - 1  # the first steps have little state, and so less error


def run(model: onnx.ModelProto) -> list[Array]:
    """Return SR frames of a moving pattern."""
    import_onnxruntime_or_skip()
    windows = [[make_pattern(max(n - 1, 0)), make_pattern(n), make_pattern(n + 1)] for n in range(STEPS)]
    return [outputs[0] for outputs in run_graph(model, windows)]


def make_pattern(n: int) -> Array:
    """Return a frame of waves that move to the left, with a hard black line in it."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    pattern = 0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.3]]] * (x + n) + 0.1 * y)
    pattern[:, np.abs(x + n - 2 * y) < 2] = 0
    frame: Array = pattern.astype(np.float32)[None]
    return frame

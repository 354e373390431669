"""Engines built by TensorRT-RTX, which needs no GPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import MagicMock

import numpy as np
import pytest
from safetensors.numpy import save_file

from vsanimesr import cache
from vsanimesr.backends import parse_options
from vsanimesr.backends.gpu import runtimes
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.tensorrt_build import BuildRequest, TensorRTOptions, TensorRTRTXOptions
from vsanimesr.errors import BackendError
from vsanimesr.network.colour import Colour
from vsanimesr.network.graph import GraphPrecision, build_graph
from vsanimesr.network.shapes import FEATURES, Shape
from vsanimesr.weights.load import read_weights

trt = pytest.importorskip("tensorrt_rtx")

AMPERE_AND_LATER = {"sm80", "sm86", "sm89", "sm120"}
PRECISIONS: tuple[GraphPrecision, ...] = ("fp32", "fp16", "bf16")


def make_request(
    size: tuple[int, int] | None = (64, 48),
    precision: GraphPrecision = "fp16",
    colour: Colour = "source",
    targets: tuple[str, ...] = (),
) -> BuildRequest:
    return BuildRequest(
        backend="tensorrt_rtx",
        size=size,
        precision=precision,
        colour=colour,
        targets=runtimes.select_targets(targets, precision),
        options=TensorRTRTXOptions(),
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [(640, 480), (33, 23), (1, 1), None])
@pytest.mark.parametrize("model", ["v1", "v2"])
def test_one_engine_is_built_for_every_gpu_from_ampere_on(
    model: str, size: tuple[int, int] | None, precision: GraphPrecision
) -> None:
    request = make_request(size, precision)

    data = builder.build(request, read_weights(model))

    assert set(request.targets) >= AMPERE_AND_LATER
    assert "sm75" not in request.targets
    assert len(data) > 2 * 1_495_376  # the parameters, in 16 bits


def test_turing_has_an_engine_of_its_own() -> None:
    """An engine for Turing and others is larger than theirs. It is built only where it is asked for."""
    others = runtimes.shared_targets("sm89", "fp16")
    assert runtimes.shared_targets("sm75", "fp16") == ("sm75",)
    assert runtimes.shared_targets("sm86", "fp16") == others == runtimes.select_targets((), "fp16")
    sizes = [
        len(builder.build(make_request(targets=targets), read_weights("v2")))
        for targets in (("sm75",), others, ("sm75", *others))
    ]

    assert sizes[2] > max(sizes[:2])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [(33, 23), None])
def test_the_network_has_the_tensors_of_the_graph(size: tuple[int, int] | None, precision: GraphPrecision) -> None:
    weights = read_weights("v2")
    log = builder.make_logger(trt)
    network = builder.parse_network(trt, log, trt_builder := trt.Builder(log), make_request(size, precision), weights)
    graph = build_graph(weights.load(), size, precision).graph
    types = {1: trt.DataType.FLOAT, 10: trt.DataType.HALF, 16: trt.DataType.BF16}

    for count, get, infos in (
        (network.num_inputs, network.get_input, graph.input),
        (network.num_outputs, network.get_output, graph.output),
    ):
        found = {tensor.name: (tensor.dtype, tuple(tensor.shape)) for tensor in map(get, range(count))}
        assert found == {
            info.name: (
                types[info.type.tensor_type.elem_type],
                tuple(dim.dim_value or -1 for dim in info.type.tensor_type.shape.dim),
            )
            for info in infos
        }
    del network, trt_builder


@pytest.mark.parametrize("shape", [Shape(16, (2, 1, 0), 40), Shape(11, (1, 1, 1), 7)])
def test_an_engine_for_any_size_of_a_network_of_another_size(shape: Shape, tmp_path: Path) -> None:
    """The profile needs the channels of this network's hidden state: TensorRT refuses any other number."""
    tensors = {key: np.full(sides, 0.01, np.float32) for key, sides in shape.tensors().items()}
    save_file(tensors, tmp_path / "small.safetensors")

    weights = read_weights(str(tmp_path / "small.safetensors"))
    assert len(builder.build(make_request(size=None), weights)) > 10_000


def test_fp32_is_not_rounded_to_tf32() -> None:
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)

    assert trt_builder.create_builder_config().get_flag(trt.BuilderFlag.TF32)  # by default
    config = builder._make_config(trt, trt_builder, make_request(precision="fp32"), FEATURES)
    assert not config.get_flag(trt.BuilderFlag.TF32)


def test_the_options_of_tensorrt_reach_its_builder() -> None:
    """The builder of TensorRT-RTX, which is installed, has the same options as that of TensorRT."""
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)

    def make_config(*texts: str) -> Any:
        options = parse_options("tensorrt", texts)
        assert isinstance(options, TensorRTOptions)
        request = dataclasses.replace(make_request(), backend="tensorrt", targets=(), options=options)
        return builder._make_config(trt, trt_builder, request, FEATURES)

    config = make_config("level=5", "workspace=512", "streams=2", "compatible=version")
    assert config.builder_optimization_level == 5
    assert config.max_aux_streams == 2
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 512 << 20
    assert config.get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    assert not make_config().get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)


@pytest.mark.parametrize("compatible", ["no", "version", "hardware", "both"])
def test_hardware_compatibility_reaches_the_builder(compatible: Literal["no", "version", "hardware", "both"]) -> None:
    config = MagicMock()  # TensorRT-RTX's own config has no such level
    config.hardware_compatibility_level = None

    builder._apply_options(trt, config, TensorRTOptions(compatible=compatible))

    expected = trt.HardwareCompatibilityLevel.AMPERE_PLUS if compatible in {"hardware", "both"} else None
    assert config.hardware_compatibility_level == expected


def test_progress_increases_and_can_cancel_a_build() -> None:
    shares: list[float] = []

    def progress(share: float, phase: str) -> bool:
        assert phase
        shares.append(share)
        return True

    builder.build(make_request(), read_weights("v2"), progress)
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.5 < shares[-1] <= 1

    for stop_at in (1, len(shares) // 2):
        calls = iter(range(stop_at))
        with pytest.raises(builder.BuildCancelled):
            builder.build(make_request(), read_weights("v2"), lambda *_, calls=calls: next(calls, None) is not None)


@pytest.mark.parametrize(
    ("targets", "precision", "words"),
    [
        (("sm90",), "fp16", ["gpu='sm90'", "not known to TensorRT-RTX", "sm75, sm80"]),
        (("sm75",), "bf16", ["gpu='sm75'", "precision='bf16'", "use 'fp16'"]),
        (("rtx4090",), "fp16", ["gpu='rtx4090'", "use sm75"]),
    ],
)
def test_a_target_that_is_not_supported(targets: tuple[str, ...], precision: GraphPrecision, words: list[str]) -> None:
    with pytest.raises(BackendError) as caught:
        runtimes.select_targets(targets, precision)
    assert all(word in str(caught.value) for word in words)


def test_a_build_that_fails_gives_the_reason() -> None:
    request = dataclasses.replace(make_request(precision="bf16"), targets=("sm75",))
    with pytest.raises(BackendError, match=r"cannot build an engine for 64x48 in bf16 for sm75: .*sm75"):
        builder.build(request, read_weights("v2"))


def parse_damaged(change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is said of a graph that a change has damaged."""

    def build_damaged(*arguments: Any, **options: Any) -> Any:
        graph = build_graph(*arguments, **options)
        change(graph)
        return graph

    monkeypatch.setattr(builder, "build_graph", build_damaged)
    with pytest.raises(BackendError) as caught:
        builder.build(make_request(), read_weights("v2"))
    return str(caught.value)


def test_a_graph_that_cannot_be_read_is_told_with_the_node_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename_an_operator(graph: Any) -> None:
        node = next(node for node in graph.graph.node if node.op_type == "DepthToSpace")
        node.op_type = "DepthToNowhere"

    said = parse_damaged(rename_an_operator, monkeypatch)
    assert said.startswith("backend='tensorrt_rtx' cannot read the graph: DepthToNowhere (frame): ")
    # The parser takes an unknown operator for that of a plugin.
    assert said.endswith('"Plugin not found, are the plugin name, version, and namespace correct?"')


def test_a_graph_without_nodes_that_cannot_be_read_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop_an_input(graph: Any) -> None:
        graph.graph.node[0].input[0] = "nothing of this name"

    assert "cannot read the graph: " in parse_damaged(drop_an_input, monkeypatch)


def test_an_engine_never_allocates_memory_during_a_step() -> None:
    """TensorRT-RTX needs this for CUDA graphs."""
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)
    flag = trt.BuilderFlag.REQUIRE_USER_ALLOCATION

    assert not trt_builder.create_builder_config().get_flag(flag)  # by default
    for size in ((64, 48), None):
        assert builder._make_config(trt, trt_builder, make_request(size), FEATURES).get_flag(flag)


def test_the_memory_of_an_engine_for_any_size_is_that_of_the_clips_size() -> None:
    """TensorRT-RTX has this feature by default."""
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)
    feature = trt.PreviewFeature.RUNTIME_ACTIVATION_RESIZE_10_10
    config = trt_builder.create_builder_config()
    config.set_preview_feature(feature, False)
    other = SimpleNamespace(
        create_builder_config=lambda: config, create_optimization_profile=trt_builder.create_optimization_profile
    )

    assert builder._make_config(trt, other, make_request(None), FEATURES).get_preview_feature(feature)


def test_the_key_contains_everything_that_an_engine_depends_on() -> None:
    weights = {model: read_weights(model) for model in ("v1", "v2")}
    requests = [
        make_request(),
        make_request(size=None),
        make_request(size=(48, 64)),
        make_request(precision="fp32"),
        make_request(colour="network"),
        make_request(targets=("sm89",)),
    ]
    paths = {cache.entry_path(builder.engine_key(request, weights[model])) for request in requests for model in weights}

    assert len(paths) == 2 * len(requests)
    assert builder.engine_key(requests[0], weights["v2"])["library"] == trt.__version__

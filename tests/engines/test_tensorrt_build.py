"""Real engines, built by TensorRT-RTX on a machine that need not have a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from unittest.mock import MagicMock

import numpy as np
import pytest
from safetensors.numpy import save_file

from vsanimesr import cache
from vsanimesr.engine_options import TensorRTOptions, TensorRTRTXOptions, parse
from vsanimesr.engines import tensorrt_build as builder
from vsanimesr.engines.tensorrt_build import BuildRequest
from vsanimesr.errors import EngineError, MissingDependencyError
from vsanimesr.graph import GraphPrecision, build_graph
from vsanimesr.network import FEATURES, Shape
from vsanimesr.weights import read_weights

trt = pytest.importorskip("tensorrt_rtx")

TURING_AND_LATER = ("sm75", "sm80", "sm86", "sm89", "sm120")
PRECISIONS: tuple[GraphPrecision, ...] = ("fp32", "fp16", "bf16")


def request(
    size: tuple[int, int] | None = (64, 48), precision: GraphPrecision = "fp16", targets: tuple[str, ...] = ()
) -> BuildRequest:
    return BuildRequest(
        engine="tensorrt_rtx",
        size=size,
        precision=precision,
        targets=builder.targets_of(targets, precision),
        options=TensorRTRTXOptions(),
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [(640, 480), (33, 23), (1, 1), None])
@pytest.mark.parametrize("model", ["v1", "v2"])
def test_one_engine_is_built_for_every_gpu(model: str, size: tuple[int, int] | None, precision: GraphPrecision) -> None:
    wanted = request(size, precision)

    built = builder.build(wanted, read_weights(model))

    assert set(wanted.targets) >= set(TURING_AND_LATER) - ({"sm75"} if precision == "bf16" else set())
    assert len(built) > 2 * 1_495_376  # it holds the parameters


def test_what_is_built_says_for_which_gpus() -> None:
    """The difference that a target makes is in the engine, Turing's too."""
    sizes = [
        len(builder.build(request(targets=targets), read_weights("v2"))) for targets in (("sm89",), ("sm75", "sm89"))
    ]

    assert sizes[1] > sizes[0]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [(33, 23), None])
def test_the_network_has_the_tensors_of_the_graph(size: tuple[int, int] | None, precision: GraphPrecision) -> None:
    weights = read_weights("v2")
    log = builder.make_logger(trt)
    network = builder.parsed(trt, log, trt_builder := trt.Builder(log), request(size, precision), weights)
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


def test_an_engine_for_any_size_of_a_network_of_another_size(tmp_path: Path) -> None:
    """The profile has the channels of its hidden state: TensorRT refuses any other."""
    tensors = {key: np.full(shape, 0.01, np.float32) for key, shape in Shape(16, (2, 1, 0)).tensors().items()}
    save_file(tensors, tmp_path / "small.safetensors")

    weights = read_weights(str(tmp_path / "small.safetensors"))
    assert len(builder.build(request(size=None), weights)) > 10_000


def test_fp32_is_not_rounded_to_tf32() -> None:
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)

    assert trt_builder.create_builder_config().get_flag(trt.BuilderFlag.TF32)  # unless one says no
    assert not builder._configured(trt, trt_builder, request(precision="fp32"), FEATURES).get_flag(trt.BuilderFlag.TF32)


def test_the_options_of_tensorrt_reach_its_builder() -> None:
    """Both packages have one builder class, as far as the options go."""
    log = builder.make_logger(trt)
    trt_builder = trt.Builder(log)

    def configured(*texts: str) -> Any:
        options = parse("tensorrt", texts)
        assert isinstance(options, TensorRTOptions)
        wanted = BuildRequest(engine="tensorrt", size=(64, 48), precision="fp16", targets=(), options=options)
        return builder._configured(trt, trt_builder, wanted, FEATURES)

    config = configured("level=5", "workspace=512", "streams=2", "compatible=version")
    assert config.builder_optimization_level == 5
    assert config.max_aux_streams == 2
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 512 << 20
    assert config.get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    assert not configured().get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)


@pytest.mark.parametrize("compatible", ["no", "version", "hardware", "both"])
def test_hardware_compatibility_is_asked_for(compatible: Literal["no", "version", "hardware", "both"]) -> None:
    config = MagicMock()  # TensorRT-RTX's own takes no level
    config.hardware_compatibility_level = None

    builder._apply(trt, config, TensorRTOptions(compatible=compatible))

    expected = trt.HardwareCompatibilityLevel.AMPERE_PLUS if compatible in {"hardware", "both"} else None
    assert config.hardware_compatibility_level == expected


def test_progress_goes_up_to_the_end_and_stops_a_build() -> None:
    told: list[float] = []

    def progress(done: float, phase: str) -> bool:
        assert phase
        told.append(done)
        return True

    builder.build(request(), read_weights("v2"), progress)
    assert told == sorted(told)
    assert told[0] == 0
    assert 0.5 < told[-1] <= 1

    for stop_at in (1, len(told) // 2):
        left = iter(range(stop_at))
        with pytest.raises(builder.BuildCancelled):
            builder.build(request(), read_weights("v2"), lambda *_, left=left: next(left, None) is not None)


@pytest.mark.parametrize(
    ("targets", "precision", "words"),
    [
        (("sm90",), "fp16", ["gpu='sm90'", "not known to TensorRT-RTX", "sm75, sm80"]),
        (("sm75",), "bf16", ["gpu='sm75'", "precision='bf16'", "use 'fp16'"]),
        (("rtx4090",), "fp16", ["gpu='rtx4090'", "use sm75"]),
    ],
)
def test_a_target_that_cannot_be(targets: tuple[str, ...], precision: GraphPrecision, words: list[str]) -> None:
    with pytest.raises(EngineError) as caught:
        builder.targets_of(targets, precision)
    assert all(word in str(caught.value) for word in words)


def test_a_build_that_fails_says_why() -> None:
    wanted = BuildRequest(
        engine="tensorrt_rtx", size=(64, 48), precision="bf16", targets=("sm75",), options=TensorRTRTXOptions()
    )
    with pytest.raises(EngineError, match=r"cannot be built for 64x48 in bf16 for sm75: .*sm75"):
        builder.build(wanted, read_weights("v2"))


def test_a_missing_package_is_told_with_the_remedy() -> None:
    with pytest.raises(MissingDependencyError, match=r"'tensorrt' needs the package tensorrt .*TensorRT 11"):
        builder.package("tensorrt")


def test_what_an_engine_depends_on_is_in_its_key() -> None:
    weights = {model: read_weights(model) for model in ("v1", "v2")}
    requests = [
        request(),
        request(size=None),
        request(size=(48, 64)),
        request(precision="fp32"),
        request(targets=("sm89",)),
    ]
    paths = {cache.path_of(builder.key_of(wanted, weights[model])) for wanted in requests for model in weights}

    assert len(paths) == 2 * len(requests)
    assert builder.key_of(requests[0], weights["v2"])["library"] == trt.__version__

"""TensorRT's two engines, as far as they go without a GPU: what they ask for exists, and the parts fit together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vsanimesr.engine_options import TensorRTRTXOptions
from vsanimesr.engines import open_engine, tensorrt
from vsanimesr.engines.base import Availability
from vsanimesr.engines.cuda import Gpu
from vsanimesr.engines.device import Buffer, DeviceError, Stream
from vsanimesr.engines.tensorrt import (
    TYPES,
    Loaded,
    TensorRTProgram,
    TensorRTRTXEngine,
    check_tensors,
    load_engine,
)
from vsanimesr.engines.tensorrt_build import BuildRequest, build, make_logger
from vsanimesr.engines.tensors import Tensor, step_tensors
from vsanimesr.errors import EngineError
from vsanimesr.graph import GraphPrecision, build_graph
from vsanimesr.weights import load_weights, read_weights

from ..setups import setup_for
from .schedules import Model, assert_same, received, submit
from .simulator import SimulatedDevice, SimulatedProgram, is_output
from .test_pipeline import network_kit

SIZE = (41, 30)
PRECISIONS: list[GraphPrecision] = ["fp32", "fp16", "bf16"]
NAMES = {precision: name for name, precision in TYPES.items()}


@pytest.fixture(scope="module")
def trt() -> Any:
    return pytest.importorskip("tensorrt_rtx")


def test_what_is_asked_of_the_package_exists(trt: Any) -> None:
    asked: dict[str, list[str]] = {
        "Runtime": ["deserialize_cuda_engine", "get_engine_validity"],
        "ICudaEngine": [
            "create_execution_context",
            "get_tensor_dtype",
            "get_tensor_mode",
            "get_tensor_name",
            "get_tensor_shape",
            "num_io_tensors",
        ],
        "IExecutionContext": ["execute_async_v3", "is_stream_capturable", "set_input_shape", "set_tensor_address"],
        "ILogger": ["Severity", "log"],
        "EngineValidity": ["INVALID", "SUBOPTIMAL"],
        "EngineInvalidityDiagnostics": ["__members__"],
        "TensorIOMode": ["INPUT"],
        "DataType": list(TYPES),
    }
    for name, attributes in asked.items():
        for attribute in attributes:
            assert hasattr(getattr(trt, name), attribute), f"{name}.{attribute}"
    assert not hasattr(trt.IExecutionContext, "not_there")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [SIZE, None], ids=["static", "dynamic"])
def test_the_parsed_network_has_the_tensors_that_the_pipeline_allocates(
    trt: Any, size: tuple[int, int] | None, precision: GraphPrecision
) -> None:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(build_graph(load_weights("v2"), size, precision).SerializeToString())

    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    expected = step_tensors(*SIZE, precision)
    assert [tensor.name for tensor in inputs] == [name for name in expected if not is_output(name)]
    assert [tensor.name for tensor in outputs] == [name for name in expected if is_output(name)]
    found = {tensor.name: (tuple(tensor.shape), tensor.dtype.name) for tensor in (*inputs, *outputs)}
    check_tensors(FakeEngine(found), expected)
    if size:
        assert found == described(expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_is_built_here_and_loaded_only_where_there_is_a_gpu(trt: Any, precision: GraphPrecision) -> None:
    request = BuildRequest(
        engine="tensorrt_rtx", size=SIZE, precision=precision, targets=("sm89",), options=TensorRTRTXOptions()
    )
    built = build(request, read_weights("v2"))

    assert len(built) > 1_000_000
    for damaged, reason in ((built, "CUDA driver version is insufficient"), (b"x" * 1000, "MALFORMED_ENGINE")):
        if has_gpu() and damaged is built:
            continue
        with pytest.raises(EngineError, match=f"does not run on this GPU .*{reason}.*; update the NVIDIA driver"):
            load_engine(trt, make_logger(trt), memoryview(damaged))


def test_an_engine_that_could_be_faster_is_told(
    trt: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = object()
    runtime = SimpleNamespace(
        get_engine_validity=lambda _: (trt.EngineValidity.SUBOPTIMAL, 4), deserialize_cuda_engine=lambda _: engine
    )
    monkeypatch.setattr(trt, "Runtime", lambda _: runtime)

    with caplog.at_level(logging.INFO):
        assert load_engine(trt, make_logger(trt), memoryview(b"built")).engine is engine
    assert "not as fast as it could (OLD_CUDA_DRIVER)" in caplog.text


def has_gpu() -> bool:
    return bool(pytest.importorskip("cuda.bindings.runtime").cudaDriverGetVersion()[1])


def test_what_tensorrt_says_goes_to_the_log_and_not_to_stdout(
    trt: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert not trt.OnnxParser(network, logger).parse(b"nonsense")

    assert logger.last != "it gave no reason"
    assert any(record.getMessage() == f"tensorrt_rtx: {logger.last}" for record in caplog.records)
    assert capfd.readouterr().out == ""


def test_without_a_gpu_it_says_so(trt: Any) -> None:
    if has_gpu():
        pytest.skip("there is a driver")
    assert TensorRTRTXEngine.availability() == Availability(
        False, "there is no NVIDIA driver", "install one, or use engine='openvino'"
    )
    with pytest.raises(EngineError, match="there is no NVIDIA driver; install one, or use engine='openvino'"):
        open_engine("tensorrt_rtx", setup_for("tensorrt_rtx", *SIZE))


# An engine's program, with what TensorRT would give


def described(tensors: dict[str, Tensor]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (tensor.shape, NAMES[tensor.type]) for name, tensor in tensors.items()}


class FakeEngine:
    """An `ICudaEngine` with tensors of these shapes and types, and its one context."""

    def __init__(self, tensors: dict[str, tuple[tuple[int, ...], str]], *, works: bool = True) -> None:
        self._tensors = tensors
        self.num_io_tensors = len(tensors)
        self.works = works
        self.calls: list[tuple[Any, ...]] = []

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name][0]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self._tensors[name][1])

    def get_tensor_mode(self, name: str) -> Any:
        return SimpleNamespace(name="OUTPUT" if is_output(name) else "INPUT")

    def create_execution_context(self) -> Any:
        return self if self.works is not None else None

    def __getattr__(self, name: str) -> Any:
        if name not in ("set_input_shape", "set_tensor_address", "execute_async_v3", "is_stream_capturable"):
            raise AttributeError(name)

        def call(*arguments: Any) -> bool:
            self.calls.append((name, *arguments))
            return self.works

        return call


LOGGER = SimpleNamespace(last="no idea why")


def program(engine: FakeEngine) -> TensorRTProgram:
    return TensorRTProgram(Loaded(None, engine), step_tensors(*SIZE, "fp16"), LOGGER)


def test_a_program_binds_and_runs() -> None:
    engine = FakeEngine(described(step_tensors(*SIZE, "fp16")))
    running = program(engine)
    running.bind("cur", Buffer(4096, 8))
    assert running.capturable(Stream(7)) is True
    running.enqueue(Stream(7))
    running.close()
    running.close()

    assert engine.calls == [
        ("set_tensor_address", "cur", 4096),
        ("is_stream_capturable", 7),
        ("execute_async_v3", 7),
    ]


def dynamic() -> dict[str, tuple[tuple[int, ...], str]]:
    found = described(step_tensors(*SIZE, "fp16"))
    return {name: ((1, shape[1], -1, -1), kind) for name, (shape, kind) in found.items()}


def test_a_program_for_any_size_is_told_the_size_of_its_inputs() -> None:
    engine = FakeEngine(dynamic())
    program(engine)

    assert engine.calls == [
        ("set_input_shape", "prev", (1, 3, 30, 41)),
        ("set_input_shape", "cur", (1, 3, 30, 41)),
        ("set_input_shape", "next", (1, 3, 30, 41)),
        ("set_input_shape", "sr", (1, 48, 32, 44)),
        ("set_input_shape", "hidden", (1, 64, 32, 44)),
    ]
    with pytest.raises(EngineError, match="shapes='dynamic' does not go to 41x30; use engine_options"):
        program(FakeEngine(dynamic(), works=False))


def test_what_tensorrt_refuses_is_an_error_with_its_reason() -> None:
    engine = FakeEngine(described(step_tensors(*SIZE, "fp16")))
    running = program(engine)
    engine.works = False
    with pytest.raises(DeviceError, match="the tensor 'cur' cannot be bound: no idea why"):
        running.bind("cur", Buffer(4096, 8))
    with pytest.raises(DeviceError, match="a step cannot be queued: no idea why"):
        running.enqueue(Stream(7))
    assert running.capturable(Stream(7)) is False
    engine.works = None  # type: ignore[assignment]
    with pytest.raises(DeviceError, match="there is no context for the engine: no idea why; close what else"):
        program(engine)


@pytest.mark.parametrize(
    "other",
    [
        {"cur": ((1, 3, 30, 42), "FLOAT")},
        {"cur": ((1, 3, 30, 41), "HALF")},
        {"cur": ((3, 30, 41), "FLOAT")},
        {"mask": ((1, 3, 30, 41), "FLOAT")},
    ],
    ids=["size", "type", "rank", "name"],
)
def test_an_engine_with_other_tensors_is_not_used(other: dict[str, tuple[tuple[int, ...], str]]) -> None:
    expected = step_tensors(*SIZE, "fp16")
    check_tensors(FakeEngine(described(expected)), expected)

    with pytest.raises(EngineError, match="has other tensors"):
        check_tensors(FakeEngine(described(expected) | other), expected)


# The whole engine, on a device that is simulated


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[SimulatedDevice]]:
    """Has engines opened on simulated devices, with the network run by the CPU; building and the cache are real."""
    devices: list[SimulatedDevice] = []

    def device(number: int, cudart: Any) -> SimulatedDevice:
        devices.append(SimulatedDevice(seed=len(devices)))
        return devices[-1]

    def compiled(loaded: Loaded, tensors: dict[str, Tensor], logger: Any) -> SimulatedProgram:
        return network_kit(*SIZE).program(devices[-1], tensors)

    gpu = Gpu(0, "Simulated", (8, 9), 1 << 33, 13010)
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path))
    monkeypatch.setattr(tensorrt, "load_runtime", lambda: None)
    monkeypatch.setattr(tensorrt, "find_gpu", lambda cudart, number: gpu)
    monkeypatch.setattr(tensorrt, "CudaDevice", device)
    monkeypatch.setattr(tensorrt, "TensorRTProgram", compiled)
    fake = FakeEngine(described(step_tensors(*SIZE, "fp32")))
    monkeypatch.setattr(tensorrt, "load_engine", lambda trt, logger, built: Loaded(None, fake))
    yield devices
    assert all(device.closed for device in devices)


def test_the_engine_runs_the_network_and_is_built_once(
    trt: Any, simulated: list[SimulatedDevice], caplog: pytest.LogCaptureFixture
) -> None:
    weights = read_weights("v2")  # before the cache is another
    setup = setup_for("tensorrt_rtx", *SIZE, precision="fp32")
    object.__setattr__(setup, "read_weights", lambda: weights)
    kit = network_kit(*SIZE)
    for _ in range(2):
        with caplog.at_level(logging.INFO), open_engine("tensorrt_rtx", setup) as engine:
            assert engine.depth == 2
            model = Model(kit)
            for numbers in [(0, 0, 1), (0, 1, 2), (1, 2, 3)]:
                expected = model.step(numbers)
                assert_same(received(submit(engine, kit, numbers), (3, 120, 164)), expected)  # type: ignore[arg-type]
            engine.reset()
            ticket = submit(engine, kit, (4, 5, 6))  # type: ignore[arg-type]
            assert_same(received(ticket, (3, 120, 164)), Model(kit).step((4, 5, 6)))

    assert len(simulated) == 2
    built = [record.getMessage() for record in caplog.records if "building" in record.getMessage()]
    assert built == ["building the engine for 41x30 in fp32 with tensorrt_rtx, once"]


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("options", [(), ("graphs=no",), ("shapes=dynamic",)], ids=["graphs", "enqueue", "dynamic"])
def test_on_a_gpu_frames_are_those_of_the_network(trt: Any, options: tuple[str, ...]) -> None:
    if not has_gpu():
        pytest.skip("there is no GPU")
    kit, sr = network_kit(64, 48), (3, 192, 256)
    with open_engine("tensorrt_rtx", setup_for("tensorrt_rtx", 64, 48, precision="fp32", options=options)) as engine:
        for _ in range(2):
            model = Model(kit)
            engine.reset()
            for numbers in [(max(n - 1, 0), n, n + 1) for n in range(8)]:
                found = received(submit(engine, kit, numbers), sr)  # type: ignore[arg-type]
                np.testing.assert_allclose(found, model.step(numbers), atol=2e-3)

"""The two TensorRT backends without a GPU: the API that they use exists, and their parts work together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.backends.gpu.random_runs import Reference, assert_same, read_frame, submit
from tests.backends.gpu.simulator import SimulatedDevice, is_output
from tests.backends.gpu.test_pipeline import network_parts
from tests.backends.runner import make_setup
from vsanimesr.backends import open_backend
from vsanimesr.backends.base import Availability
from vsanimesr.backends.gpu import tensorrt
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.backends.gpu.device import Buffer, DeviceError, Program, Stream
from vsanimesr.backends.gpu.tensorrt import (
    TYPES,
    LoadedEngine,
    TensorRTProgram,
    TensorRTRTXBackend,
    check_tensors,
    load_engine,
)
from vsanimesr.backends.gpu.tensorrt_build import BuildRequest, TensorRTRTXOptions, build, make_logger
from vsanimesr.errors import BackendError
from vsanimesr.network.graph import GraphPrecision, build_graph
from vsanimesr.network.tensors import Tensor, step_tensors
from vsanimesr.weights.load import load_weights, read_weights

SIZE = (41, 30)
PRECISIONS: list[GraphPrecision] = ["fp32", "fp16", "bf16"]
NAMES = {precision: name for name, precision in TYPES.items()}


@pytest.fixture(scope="module")
def trt() -> Any:
    return pytest.importorskip("tensorrt_rtx")


def test_the_api_that_is_used_exists(trt: Any) -> None:
    used: dict[str, list[str]] = {
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
    for name, attributes in used.items():
        for attribute in attributes:
            assert hasattr(getattr(trt, name), attribute), f"{name}.{attribute}"
    assert not hasattr(trt.IExecutionContext, "not_there")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [SIZE, None], ids=["static", "dynamic"])
def test_the_network_has_the_tensors_that_the_pipeline_allocates(
    trt: Any, size: tuple[int, int] | None, precision: GraphPrecision
) -> None:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(build_graph(load_weights("v2"), size, precision, colour="source").SerializeToString())

    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    expected = step_tensors(*SIZE, precision)
    assert [tensor.name for tensor in inputs] == [name for name in expected if not is_output(name)]
    assert [tensor.name for tensor in outputs] == [name for name in expected if is_output(name)]
    found = {tensor.name: (tuple(tensor.shape), tensor.dtype.name) for tensor in (*inputs, *outputs)}
    check_tensors(FakeEngine(found), expected)
    if size:
        assert found == describe(expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_is_built_without_a_gpu_and_loaded_only_with_one(trt: Any, precision: GraphPrecision) -> None:
    request = BuildRequest(
        backend="tensorrt_rtx",
        size=SIZE,
        precision=precision,
        colour="source",
        targets=("sm89",),
        options=TensorRTRTXOptions(),
    )
    built = build(request, read_weights("v2"))

    assert len(built) > 1_000_000
    for data, reason in ((built, "CUDA driver version is insufficient"), (b"x" * 1000, "MALFORMED_ENGINE")):
        if has_gpu() and data is built:
            continue
        with pytest.raises(BackendError, match=f"does not run on this GPU .*{reason}.*; update the NVIDIA driver"):
            load_engine(trt, make_logger(trt), memoryview(data))


def test_an_engine_that_could_be_faster_is_logged(
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


def test_messages_of_tensorrt_go_to_the_log_and_not_to_stdout(
    trt: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert not trt.OnnxParser(network, logger).parse(b"nonsense")

    assert logger.last != "it gave no reason"
    assert any(record.getMessage() == f"tensorrt_rtx: {logger.last}" for record in caplog.records)
    assert capfd.readouterr().out == ""


def test_without_a_driver_the_error_says_so(trt: Any) -> None:
    if has_gpu():
        pytest.skip("there is a driver")
    assert TensorRTRTXBackend.availability() == Availability(
        False, "there is no NVIDIA driver", "install one, or use backend='openvino'"
    )
    with pytest.raises(BackendError, match="there is no NVIDIA driver; install one, or use backend='openvino'"):
        open_backend("tensorrt_rtx", make_setup("tensorrt_rtx", *SIZE))


# A program, with a fake engine


def describe(tensors: dict[str, Tensor]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shapes and TensorRT's type names of tensors."""
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


def make_program(engine: FakeEngine) -> TensorRTProgram:
    return TensorRTProgram(LoadedEngine(None, engine), step_tensors(*SIZE, "fp16"), LOGGER)


def test_a_program_binds_and_runs() -> None:
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    program = make_program(engine)
    program.bind("cur", Buffer(4096, 8))
    assert program.can_capture(Stream(7)) is True
    program.enqueue(Stream(7))
    program.close()
    program.close()

    assert engine.calls == [
        ("set_tensor_address", "cur", 4096),
        ("is_stream_capturable", 7),
        ("execute_async_v3", 7),
    ]


def dynamic_tensors() -> dict[str, tuple[tuple[int, ...], str]]:
    found = describe(step_tensors(*SIZE, "fp16"))
    return {name: ((1, shape[1], -1, -1), kind) for name, (shape, kind) in found.items()}


def test_the_size_of_the_inputs_is_set_for_an_engine_of_any_size() -> None:
    engine = FakeEngine(dynamic_tensors())
    make_program(engine)

    assert engine.calls == [
        ("set_input_shape", "prev", (1, 3, 30, 41)),
        ("set_input_shape", "cur", (1, 3, 30, 41)),
        ("set_input_shape", "next", (1, 3, 30, 41)),
        ("set_input_shape", "sr", (1, 48, 32, 44)),
        ("set_input_shape", "hidden", (1, 64, 32, 44)),
    ]
    with pytest.raises(BackendError, match="shapes='dynamic' does not support 41x30; use backend_options"):
        make_program(FakeEngine(dynamic_tensors(), works=False))


def test_a_refusal_of_tensorrt_is_an_error_with_its_reason() -> None:
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    program = make_program(engine)
    engine.works = False
    with pytest.raises(DeviceError, match="the tensor 'cur' cannot be bound: no idea why"):
        program.bind("cur", Buffer(4096, 8))
    with pytest.raises(DeviceError, match="a step cannot be queued: no idea why"):
        program.enqueue(Stream(7))
    assert program.can_capture(Stream(7)) is False
    engine.works = None  # type: ignore[assignment]
    with pytest.raises(DeviceError, match="execution context cannot be created: no idea why; close other programs"):
        make_program(engine)


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
    check_tensors(FakeEngine(describe(expected)), expected)

    with pytest.raises(BackendError, match="has other tensors"):
        check_tensors(FakeEngine(describe(expected) | other), expected)


# A whole backend, on a simulated device


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[SimulatedDevice]]:
    """Open backends on simulated devices, with the network on the CPU. Builder and cache are the real ones."""
    devices: list[SimulatedDevice] = []

    def make_device(number: int, cudart: Any) -> SimulatedDevice:
        devices.append(SimulatedDevice(seed=len(devices)))
        return devices[-1]

    def make_network_program(loaded: LoadedEngine, tensors: dict[str, Tensor], logger: Any) -> Program:
        return network_parts(*SIZE).program(devices[-1], tensors)

    gpu = Gpu(0, "Simulated", (8, 9), 1 << 33, 13010)
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path))
    monkeypatch.setattr(tensorrt, "load_runtime", lambda: None)
    monkeypatch.setattr(tensorrt, "find_gpu", lambda cudart, number: gpu)
    monkeypatch.setattr(tensorrt, "CudaDevice", make_device)
    monkeypatch.setattr(tensorrt, "TensorRTProgram", make_network_program)
    fake = FakeEngine(describe(step_tensors(*SIZE, "fp32")))
    monkeypatch.setattr(tensorrt, "load_engine", lambda trt, logger, data: LoadedEngine(None, fake))
    yield devices
    assert all(device.closed for device in devices)


def test_a_backend_runs_the_network_and_builds_its_engine_once(
    trt: Any, simulated: list[SimulatedDevice], caplog: pytest.LogCaptureFixture
) -> None:
    weights = read_weights("v2")  # once: the cache of this test is empty
    setup = make_setup("tensorrt_rtx", *SIZE, precision="fp32")
    object.__setattr__(setup, "read_weights", lambda: weights)
    parts = network_parts(*SIZE)
    for _ in range(2):
        with caplog.at_level(logging.INFO), open_backend("tensorrt_rtx", setup) as backend:
            assert backend.depth == 2
            reference = Reference(parts)
            for numbers in [(0, 0, 1), (0, 1, 2), (1, 2, 3)]:
                expected = reference.step(numbers)
                assert_same(read_frame(submit(backend, parts, numbers), (3, 120, 164)), expected)  # type: ignore[arg-type]
            backend.reset()
            ticket = submit(backend, parts, (4, 5, 6))  # type: ignore[arg-type]
            assert_same(read_frame(ticket, (3, 120, 164)), Reference(parts).step((4, 5, 6)))

    assert len(simulated) == 2
    built = [record.getMessage() for record in caplog.records if "building" in record.getMessage()]
    assert built == ["building the engine for 41x30 in fp32 with tensorrt_rtx, once"]


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("options", [(), ("graphs=no",), ("shapes=dynamic",)], ids=["graphs", "enqueue", "dynamic"])
def test_frames_on_a_gpu_are_those_of_the_network(trt: Any, options: tuple[str, ...]) -> None:
    if not has_gpu():
        pytest.skip("there is no GPU")
    parts, sr = network_parts(64, 48), (3, 192, 256)
    with open_backend("tensorrt_rtx", make_setup("tensorrt_rtx", 64, 48, precision="fp32", options=options)) as backend:
        for _ in range(2):
            reference = Reference(parts)
            backend.reset()
            for numbers in [(max(n - 1, 0), n, n + 1) for n in range(8)]:
                found = read_frame(submit(backend, parts, numbers), sr)  # type: ignore[arg-type]
                np.testing.assert_allclose(found, reference.step(numbers), atol=2e-3)

"""The two TensorRT backends without a GPU: the API that they use exists, and their parts work together."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scripts.studies.psnr import compute_psnr
from tests.backends.gpu.conversion import assert_converts
from tests.backends.gpu.random_runs import Reference, assert_same, read_frame, submit
from tests.backends.gpu.simulator import SimulatedDevice, is_output
from tests.backends.gpu.test_pipeline import network_parts
from tests.backends.runner import (
    Picture,
    import_onnxruntime_or_skip,
    make_setup,
    run_steps,
)
from vsanimesr import cache
from vsanimesr.backends import availability, open_backend
from vsanimesr.backends.base import Availability, int8_ranges
from vsanimesr.backends.gpu import tensorrt
from vsanimesr.backends.gpu.cuda import Gpu, find_gpu, load_runtime
from vsanimesr.backends.gpu.device import Buffer, DeviceError, OutOfMemoryError, Program, Stream
from vsanimesr.backends.gpu.kernels import kernel_key
from vsanimesr.backends.gpu.memory import estimate_bytes
from vsanimesr.backends.gpu.pipeline import DEPTH, bytes_needed
from vsanimesr.backends.gpu.runtimes import refusal
from vsanimesr.backends.gpu.tensorrt import (
    LAYOUTS,
    TYPES,
    LoadedEngine,
    TensorRTProgram,
    check_tensors,
    load_engine,
)
from vsanimesr.backends.gpu.tensorrt_build import BuildRequest, TensorRTRTXOptions, build, engine_tensors, make_logger
from vsanimesr.errors import BackendError, TooLittleMemoryError
from vsanimesr.network import bfloat16
from vsanimesr.network.graph import GraphPrecision, build_graph
from vsanimesr.network.shapes import FEATURES
from vsanimesr.network.tensors import Tensor, step_tensors
from vsanimesr.options import Options
from vsanimesr.weights.load import read_weights

SIZE = (41, 30)
PRECISIONS: list[GraphPrecision] = ["fp32", "fp16", "bf16", "int8", "fp8"]
NAMES = {precision: name for name, precision in TYPES.items()}


@pytest.fixture(scope="module")
def trt() -> Any:
    return pytest.importorskip("tensorrt_rtx")


def test_the_api_that_is_used_exists(trt: Any) -> None:
    used: dict[str, list[str]] = {
        "Runtime": ["deserialize_cuda_engine", "get_engine_validity"],
        "IRuntimeConfig": [
            "create_runtime_cache",
            "dynamic_shapes_kernel_specialization_strategy",
            "set_execution_context_allocation_strategy",
            "set_runtime_cache",
        ],
        "IRuntimeCache": ["deserialize", "serialize"],
        "DynamicShapesKernelSpecializationStrategy": ["EAGER"],
        "ExecutionContextAllocationStrategy": ["USER_MANAGED"],
        "ICudaEngine": [
            "create_execution_context",
            "create_runtime_config",
            "get_tensor_dtype",
            "get_tensor_format",
            "get_tensor_mode",
            "get_tensor_name",
            "get_tensor_shape",
            "num_io_tensors",
        ],
        "IExecutionContext": [
            "execute_async_v3",
            "is_stream_capturable",
            "set_device_memory",
            "set_input_shape",
            "set_tensor_address",
            "update_device_memory_size_for_shapes",
        ],
        "ILogger": ["Severity", "log"],
        "EngineValidity": ["INVALID", "SUBOPTIMAL"],
        "EngineInvalidityDiagnostics": ["__members__"],
        "TensorIOMode": ["INPUT"],
        "DataType": list(TYPES),
        "TensorFormat": list(LAYOUTS),
    }
    for name, attributes in used.items():
        for attribute in attributes:
            assert hasattr(getattr(trt, name), attribute), f"{name}.{attribute}"
    assert not hasattr(trt.IExecutionContext, "not_there")
    assert "runtime_config: tensorrt_rtx_bindings.tensorrt_rtx.IRuntimeConfig" in (
        trt.ICudaEngine.create_execution_context.__doc__
    )
    for strategy in ("STATIC", "USER_MANAGED"):
        assert strategy in trt.ExecutionContextAllocationStrategy.__members__


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [SIZE, None], ids=["static", "dynamic"])
def test_the_network_has_the_tensors_that_the_pipeline_allocates(
    trt: Any, size: tuple[int, int] | None, precision: GraphPrecision
) -> None:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    weights = read_weights("v2")
    graph = build_graph(
        weights.load(), size, precision, int8_ranges(precision, weights), colour="source", symmetric=True
    )
    assert parser.parse(graph.SerializeToString())

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
    remedy = "install driver R580 or newer, or use backend='openvino'"
    assert availability("tensorrt_rtx") == Availability(False, "there is no NVIDIA driver", remedy)
    with pytest.raises(BackendError, match=f"there is no NVIDIA driver; {remedy}"):
        open_backend("tensorrt_rtx", make_setup("tensorrt_rtx", *SIZE))


# A program, with a fake engine


def describe(tensors: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shapes and TensorRT's type names of tensors."""
    return {name: (tensor.shape, NAMES[tensor.type]) for name, tensor in tensors.items()}


CONTEXT_BYTES = 12345


class FakeCache:
    """An `IRuntimeCache`: kernels are compiled at the first step unless they are there."""

    def __init__(self) -> None:
        self.kernels = b""

    def deserialize(self, data: Any) -> bool:
        if not bytes(data).startswith(b"kernels"):
            return False
        self.kernels = bytes(data)
        return True

    def serialize(self) -> bytes:
        return self.kernels


class FakeConfig:
    """An `IRuntimeConfig`, with TensorRT-RTX's defaults."""

    dynamic_shapes_kernel_specialization_strategy: Any = None
    allocation: Any = None
    cache: FakeCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.allocation = strategy

    def create_runtime_cache(self) -> FakeCache:
        return FakeCache()

    def set_runtime_cache(self, cache: FakeCache) -> bool:
        self.cache = cache
        return True


class FakeEngine:
    """An `ICudaEngine` with tensors of these shapes and types, and its one context."""

    def __init__(
        self, tensors: dict[str, tuple[tuple[int, ...], str]], *, works: bool | None = True, hwc8: Sequence[str] = ()
    ) -> None:
        self._tensors = tensors
        self._hwc8 = hwc8
        self.num_io_tensors = len(tensors)
        self.works = works
        self.config: FakeConfig | None = None
        self.compiled = 0
        """Number of times that kernels were compiled."""
        self.calls: list[tuple[Any, ...]] = []

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name][0]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self._tensors[name][1])

    def get_tensor_format(self, name: str) -> Any:
        return SimpleNamespace(name="HWC8" if name in self._hwc8 else "LINEAR")

    def get_tensor_mode(self, name: str) -> Any:
        return SimpleNamespace(name="OUTPUT" if is_output(name) else "INPUT")

    def create_runtime_config(self) -> FakeConfig:
        return FakeConfig()

    def create_execution_context(self, config: FakeConfig) -> Any:
        self.config = config
        if self.works is None:
            return None
        if config.cache is not None and not config.cache.kernels:
            config.cache.kernels = b"kernels"
            self.compiled += 1
        return self

    def update_device_memory_size_for_shapes(self) -> int:
        opened = {name for name, (shape, _) in self._tensors.items() if -1 in shape and not is_output(name)}
        assert opened == {call[1] for call in self.calls if call[0] == "set_input_shape"}, "not all shapes are set"
        return CONTEXT_BYTES

    def __getattr__(self, name: str) -> Any:
        if name not in (
            "set_device_memory",
            "set_input_shape",
            "set_tensor_address",
            "execute_async_v3",
            "is_stream_capturable",
        ):
            raise AttributeError(name)

        def call(*arguments: Any) -> bool | None:
            self.calls.append((name, *arguments))
            return self.works

        return call


LOGGER = SimpleNamespace(last="no idea why")
KERNELS = {"backend": "tensorrt_rtx", "kind": "kernels"}


def make_program(
    trt: Any,
    engine: FakeEngine,
    device: SimulatedDevice | None = None,
    logger: Any = LOGGER,
    kernels: dict[str, str] | None = None,
) -> TensorRTProgram:
    device = device or SimulatedDevice()
    with device.attached():
        return TensorRTProgram(trt, LoadedEngine(None, engine), step_tensors(*SIZE, "fp16"), logger, device, kernels)


def test_a_program_binds_and_runs(trt: Any) -> None:
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    program = make_program(trt, engine)
    engine.calls.clear()
    program.bind("cur", Buffer(4096, 8))
    assert program.capture_obstacle(Stream(7)) == ""
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


def test_the_size_of_the_inputs_is_set_for_an_engine_of_any_size(trt: Any) -> None:
    engine = FakeEngine(dynamic_tensors())
    make_program(trt, engine)

    assert engine.calls[:-1] == [
        ("set_input_shape", "prev", (1, 3, 30, 41)),
        ("set_input_shape", "cur", (1, 3, 30, 41)),
        ("set_input_shape", "next", (1, 3, 30, 41)),
        ("set_input_shape", "sr", (1, 48, 32, 44)),
        ("set_input_shape", "hidden", (1, 64, 32, 44)),
    ]
    with pytest.raises(BackendError, match="shapes='dynamic' does not support 41x30; use backend_options"):
        make_program(trt, FakeEngine(dynamic_tensors(), works=False))


def test_the_context_takes_memory_of_ours_for_the_clips_size(trt: Any) -> None:
    """By default TensorRT allocates that of the largest size that the engine supports."""
    engine, device = FakeEngine(dynamic_tensors()), SimulatedDevice()
    make_program(trt, engine, device)

    assert engine.config is not None
    assert engine.config.allocation == trt.ExecutionContextAllocationStrategy.USER_MANAGED
    name, address, size = engine.calls[-1]
    assert (name, size) == ("set_device_memory", CONTEXT_BYTES)
    assert device.at(address).size == CONTEXT_BYTES
    assert device.allocated == CONTEXT_BYTES


def test_kernels_never_change_while_steps_run(trt: Any) -> None:
    """By default an engine for any size begins with slow kernels, and others take their place when compiled."""
    engine = FakeEngine(dynamic_tensors())
    make_program(trt, engine, kernels=KERNELS)

    assert engine.config is not None
    strategies = trt.DynamicShapesKernelSpecializationStrategy
    assert engine.config.dynamic_shapes_kernel_specialization_strategy == strategies.EAGER


def test_tensorrt_itself_compiles_no_kernels(trt: Any) -> None:
    """Its configuration of a context has neither the strategy nor the cache."""
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    make_program(trt, engine).save_kernels()

    assert engine.config is not None
    assert engine.config.dynamic_shapes_kernel_specialization_strategy is None
    assert engine.config.cache is None


def test_kernels_are_compiled_once_and_verified(
    trt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path))
    gpu = Gpu(0, "A card", (8, 9), 1 << 33, 13010)
    engine_of = {"backend": "tensorrt_rtx", "library": "1.7.1"}

    def compiled(key: Any) -> int:
        engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
        make_program(trt, engine, kernels=key).save_kernels()
        return engine.compiled

    key = kernel_key(engine_of, gpu)
    assert [compiled(key) for _ in range(3)] == [1, 0, 0]
    for other in (
        kernel_key({**engine_of, "library": "1.7.2"}, gpu),
        kernel_key(engine_of, dataclasses.replace(gpu, driver=13020)),
        kernel_key(engine_of, dataclasses.replace(gpu, capability=(8, 6))),
    ):
        assert compiled(other) == 1

    path = cache.entry_path(key)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with caplog.at_level(logging.INFO):
        assert compiled(key) == 1
    assert f"{path} is damaged; it is made again" in caplog.text
    assert compiled(key) == 0

    cache.store(key, b"of another driver")
    with caplog.at_level(logging.INFO):
        assert compiled(key) == 1
    assert "the kept kernels are of another system; they are compiled again" in caplog.text
    assert compiled(key) == 0


def test_kernels_that_cannot_be_stored_are_no_error(
    trt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    with caplog.at_level(logging.INFO):
        make_program(trt, engine, kernels=KERNELS).save_kernels()
    assert "cannot be stored (" in caplog.text


def test_a_refusal_of_tensorrt_is_an_error_with_its_reason(trt: Any) -> None:
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    program = make_program(trt, engine)
    engine.works = False
    with pytest.raises(DeviceError, match="the tensor 'cur' cannot be bound: no idea why"):
        program.bind("cur", Buffer(4096, 8))
    with pytest.raises(DeviceError, match="a step cannot be queued: no idea why") as caught:
        program.enqueue(Stream(7))
    assert not isinstance(caught.value, OutOfMemoryError)
    assert "does not allow it for this engine (no idea why)" in program.capture_obstacle(Stream(7))
    engine.works = None
    with pytest.raises(DeviceError, match="execution context cannot be created: no idea why"):
        make_program(trt, engine)


def test_memory_that_tensorrt_does_not_get_is_told_apart(trt: Any) -> None:
    engine = FakeEngine(describe(step_tensors(*SIZE, "fp16")))
    engine.works = None
    with pytest.raises(OutOfMemoryError, match="Cuda failure: 2: out of memory"):
        make_program(trt, engine, logger=SimpleNamespace(last="Cuda failure: 2: out of memory"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("Cuda failure: 2: out of memory", OutOfMemoryError), ("Serialization assertion failed", DeviceError)],
)
def test_an_engine_that_finds_too_little_memory_is_told_from_a_bad_one(reason: str, kind: type[DeviceError]) -> None:
    """The cache keeps the first, and builds the second again."""
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda data: None)
    fake = SimpleNamespace(Runtime=lambda logger: runtime)
    with pytest.raises(DeviceError, match=f"the engine cannot be loaded: {reason}; close other programs") as caught:
        load_engine(fake, SimpleNamespace(last=reason), memoryview(b""))
    assert type(caught.value) is kind
    assert isinstance(caught.value, TooLittleMemoryError) == (kind is OutOfMemoryError)


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


FOLDED = ("sr", "hidden", "sr_out", "hidden_out")


@pytest.mark.parametrize(("hwc8", "fits"), [(FOLDED, True), ((), False), (FOLDED[:3], False)])
def test_an_engine_whose_state_has_another_layout_is_not_used(hwc8: tuple[str, ...], fits: bool) -> None:
    expected = engine_tensors(*SIZE, "fp16", FEATURES)
    engine = FakeEngine(describe(expected), hwc8=hwc8)
    if fits:
        check_tensors(engine, expected)
        return
    with pytest.raises(BackendError, match="has other tensors"):
        check_tensors(engine, expected)


# A whole backend, on a simulated device


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[SimulatedDevice]]:
    """Open backends on simulated devices, with the network on the CPU. Builder and cache are the real ones."""
    devices: list[SimulatedDevice] = []

    def make_device(number: int, cudart: Any) -> SimulatedDevice:
        devices.append(SimulatedDevice(seed=len(devices)))
        return devices[-1]

    def make_network_program(
        trt: Any, loaded: LoadedEngine, tensors: dict[str, Tensor], logger: Any, device: Any, kernels: Any
    ) -> Program:
        program = network_parts(*SIZE).program(device, tensors)
        program.save_kernels = lambda: None  # type: ignore[attr-defined]
        return program

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
            assert backend.depth == DEPTH
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


@pytest.mark.usefixtures("simulated")
def test_a_backend_converts_frames(trt: Any) -> None:
    weights = read_weights("v2")
    setup = dataclasses.replace(make_setup("tensorrt_rtx", *SIZE, precision="fp32"), read_weights=lambda: weights)

    assert_converts(setup, lambda each: open_backend("tensorrt_rtx", each))


@pytest.mark.parametrize("at", ["context", "pipeline"])
def test_too_little_memory_names_what_fits(
    at: str, trt: Any, simulated: list[SimulatedDevice], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    width, height = 640, 480
    needed = estimate_bytes(width, height, "fp16")
    free = bytes_needed(width, height, "fp16") // 2 if at == "pipeline" else CONTEXT_BYTES - 1

    def make_device(number: int, cudart: Any) -> SimulatedDevice:
        simulated.append(SimulatedDevice(memory=free))
        return simulated[-1]

    engine = FakeEngine(describe(step_tensors(width, height, "fp16")), hwc8=FOLDED)
    monkeypatch.setattr(tensorrt, "CudaDevice", make_device)
    monkeypatch.setattr(tensorrt, "load_engine", lambda trt, logger, data: LoadedEngine(None, engine))
    monkeypatch.setattr(tensorrt, "build", lambda request, weights: b"an engine")
    monkeypatch.setattr(tensorrt, "TensorRTProgram", TensorRTProgram)
    with pytest.raises(BackendError) as caught:
        open_backend("tensorrt_rtx", make_setup("tensorrt_rtx", width, height, precision="fp16"))

    found = re.fullmatch(
        r"backend='tensorrt_rtx' cannot be opened: device=0 \(Simulated \(8 GiB, compute capability 8.9\)\) has too "
        r"little memory for frames of 640x480 in fp16: about (\S+) GB are needed, and (\S+) GB are free; use (.*), or "
        r"close other programs that use the GPU",
        str(caught.value),
    )
    assert found
    assert float(found[1]) == pytest.approx(needed / 1e9, abs=0.05)
    assert float(found[2]) == pytest.approx(free / 1e9, abs=0.05)
    if at == "context":
        assert found[3] == "backend='openvino'"
    else:
        tile = re.fullmatch(r"tiles=\[(\d+), (\d+)\] or smaller ones", found[3])
        assert tile
        assert estimate_bytes(int(tile[1]), int(tile[2]), "fp16") <= free
        Options(tiles=(int(tile[1]), int(tile[2])))  # it is allowed


def fail_to_keep_kernels(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail() -> None:
        raise error

    def make_program(_trt: Any, _loaded: Any, tensors: dict[str, Tensor], _logger: Any, device: Any, _: Any) -> Program:
        program = network_parts(*SIZE).program(device, tensors)
        program.save_kernels = fail  # type: ignore[attr-defined]
        return program

    monkeypatch.setattr(tensorrt, "TensorRTProgram", make_program)
    monkeypatch.setattr(tensorrt, "build", lambda request, weights: b"an engine")


@pytest.mark.usefixtures("trt", "simulated")
def test_kernels_that_cannot_be_kept_are_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_to_keep_kernels(monkeypatch, RuntimeError("serialize() got an unexpected argument"))
    setup = make_setup("tensorrt_rtx", *SIZE, precision="fp32")
    with caplog.at_level(logging.WARNING), open_backend("tensorrt_rtx", setup):
        pass

    assert [record.getMessage() for record in caplog.records] == [
        "compiled kernels cannot be kept: RuntimeError: serialize() got an unexpected argument"
    ]


@pytest.mark.usefixtures("trt")
def test_an_interrupt_while_kernels_are_kept_closes_the_device(
    simulated: list[SimulatedDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_keep_kernels(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        open_backend("tensorrt_rtx", make_setup("tensorrt_rtx", *SIZE, precision="fp32"))
    assert simulated[0].closed


# On a GPU


def skip_unless_usable(backend: str) -> None:
    found = availability(backend)
    if not (found.usable and found.gpu):
        pytest.skip(f"{backend}: {found.detail}")


@pytest.mark.gpu
@pytest.mark.parametrize("options", [(), ("graphs=no",), ("shapes=dynamic",)], ids=["graphs", "enqueue", "dynamic"])
@pytest.mark.parametrize("backend", ["tensorrt_rtx", "tensorrt"])
def test_frames_on_a_gpu_are_those_of_the_network(backend: str, options: tuple[str, ...]) -> None:
    skip_unless_usable(backend)
    parts, sr = network_parts(64, 48), (3, 192, 256)
    with open_backend(backend, make_setup(backend, 64, 48, precision="fp32", options=options)) as opened:
        for _ in range(2):
            reference = Reference(parts)
            opened.reset()
            for numbers in [(max(n - 1, 0), n, n + 1) for n in range(8)]:
                found = read_frame(submit(opened, parts, numbers), sr)  # type: ignore[arg-type]
                np.testing.assert_allclose(found, reference.step(numbers), atol=2e-3)


GATES: dict[GraphPrecision, int] = {"fp16": 70, "bf16": 50, "int8": 40, "fp8": 40}
"""Least PSNR to fp32, in dB. Kernels may add in fp16, and units of -1/10 make the sums larger (network/graph.py)."""


def passes_gate(precision: GraphPrecision, frames: list[Picture], exact: list[Picture]) -> bool:
    return min(map(compute_psnr, frames, exact)) >= GATES[precision]


def run_on_cpu(precision: str, size: tuple[int, int] = (64, 48)) -> list[Picture]:
    return run_steps("onnxruntime", "provider=cpu", precision=precision, size=size, steps=8)


@pytest.mark.gpu
@pytest.mark.parametrize("graphs", ["yes", "no"])
@pytest.mark.parametrize("precision", GATES)
@pytest.mark.parametrize("backend", ["tensorrt_rtx", "tensorrt"])
def test_few_bits_on_a_gpu_are_close_to_fp32(backend: str, precision: GraphPrecision, graphs: str) -> None:
    skip_unless_usable(backend)
    if reason := refusal(backend, find_gpu(load_runtime(), 0), precision):
        pytest.skip(reason)
    frames = run_steps(backend, f"graphs={graphs}", precision=precision, size=(64, 48), steps=8)

    assert passes_gate(precision, frames, run_on_cpu("fp32"))


def test_the_gate_of_fp16_lets_fp16_pass_and_bf16_not() -> None:
    import_onnxruntime_or_skip()
    exact = run_on_cpu("fp32", SIZE)
    rounded = [bfloat16.to_float32(bfloat16.from_float32(frame)) for frame in exact]

    assert passes_gate("fp16", run_on_cpu("fp16", SIZE), exact)
    assert not passes_gate("fp16", rounded, exact)
    assert passes_gate("bf16", rounded, exact)

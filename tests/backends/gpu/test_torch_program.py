"""The program of PyTorch: on a simulated device with every allowed order of execution, and on a GPU."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tests.backends.gpu.host_torch import HostProgram, HostTorch, make_reference
from tests.backends.gpu.random_runs import Parts, Reference, assert_same, check, open_pipeline, read_frame, submit
from tests.backends.gpu.simulator import SimulatedDevice
from tests.backends.runner import make_frame, run_steps
from vsanimesr.backends.base import Frame
from vsanimesr.backends.gpu.cuda import CudaDevice
from vsanimesr.backends.gpu.device import Buffer, Device, Graph, Stream
from vsanimesr.backends.gpu.pipeline import Pipeline
from vsanimesr.backends.gpu.torch_program import TorchCuda, torch_tensors
from vsanimesr.backends.torch_steps import DTYPES, SerialSteps, Step, zero_state
from vsanimesr.errors import BackendError
from vsanimesr.network.graph import GraphPrecision
from vsanimesr.network.tensors import STATE, Tensor
from vsanimesr.network.torch_network import AnimeSR, build_network
from vsanimesr.weights.load import load_weights

SIZE = (3, 2)
FEATURES = 8
FRAME = (3, 4 * SIZE[1], 4 * SIZE[0])

type Outputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def mix(prev: torch.Tensor, cur: torch.Tensor, next: torch.Tensor, sr: torch.Tensor, hidden: torch.Tensor) -> Outputs:
    """Run a step that takes microseconds, and whose outputs depend on every input."""
    source = functional.pad(prev + 2 * cur + 3 * next, (0, 0, 0, 0, 0, sr.shape[1] - 3), mode="constant", value=0.25)
    past = hidden.mean(1, keepdim=True)
    new_sr = 0.5 * sr + source + past
    new_hidden = 0.5 * hidden - source[:, : hidden.shape[1]] + sr[:, : hidden.shape[1]]
    return functional.pixel_shuffle(new_sr - past, 4), new_sr, new_hidden


def make_parts(
    step: Step = mix,
    size: tuple[int, int] = SIZE,
    features: int = FEATURES,
    *,
    program: type[HostProgram] = HostProgram,
) -> Parts:
    """Return the parts of a run of a step on the simulated device."""
    tensors = torch_tensors(*size, "fp32", features)
    open_program = cast(Any, partial(program, step=step))
    return Parts(program=open_program, step=make_reference(step, tensors), tensors=tensors)


def small_network(features: int = FEATURES) -> AnimeSR:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = AnimeSR(features=features, blocks=(2, 1, 1))
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_every_order_of_execution_gives_the_same_frames(seed: int) -> None:
    check(make_parts(), seed)


@given(seed=st.integers(0, 2**32), size=st.tuples(st.integers(1, 9), st.integers(1, 9)))
@settings(max_examples=15, deadline=None)
def test_the_network_gives_the_same_frames_as_step_by_step(seed: int, size: tuple[int, int]) -> None:
    check(make_parts(small_network(), size), seed, steps=8)


def test_the_pipeline_gives_the_frames_of_the_backend_on_a_cpu() -> None:
    size, count = (13, 6), 3
    expected = run_steps("torch", colour="network", size=size, steps=count)
    network = build_network({key: torch.from_numpy(value) for key, value in load_weights("v2").items()})
    network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    parts = make_parts(network, size, network.features)
    with open_pipeline(parts) as (_, pipeline):
        for n in range(count):
            window = (make_frame(max(n - 1, 0), size), make_frame(n, size), make_frame(n + 1, size))
            found = read_frame(pipeline.submit(*window, output=True), (3, 4 * size[1], 4 * size[0]))
            assert_same(found, expected[n])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_run_in_16_bits_continues_from_snapshots(precision: GraphPrecision) -> None:
    """Frames are those of serial steps; the snapshots of both are exchanged, so they are the same bytes."""
    network = small_network().to(DTYPES[precision])
    zero = zero_state(network, SIZE)
    serial = SerialSteps(network, zero, SIZE, warm=False)
    tensors = torch_tensors(*SIZE, precision, FEATURES)
    parts = replace(make_parts(network), tensors=tensors)
    frame_shape = tensors["frame"].shape[1:]

    def step(runner: Pipeline | SerialSteps, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        window = tuple(Frame(number, tuple(parts.make_picture(number))) for number in (n, n + 1, n + 2))
        return read_frame(runner.submit(*window, output=True), frame_shape)

    with open_pipeline(parts) as (_, pipeline):
        for n in range(4):
            assert_same(step(pipeline, n), step(serial, n))
            state = pipeline.save_state()
            for found, expected, name in zip(state, serial.save_state(), STATE, strict=True):
                assert found.shape == tensors[name].shape[1:]
                assert np.array_equal(found.view(np.uint16), expected.view(np.uint16))
            pipeline.load_state(serial.save_state())
            serial.load_state(state)


def test_a_snapshot_is_put_together_of_parts_in_any_order_of_memory() -> None:
    parts = make_parts()
    reference = Reference(parts)
    with open_pipeline(parts) as (_, pipeline):
        submit(pipeline, parts, (0, 1, 2), output=False)
        reference.step((0, 1, 2))
        state = pipeline.save_state()
        planar = tuple(np.concatenate([array[:, :2], array[:, 2:]], 1).copy("C") for array in state)
        for array, expected in zip(state, reference.save_state().values(), strict=True):
            assert np.array_equal(array, expected[0])
        submit(pipeline, parts, (5, 6, 7), output=False)
        pipeline.load_state(planar)
        assert_same(read_frame(submit(pipeline, parts, (1, 2, 3)), FRAME), reference.step((1, 2, 3)))


def test_after_closing_no_tensor_keeps_the_memory() -> None:
    """Memory that a tensor could still reach would be used after it was freed."""
    weight = torch.ones(1)
    kept = weakref.ref(weight)
    device = SimulatedDevice()
    tensors = torch_tensors(*SIZE, "fp32", FEATURES)
    program = HostProgram(device, tensors, partial(scale, weight))
    del weight
    pipeline = Pipeline(device, program, backend="simulated", graphs=True)
    submit(pipeline, Parts(tensors=tensors), (0, 1, 2))
    memories = program.host.memories
    assert len(memories) == 13  # three of the window; of each of two sets, the state in and out, and a frame
    assert all(memory() is not None for memory in memories)
    assert kept() is not None

    pipeline.close()
    gc.collect()

    assert program.host.closed
    assert all(memory() is None for memory in memories)
    assert kept() is None


def scale(weight: torch.Tensor, *inputs: torch.Tensor) -> Outputs:
    """Run `mix` with a weight."""
    frame, sr, hidden = mix(*inputs)
    return weight * frame, sr, hidden


@pytest.mark.parametrize("obstacle", ["", "it cannot be captured"])
def test_steps_are_captured_only_if_they_can_be(obstacle: str) -> None:
    captured = []

    class Counting(HostProgram):
        def __init__(self, device: SimulatedDevice, tensors: Mapping[str, Tensor], step: Step) -> None:
            super().__init__(device, tensors, step)
            self._obstacle = obstacle

        def capture(self, device: Device, stream: Stream) -> Graph:
            captured.append(stream)
            return super().capture(device, stream)

    parts = make_parts(program=Counting)
    with open_pipeline(parts) as (_, pipeline):
        assert_same(read_frame(submit(pipeline, parts, (0, 1, 2)), FRAME), Reference(parts).step((0, 1, 2)))

    assert len(captured) == (0 if obstacle else 2)


def test_graphs_are_captured_after_all_steps_without_them() -> None:
    """Else the memory of a graph would lie beside that of a step."""
    log = []

    class Logging(HostProgram):
        def enqueue(self, stream: Stream) -> None:
            log.append("step")
            super().enqueue(stream)

        def capture(self, device: Device, stream: Stream) -> Graph:
            log.append("capture")
            return super().capture(device, stream)

    with open_pipeline(make_parts(program=Logging)):
        pass

    assert log == ["step", "step", "capture", "capture"]


# Errors of PyTorch


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "too little memory .*close other programs, or use tiles"),
        (
            RuntimeError("CUDA error: out of luck\nCompile with ..."),
            "a step cannot be queued: CUDA error: out of luck$",
        ),
    ],
)
def test_an_error_of_pytorch_is_a_failure_that_the_reset_overcomes(error: Exception, message: str) -> None:
    class Failing(HostTorch):
        fails = False

        def run(self, work: Callable[[], None], stream: Stream) -> None:
            if Failing.fails:
                raise error
            super().run(work, stream)

    class Program(HostProgram):
        host_class = Failing

    parts = make_parts(program=Program)
    with open_pipeline(parts, graphs=False) as (_, pipeline):
        Failing.fails = True
        with pytest.raises(BackendError, match=f"backend='simulated' failed at a step: .*{message}"):
            submit(pipeline, parts, (0, 1, 2))
        Failing.fails = False
        pipeline.reset()
        assert_same(read_frame(submit(pipeline, parts, (0, 1, 2)), FRAME), Reference(parts).step((0, 1, 2)))
        Failing.fails = True
        pipeline.close()
    with pytest.raises(BackendError, match=f"backend='simulated' cannot be opened: .*{message}"):
        parts.open(SimulatedDevice())


def test_a_capture_that_fails_leaves_steps_without_graphs(caplog: pytest.LogCaptureFixture) -> None:
    class NoCapture(HostTorch):
        def capture(self, work: Callable[[], None], stream: Stream) -> Graph:
            raise RuntimeError("operation not permitted when stream is capturing")

    class Program(HostProgram):
        host_class = NoCapture

    parts = make_parts(program=Program)
    check(parts, 3)

    assert "a step cannot be captured: operation not permitted" in caplog.text


# Planted faults: the random runs must find each of them


class ForgetState(HostProgram):
    """A step reads the zero state."""

    def _make_work(self) -> Callable[[], None]:
        self._bound.update({name: torch.zeros_like(self._bound[name]) for name in STATE})
        return super()._make_work()


class SwapState(HostProgram):
    """A step writes the state that it reads, instead of that of the other set."""

    def _make_work(self) -> Callable[[], None]:
        for name in STATE:
            self._bound[name], self._bound[f"{name}_out"] = self._bound[f"{name}_out"], self._bound[name]
        return super()._make_work()


class KeepHidden(HostProgram):
    """The hidden state is not written."""

    def _make_work(self) -> Callable[[], None]:
        self._bound["hidden_out"] = torch.empty_like(self._bound["hidden_out"])
        return super()._make_work()


class FirstBindings(HostProgram):
    """Later bindings of a name are ignored."""

    def bind(self, name: str, buffer: Buffer) -> None:
        if name not in self._bound:
            super().bind(name, buffer)


class ViewByName(HostProgram):
    """A view is made once for a name, whatever its address."""

    def bind(self, name: str, buffer: Buffer) -> None:
        for (known, _), view in list(self._views.items()):
            if known == name:
                self._views[name, buffer.address] = view
        super().bind(name, buffer)


class CopiedBuffers(HostProgram):
    """A buffer's contents are copied instead of viewed."""

    def bind(self, name: str, buffer: Buffer) -> None:
        super().bind(name, buffer)
        self._bound[name] = self._bound[name].clone()


class OtherStream(HostProgram):
    """Steps run on a stream of their own."""

    def enqueue(self, stream: Stream) -> None:
        own = [each for each in self.host.device._streams if each != stream]
        super().enqueue(own[0])

    def capture_obstacle(self, stream: Stream) -> str:
        return "it runs elsewhere"


class RunAtOnce(HostProgram):
    """A step runs when it is queued."""

    def enqueue(self, stream: Stream) -> None:
        self._make_work()()

    def capture_obstacle(self, stream: Stream) -> str:
        return "it runs elsewhere"


class CaptureOnce(HostProgram):
    """Both sets of bindings use the first graph."""

    graph: Graph | None = None

    def capture(self, device: Device, stream: Stream) -> Graph:
        self.graph = self.graph or super().capture(device, stream)
        return self.graph


FAULTS = [
    ForgetState,
    SwapState,
    KeepHidden,
    FirstBindings,
    ViewByName,
    CopiedBuffers,
    OtherStream,
    RunAtOnce,
    CaptureOnce,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: type[HostProgram]) -> None:
    parts = make_parts(program=fault)

    assert any(fails(parts, seed) for seed in range(60))


def fails(parts: Parts, seed: int) -> bool:
    try:
        check(parts, seed)
    except (AssertionError, BackendError):
        return True
    return False


# On CUDA, without a GPU: the function of PyTorch that each method calls, and its arguments


class FakeCuda:
    """Replacement of `torch.cuda` and of the device that notes what happens, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[tuple[Any, ...]] = []
        fake = self

        class CUDAGraph:
            def __init__(self, *, keep_graph: bool) -> None:
                self.number = sum(entry[0] == "new graph" for entry in fake.log)
                fake.log.append(("new graph", keep_graph))

            def pool(self) -> str:
                return f"pool of graph {self.number}"

            def raw_cuda_graph(self) -> str:
                return f"captured graph {self.number}"

            def reset(self) -> None:
                fake.log.append(("reset", self.number))
                raise RuntimeError("a fatal error")

        @contextmanager
        def note(name: str, *arguments: Any, **keywords: Any) -> Iterator[None]:
            fake.log.append((name, *arguments, keywords))
            yield
            fake.log.append((f"end of {name}",))

        monkeypatch.setattr(torch.cuda, "CUDAGraph", CUDAGraph)
        monkeypatch.setattr(torch.cuda, "graph", lambda graph, **keywords: note("capture", graph.number, **keywords))
        monkeypatch.setattr(torch.cuda, "stream", partial(note, "stream"))
        monkeypatch.setattr(torch.cuda, "ExternalStream", lambda stream, device: f"stream {stream} of {device}")
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: fake.log.append(("empty cache",)))

    def instantiate(self, captured: str) -> Graph:
        """Stand in for `CudaDevice.instantiate`."""
        self.log.append(("instantiate", captured))
        return Graph(len(self.log))

    def work(self) -> None:
        """Note that the work of a step is queued."""
        self.log.append(("work",))

    def take_log(self) -> list[tuple[Any, ...]]:
        """Return what has happened since the last call."""
        log, self.log[:] = self.log[:], []
        return log


def test_cuda_captures_both_graphs_into_one_pool_that_is_freed_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, stream = FakeCuda(monkeypatch), "stream 7 of cuda:1"
    cuda = TorchCuda(cast(CudaDevice, fake), torch.device("cuda", 1))
    assert fake.take_log() == [("empty cache",)]

    cuda.run(fake.work, Stream(7))
    assert fake.take_log() == [("stream", stream, {}), ("work",), ("end of stream",)]

    keywords = {"stream": stream, "capture_error_mode": "thread_local"}
    graphs = [cuda.capture(fake.work, Stream(7)) for _ in range(2)]
    first, second = fake.log[:5], fake.log[5:10]
    assert graphs == [5, 10]
    assert first == [
        ("new graph", True),
        ("capture", 0, {"pool": None, **keywords}),
        ("work",),
        ("end of capture",),
        ("instantiate", "captured graph 0"),
    ]
    assert second[1] == ("capture", 1, {"pool": "pool of graph 0", **keywords})
    fake.take_log()

    cuda.close()
    cuda.close()
    assert fake.take_log() == [("reset", 1), ("reset", 0), ("empty cache",), ("empty cache",)]


def test_cuda_captures_one_graph_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda(monkeypatch)
    together = threading.Barrier(2)

    def work() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(0.1)
            fake.log.append(("another capture is under way",))

    programs = [TorchCuda(cast(CudaDevice, fake), torch.device("cuda", 0)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for capture in [pool.submit(cuda.capture, work, Stream(7)) for cuda in programs]:
            capture.result()

    assert [entry[0] for entry in fake.log].count("instantiate") == 2
    assert ("another capture is under way",) not in fake.log


def test_cuda_views_the_bytes_of_a_buffer_without_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host memory stands in for that of the device: numpy has the same interface, under another name."""
    memory = np.arange(12, dtype=np.uint8)
    FakeCuda(monkeypatch)

    def as_tensor(view: Any, device: torch.device) -> torch.Tensor:
        assert device == torch.device("cuda", 1)
        return torch.from_numpy(np.asarray(SimpleNamespace(__array_interface__=view.__cuda_array_interface__)))

    monkeypatch.setattr(torch, "as_tensor", as_tensor)
    cuda = TorchCuda(cast(CudaDevice, None), torch.device("cuda", 1))
    tensor = cuda.view(Buffer(memory.ctypes.data + 4, 8))
    tensor[:] = 7

    assert memory.tolist() == [0, 1, 2, 3, 7, 7, 7, 7, 7, 7, 7, 7]

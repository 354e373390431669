"""The backend `torch`: its compilers, CUDA graphs, and the settings that it shares with the rest of the process."""

from __future__ import annotations

import random
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scripts.studies.psnr import compute_psnr
from tests.backends.gpu.conversion import assert_converts
from tests.backends.gpu.host_torch import HostTorch
from tests.backends.gpu.simulator import SimulatedDevice
from tests.backends.runner import SIZE, Picture, make_setup, read_frame, run_steps, start_backend, submit_step
from vsanimesr.backends import availability, backend_class
from vsanimesr.backends import torch as module
from vsanimesr.backends.base import Frame
from vsanimesr.backends.gpu import cuda, torch_program
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.backends.gpu.memory import estimate_bytes
from vsanimesr.backends.gpu.pipeline import DEPTH, Pipeline
from vsanimesr.backends.torch_steps import SerialSteps
from vsanimesr.errors import BackendError, MissingDependencyError
from vsanimesr.network.graph import GraphPrecision

NO_GPU = not torch.cuda.is_available() and not torch.backends.mps.is_available()


def has_bf16() -> bool:
    try:
        with start_backend("torch", precision="bf16"):
            return True
    except BackendError:
        return False


@pytest.fixture
def restore_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_any_number_of_threads_gives_the_same_bits(precision: str) -> None:
    if precision == "bf16" and not has_bf16():
        pytest.skip("this machine does not compute in bf16")
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(run_steps("torch", precision=precision))

    assert np.array_equal(results[0], results[1])


def test_bf16_does_not_round_the_picture() -> None:
    """A first frame is as close to fp32 as bfloat16 inside the network allows. Rounding the picture would cost 4 dB."""
    if not has_bf16():
        pytest.skip("this machine does not compute in bf16")
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    red, green, blue = (0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.09]]] * x + 0.1 * y)).astype(np.float32)
    still = Frame(0, (red, green, blue))
    frames = []
    for precision in ("fp32", "bf16"):
        with start_backend("torch", precision=precision) as backend:
            frames.append(read_frame(backend.submit(still, still, still, output=True)))

    assert compute_psnr(*frames) >= 65


@pytest.mark.skipif(not NO_GPU, reason="auto is another precision on a GPU")
def test_auto_is_bf16_on_processors_that_have_it() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("no /proc/cpuinfo on this system")
    expected = "bf16" if set(cpuinfo.read_text().split()) & {"avx512_bf16", "amx_bf16"} else "fp32"

    assert backend_class("torch").availability().detail == f"cpu (auto: {expected})"
    frames = run_steps("torch", precision="auto", steps=2)
    assert np.array_equal(frames, run_steps("torch", precision=expected, steps=2))


@pytest.mark.skipif(not NO_GPU, reason="a GPU needs another compiler than the CPU")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_inductor_gives_the_same_picture_on_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._inductor.config.compile_threads", 1)  # processes that compile start for seconds
    expected = run_steps("torch")

    with start_backend("torch", "compile=inductor") as backend:
        for _ in range(2):
            frames = []
            for n in range(4):
                with ThreadPoolExecutor(1) as pool:
                    ticket = pool.submit(submit_step, backend, n).result()
                frames.append(read_frame(ticket))
            assert min(map(compute_psnr, frames, expected)) >= 100
            backend.reset()


@pytest.mark.skipif(find_spec("torch_tensorrt") is not None, reason="torch_tensorrt is installed")
def test_torch_tensorrt_is_not_installed() -> None:
    with pytest.raises(MissingDependencyError, match=r"compile='tensorrt'.*pip install torch-tensorrt.*compile=no"):
        backend_class("torch")(make_setup("torch", *SIZE, options=("compile=tensorrt",)))


@pytest.mark.skipif(not NO_GPU, reason="it works with a GPU")
def test_torch_tensorrt_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with pytest.raises(BackendError, match=r"compile='tensorrt'.*NVIDIA GPU.*compile=no"):
        backend_class("torch")(make_setup("torch", *SIZE, options=("compile=tensorrt",)))


@pytest.fixture
def simulated_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the backend find an NVIDIA GPU, which is simulated."""
    monkeypatch.setattr(module, "_has_pipeline", lambda device: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(cuda, "load_runtime", lambda oldest: None)
    monkeypatch.setattr(cuda, "find_gpu", lambda _, number, oldest: Gpu(number, "Simulated", (8, 9), 1 << 33, oldest))
    monkeypatch.setattr(cuda, "CudaDevice", lambda number, cudart: SimulatedDevice(number))
    monkeypatch.setattr(torch_program, "TorchCuda", lambda device, torch_device: HostTorch(device))


@pytest.mark.skipif(not NO_GPU, reason="the simulated GPU has host memory")
@pytest.mark.usefixtures("simulated_gpu")
@pytest.mark.parametrize("option", ["graphs=yes", "graphs=no"])
def test_steps_in_the_pipeline_give_the_frames_of_the_cpu(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_backend("torch", option) as backend:
        frames = [read_frame(submit_step(backend, n)) for n in range(3)]
        assert isinstance(backend._steps, Pipeline)  # type: ignore[attr-defined]
        assert (backend.depth, backend.precision) == (DEPTH, "fp32")
        assert backend.state_bytes == sum(array.nbytes for array in backend.save_state())
        assert all(buffers.graph for buffers in backend._steps._buffer_sets) == (option == "graphs=yes")  # type: ignore[attr-defined]
    monkeypatch.undo()

    assert np.array_equal(frames, run_steps("torch", steps=3))


@pytest.mark.skipif(not NO_GPU, reason="the simulated GPU has host memory")
@pytest.mark.usefixtures("simulated_gpu")
def test_frames_are_converted_in_the_pipeline() -> None:
    assert_converts(make_setup("torch", *SIZE), backend_class("torch"))


@pytest.mark.skipif(not NO_GPU, reason="the simulated GPU has host memory")
@pytest.mark.usefixtures("simulated_gpu")
@pytest.mark.parametrize("at", ["network", "program", "pipeline"])
def test_too_little_memory_names_what_fits(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 400_000_000
    devices: list[SimulatedDevice] = []

    def make_device(number: int, _cudart: object) -> SimulatedDevice:
        devices.append(SimulatedDevice(number, memory=free))
        return devices[-1]

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(cuda, "CudaDevice", make_device)
    if at == "network":
        monkeypatch.setattr(module, "_build_step", fail)
    if at == "program":
        monkeypatch.setattr(HostTorch, "run", fail)
    size = (640, 480) if at != "program" else (120, 100)
    with pytest.raises(BackendError) as caught:
        backend_class("torch")(make_setup("torch", *size, precision="fp32"))

    assert all(device.closed for device in devices)
    found = re.fullmatch(
        r"backend='torch' cannot be opened: device=0 \(Simulated \(8 GiB, compute capability 8.9\)\) has too little "
        rf"memory for frames of {size[0]}x{size[1]} in fp32: about (\S+) GB are needed, and 0.4 GB are free; use (.*), "
        r"or close other programs that use the GPU",
        str(caught.value),
    )
    assert found
    assert float(found[1]) == pytest.approx(estimate_bytes(*size, "fp32") / 1e9, abs=0.05)
    tile = re.fullmatch(r"tiles=\[(\d+), (\d+)\] or smaller ones", found[2])
    assert tile
    assert estimate_bytes(int(tile[1]), int(tile[2]), "fp32") <= free


@pytest.mark.parametrize("installed", [None, 11080, 12090, 13000])
def test_on_a_gpu_cuda_bindings_are_as_new_as_pytorch(installed: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = installed and SimpleNamespace(cudaRuntimeGetVersion=lambda: (0, installed))
    monkeypatch.setattr(module, "_has_pipeline", lambda device: True)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)

    found = availability("torch")
    assert found.usable == (installed in (12090, 13000))
    if not found.usable:
        assert (found.gpu, found.remedy) == (False, 'pip install "cuda-bindings==12.*"')
        assert found.detail == "backend='torch' needs the package cuda-bindings for CUDA 12 on an NVIDIA GPU"
        with pytest.raises(MissingDependencyError, match=r"backend='torch' .*; pip install \"cuda-bindings==12\.\*\""):
            backend_class("torch")(make_setup("torch", *SIZE))


@pytest.mark.parametrize(
    ("kind", "hip", "expected"), [("cuda", None, True), ("cuda", "6.4", False), ("cpu", None, False)]
)
def test_steps_run_in_the_pipeline_on_the_gpus_of_nvidia(
    kind: str, hip: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", hip)

    assert module._has_pipeline(torch.device(kind)) == expected


# On a GPU

on_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]


def parameters(*values: str) -> list[Any]:
    return [pytest.param(value, marks=on_gpu) for value in values]


def open_serial(precision: GraphPrecision) -> SerialSteps:
    """Open steps that run one after the other on the GPU, as on those of AMD."""
    return module._open_serial(make_setup("torch", *SIZE), module._find_device(0), precision)


@pytest.mark.parametrize("precision", parameters("fp32", "fp16", "bf16"))
@pytest.mark.parametrize("graphs", ["yes", "no"])
def test_steps_in_any_order_have_the_bits_of_serial_steps(graphs: str, precision: GraphPrecision) -> None:
    """Steps with and without output, resets and snapshots, with up to `depth` tickets waited for late."""
    choose = random.Random(7)
    serial: Any = open_serial(precision)
    with start_backend("torch", f"graphs={graphs}", precision=precision) as backend:
        assert all(buffers.graph for buffers in backend._steps._buffer_sets) == (graphs == "yes")  # type: ignore[attr-defined]
        pending: list[tuple[Any, Picture]] = []
        states = [(backend.save_state(), serial.save_state())]
        for _ in range(200):
            n = choose.randrange(12)
            if choose.random() < 0.1:
                backend.reset()
                serial.reset()
            if choose.random() < 0.1:
                states.append((backend.save_state(), serial.save_state()))
            if choose.random() < 0.1:
                state, expected_state = choose.choice(states)
                backend.load_state(state)
                serial.load_state(expected_state)
            if len(pending) == backend.depth:
                ticket, expected = pending.pop(0)
                assert np.array_equal(read_frame(ticket), expected)
            expected = read_frame(submit_step(serial, n))
            if ticket := submit_step(backend, n, output=choose.random() < 0.7):
                pending.append((ticket, expected))
        assert all(np.array_equal(read_frame(ticket), expected) for ticket, expected in pending)
    serial.close()


@pytest.mark.parametrize("graphs", parameters("yes", "no"))
def test_other_code_that_allocates_and_frees_disturbs_no_step(graphs: str) -> None:
    """While a backend opens and runs, another thread fills memory of the same GPU with NaN and frees it."""
    expected = run_steps("torch", steps=8)
    stop = threading.Event()

    def disturb() -> int:
        count = 0
        while not stop.is_set():
            blocks = [torch.full((1 << size,), float("nan"), device="cuda") for size in range(8, 22)]
            count += len(blocks)
        return count

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(disturb)
        try:
            with start_backend("torch", f"graphs={graphs}") as backend:
                for n in range(8):
                    torch.full((1 << 22,), float("nan"), device="cuda")
                    assert np.array_equal(read_frame(submit_step(backend, n)), expected[n])
                assert all(buffers.graph for buffers in backend._steps._buffer_sets) == (graphs == "yes")  # type: ignore[attr-defined]
        finally:
            stop.set()
        assert other.result() > 0


@pytest.mark.parametrize("graphs", parameters("yes", "no"))
def test_backends_open_and_run_on_two_threads_at_once(graphs: str, caplog: pytest.LogCaptureFixture) -> None:
    setup = make_setup("torch", *SIZE, precision="fp32", options=(f"graphs={graphs}",))

    def open_and_run() -> list[Picture]:
        with backend_class("torch")(setup) as backend:
            return [read_frame(submit_step(backend, n)) for n in range(8)]

    expected = open_and_run()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(open_and_run) for _ in range(6)]

        assert all(np.array_equal(run.result(), expected) for run in runs)
    assert not caplog.records, "no graph was captured"


@pytest.mark.parametrize("graphs", parameters("yes", "no"))
def test_a_closed_backend_leaves_no_memory_on_the_gpu(graphs: str) -> None:
    free = []
    for _ in range(4):
        run_steps("torch", f"graphs={graphs}", size=(320, 240), steps=2)
        free.append((torch.cuda.mem_get_info()[0], torch.cuda.memory_reserved()))

    assert len(set(free[1:])) == 1  # the first run loads libraries


@pytest.mark.parametrize("graphs", parameters("yes", "no"))
def test_too_little_memory_is_an_error_with_a_remedy(graphs: str) -> None:
    expected = run_steps("torch", f"graphs={graphs}", steps=1)
    blocks = []
    for size in (1 << 30, 1 << 24, 1 << 20):
        with suppress(torch.OutOfMemoryError):
            while True:
                blocks.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    try:
        with pytest.raises(BackendError, match=r"backend='torch' .*(close other programs|free some)"):
            run_steps("torch", f"graphs={graphs}", size=(640, 480), steps=1)
    finally:
        del blocks
        torch.cuda.empty_cache()

    assert np.array_equal(run_steps("torch", f"graphs={graphs}", steps=1), expected)


@pytest.mark.parametrize("precision", parameters("fp16", "bf16"))
def test_16_bits_on_a_gpu_are_close_to_fp32(precision: str) -> None:
    worst = min(map(compute_psnr, run_steps("torch", precision=precision), run_steps("torch")))

    assert worst >= {"fp16": 70, "bf16": 50}[precision]

"""The backend `torch`: its compilers, CUDA graphs, and the settings that it shares with the rest of the process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.studies.psnr import compute_psnr
from tests.backends.runner import SIZE, make_setup, read_frame, run_steps, start_backend, submit_step
from vsanimesr.backends import backend_class
from vsanimesr.backends.base import Frame
from vsanimesr.errors import BackendError, MissingDependencyError

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]
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
def test_inductor_gives_the_same_picture_on_any_thread() -> None:
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
    from vsanimesr.backends import torch as module

    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with pytest.raises(BackendError, match=r"compile='tensorrt'.*NVIDIA GPU.*compile=no"):
        backend_class("torch")(make_setup("torch", *SIZE, options=("compile=tensorrt",)))


def test_settings_of_the_process_are_restored() -> None:
    with start_backend("torch", "graphs=no") as backend:
        torch.backends.cudnn.benchmark = True
        try:
            read_frame(submit_step(backend, 0))
            assert torch.backends.cudnn.benchmark
            assert torch.backends.cudnn.allow_tf32
            assert not torch.is_inference_mode_enabled()
        finally:
            torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=gpu), pytest.param("fp16", marks=gpu)])
def test_cuda_graphs_do_not_change_frames(precision: str) -> None:
    with_graphs, without = (run_steps("torch", f"graphs={graphs}", precision=precision) for graphs in ("yes", "no"))

    assert np.array_equal(with_graphs, without)


@pytest.mark.parametrize("precision", [pytest.param("fp16", marks=gpu), pytest.param("bf16", marks=gpu)])
def test_16_bits_on_a_gpu_are_close_to_fp32(precision: str) -> None:
    worst = min(map(compute_psnr, run_steps("torch", precision=precision), run_steps("torch")))

    assert worst >= {"fp16": 70, "bf16": 50}[precision]

"""What is special about PyTorch: its compilers, CUDA graphs, and settings that others in the process share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from vsanimesr.engines import engine_class
from vsanimesr.engines.base import Frame
from vsanimesr.errors import EngineError, MissingDependencyError

from ..setups import setup_for
from .driving import SIZE, opened, psnr, received, run, step

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]
NO_GPU = not torch.cuda.is_available() and not torch.backends.mps.is_available()


def has_bf16() -> bool:
    try:
        with opened("torch", precision="bf16"):
            return True
    except EngineError:
        return False


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_any_number_of_threads_gives_the_same_bits(precision: str) -> None:
    if precision == "bf16" and not has_bf16():
        pytest.skip("this machine does not compute in bf16")
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(run("torch", precision=precision))

    assert np.array_equal(results[0], results[1])


def test_the_picture_goes_around_bf16() -> None:
    """A first frame is as close to fp32 as bfloat16 inside the network allows; rounding the picture would cost 4 dB."""
    if not has_bf16():
        pytest.skip("this machine does not compute in bf16")
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    red, green, blue = (0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.09]]] * x + 0.1 * y)).astype(np.float32)
    still = Frame(0, (red, green, blue))
    results = []
    for precision in ("fp32", "bf16"):
        with opened("torch", precision=precision) as engine:
            results.append(received(engine.submit(still, still, still, output=True)))

    assert psnr(*results) >= 65


@pytest.mark.skipif(not NO_GPU, reason="a GPU has its own")
def test_bf16_is_what_auto_means_where_the_processor_has_it() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("no /proc/cpuinfo on this system")
    expected = "bf16" if set(flags.read_text().split()) & {"avx512_bf16", "amx_bf16"} else "fp32"

    assert engine_class("torch").availability().what == f"cpu (auto: {expected})"
    assert np.array_equal(run("torch", precision="auto", steps=2), run("torch", precision=expected, steps=2))


@pytest.mark.skipif(not NO_GPU, reason="on a GPU another compiler is needed than here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_inductor_gives_the_same_picture_on_any_thread() -> None:
    expected = run("torch")

    with opened("torch", "compile=inductor") as engine:
        for _ in range(2):
            found = []
            for n in range(4):
                with ThreadPoolExecutor(1) as elsewhere:
                    ticket = elsewhere.submit(step, engine, n).result()
                found.append(received(ticket))
            assert min(map(psnr, found, expected)) >= 100
            engine.reset()


@pytest.mark.skipif(find_spec("torch_tensorrt") is not None, reason="torch_tensorrt is installed")
def test_torch_tensorrt_that_is_not_installed() -> None:
    with pytest.raises(MissingDependencyError, match=r"compile='tensorrt'.*pip install torch-tensorrt.*compile=no"):
        engine_class("torch")(setup_for("torch", *SIZE, options=("compile=tensorrt",)))


@pytest.mark.skipif(not NO_GPU, reason="it works with a GPU")
def test_torch_tensorrt_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsanimesr.engines import torch as module

    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with pytest.raises(EngineError, match=r"compile='tensorrt'.*NVIDIA GPU.*compile=no"):
        engine_class("torch")(setup_for("torch", *SIZE, options=("compile=tensorrt",)))


def test_settings_of_the_process_are_put_back() -> None:
    with opened("torch", "graphs=no") as engine:
        torch.backends.cudnn.benchmark = True
        try:
            received(step(engine, 0))
            assert torch.backends.cudnn.benchmark
            assert torch.backends.cudnn.allow_tf32
            assert not torch.is_inference_mode_enabled()
        finally:
            torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=gpu), pytest.param("fp16", marks=gpu)])
def test_cuda_graphs_change_nothing(precision: str) -> None:
    replayed, launched = (run("torch", f"graphs={graphs}", precision=precision) for graphs in ("yes", "no"))

    assert np.array_equal(replayed, launched)


@pytest.mark.parametrize("precision", [pytest.param("fp16", marks=gpu), pytest.param("bf16", marks=gpu)])
def test_16_bits_on_a_gpu_are_close_to_fp32(precision: str) -> None:
    worst = min(map(psnr, run("torch", precision=precision), run("torch")))

    assert worst >= {"fp16": 70, "bf16": 50}[precision]

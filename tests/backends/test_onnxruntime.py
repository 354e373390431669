"""The backend `onnxruntime`: its providers, and that telemetry is off."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.studies.psnr import compute_psnr
from tests.backends.runner import (
    SIZE,
    assert_restored,
    import_onnxruntime_or_skip,
    make_frame,
    make_setup,
    run_steps,
)
from vsanimesr.backends import backend_class
from vsanimesr.backends.base import Setup
from vsanimesr.backends.onnxruntime import BFLOAT16, PROVIDERS, _copy_from_host, _copy_to_host
from vsanimesr.errors import BackendError

ort = import_onnxruntime_or_skip()


def setup(provider: str, precision: str = "auto") -> Setup:
    return make_setup("onnxruntime", *SIZE, precision=precision, options=(f"provider={provider}",))


@pytest.fixture
def cuda_without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with onnxruntime-gpu on a machine without CUDA: the provider is listed, and dropped without an error."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])


@pytest.fixture
def all_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [provider.name for provider in PROVIDERS.values()]
    monkeypatch.setattr(ort, "get_available_providers", lambda: names)


@pytest.mark.parametrize(
    ("provider", "package"), [("dml", "onnxruntime-directml"), ("migraphx", "onnxruntime-migraphx")]
)
def test_a_provider_that_is_not_installed(provider: str, package: str) -> None:
    with pytest.raises(
        BackendError, match=rf"provider='{provider}'.*it has .*cpu.*pip install {package} .*provider=auto"
    ):
        backend_class("onnxruntime")(setup(provider))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("cuda_without_libraries")
def test_a_provider_that_does_not_start() -> None:
    with pytest.raises(BackendError, match=r"provider='cuda'.*does not start on device=0.*provider=cpu"):
        backend_class("onnxruntime")(setup("cuda"))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("cuda_without_libraries")
def test_auto_tries_the_next_provider_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frames = run_steps("onnxruntime", "provider=auto", precision="auto")

    assert "provider='cuda'" in caplog.text
    assert "trying the next" in caplog.text
    assert np.array_equal(frames, run_steps("onnxruntime", "provider=cpu"))  # auto is fp32 there


@pytest.mark.usefixtures("cuda_without_libraries")
def test_availability_names_the_providers() -> None:
    assert backend_class("onnxruntime").availability().detail == "cuda, cpu (auto: cuda, fp16)"


@pytest.mark.usefixtures("all_providers")
def test_auto_tries_the_provider_that_times_kernels_last() -> None:
    assert backend_class("onnxruntime").availability().detail.endswith("cpu, tensorrt (auto: cuda, fp16)")


@pytest.mark.usefixtures("all_providers")
@pytest.mark.parametrize("provider", ["dml", "coreml", "cpu", "cuda"])
def test_bf16_is_refused_by_providers_that_do_not_compute_it(provider: str) -> None:
    with pytest.raises(BackendError, match=rf"precision='bf16'.*provider='{provider}'.*use .*'fp32'"):
        backend_class("onnxruntime")(setup(provider, "bf16"))


def test_any_number_of_threads_gives_the_same_bits() -> None:
    one, two = (run_steps("onnxruntime", "provider=cpu", f"threads={threads}") for threads in (1, 2))

    assert np.array_equal(one, two)


def test_no_step_writes_the_state_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, all of the state happens to be read before it is written. On a GPU that is not guaranteed."""
    addresses: dict[str, int] = {}
    run_step = ort.InferenceSession.run_with_iobinding

    def check(self: Any, binding: Any) -> None:
        source, target = addresses.pop("sr"), addresses.pop("sr_out")
        assert source != target
        run_step(self, binding)

    for direction in ("input", "output"):
        method = f"bind_ortvalue_{direction}"
        bind = getattr(ort.IOBinding, method)

        def note(self: Any, name: str, value: Any, bind: Any = bind) -> None:
            addresses[name] = value.data_ptr()
            bind(self, name, value)

        monkeypatch.setattr(ort.IOBinding, method, note)
    monkeypatch.setattr(ort.InferenceSession, "run_with_iobinding", check)

    run_steps("onnxruntime", "provider=cpu")


def test_fp16_is_close_to_fp32() -> None:
    half, full = (run_steps("onnxruntime", "provider=cpu", precision=precision) for precision in ("fp16", "fp32"))

    assert min(map(compute_psnr, half, full)) >= 70


def test_what_the_source_adds_to_fp16_is_float32() -> None:
    network, source = (
        run_steps("onnxruntime", "provider=cpu", precision="fp16", colour=colour) for colour in ("network", "source")
    )

    for n, (plain, restored) in enumerate(zip(network, source, strict=True)):
        assert_restored(restored, plain, make_frame(n))


def test_no_telemetry_file_is_written(tmp_path: Path) -> None:
    """With telemetry on, the import alone stores an identifier of the machine in the user's folder."""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    code = (
        "from vsanimesr.backends.onnxruntime import import_onnxruntime\n"
        "print(import_onnxruntime().get_available_providers())"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**inherited, **home}
    )

    assert "CPUExecutionProvider" in result.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_provider_error_becomes_a_backend_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    def fail(*_: Any, **__: Any) -> None:
        raise Fail("first line\nno luck")

    monkeypatch.setattr(ort, "InferenceSession", fail)
    with pytest.raises(BackendError, match="cannot be opened for 41x30 with provider='cpu': no luck"):
        backend_class("onnxruntime")(setup("cpu"))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])  # uint16 stands for bfloat16
def test_a_state_keeps_its_bits_on_the_way_to_the_host_and_back(dtype: type[np.generic]) -> None:
    bits = np.random.default_rng(0).integers(0, 2**16, (3, 4, 5 * np.dtype(dtype).itemsize // 2), np.uint16)
    state = bits.view(dtype)

    value = _copy_from_host(state)
    found = _copy_to_host(value)

    assert (value.element_type() == BFLOAT16) == (dtype is np.uint16)
    assert value.shape() == [1, 3, 4, 5]
    assert found.dtype == dtype
    assert found.tobytes() == bits.tobytes()

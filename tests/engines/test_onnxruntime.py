"""What is special about ONNX Runtime: its providers, and its telemetry."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsanimesr.engines import engine_class
from vsanimesr.engines.base import Setup
from vsanimesr.errors import EngineError

from ..setups import setup_for
from .driving import SIZE, psnr, run

module: Any = pytest.importorskip("vsanimesr.engines.onnxruntime")  # it must come before ONNX Runtime itself


def setup(provider: str, precision: str = "auto") -> Setup:
    return setup_for("onnxruntime", *SIZE, precision=precision, options=(f"provider={provider}",))


@pytest.fixture
def pretends_to_have_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where onnxruntime-gpu is installed and CUDA is not: it is offered, and dropped without an error."""
    monkeypatch.setattr(
        module.ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )


@pytest.mark.parametrize(
    ("provider", "package"), [("dml", "onnxruntime-directml"), ("migraphx", "onnxruntime-migraphx")]
)
def test_a_provider_that_is_not_there(provider: str, package: str) -> None:
    with pytest.raises(
        EngineError, match=rf"provider='{provider}'.*it has .*cpu.*pip install {package} .*provider=auto"
    ):
        engine_class("onnxruntime")(setup(provider))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("pretends_to_have_cuda")
def test_a_provider_that_does_not_start() -> None:
    with pytest.raises(EngineError, match=r"provider='cuda'.*does not start on device=0.*provider=cpu"):
        engine_class("onnxruntime")(setup("cuda"))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("pretends_to_have_cuda")
def test_auto_goes_on_to_a_provider_that_starts_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        automatic = run("onnxruntime", "provider=auto", precision="auto")

    assert "provider='cuda'" in caplog.text
    assert "trying the next" in caplog.text
    assert np.array_equal(automatic, run("onnxruntime", "provider=cpu"))  # fp32 there


@pytest.mark.usefixtures("pretends_to_have_cuda")
def test_availability_names_the_providers() -> None:
    assert engine_class("onnxruntime").availability().what == "cuda, cpu (auto: cuda, fp16)"


def test_auto_leaves_alone_what_times_its_kernels_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [known.name for known in module.PROVIDERS.values()]
    monkeypatch.setattr(module.ort, "get_available_providers", lambda: names)

    assert engine_class("onnxruntime").availability().what.endswith("cpu, tensorrt (auto: cuda, fp16)")


@pytest.mark.parametrize("provider", ["dml", "coreml", "cpu", "cuda"])
def test_bf16_is_refused_where_it_is_not_computed(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    names = [known.name for known in module.PROVIDERS.values()]
    monkeypatch.setattr(module.ort, "get_available_providers", lambda: names)

    with pytest.raises(EngineError, match=rf"precision='bf16'.*provider='{provider}'.*use .*'fp32'"):
        engine_class("onnxruntime")(setup(provider, "bf16"))


def test_any_number_of_threads_gives_the_same_bits() -> None:
    one, two = (run("onnxruntime", "provider=cpu", f"threads={threads}") for threads in (1, 2))

    assert np.array_equal(one, two)


def test_no_step_writes_the_state_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU happens to read it all before it writes; a GPU need not."""
    bound: dict[str, int] = {}
    run_step = module.ort.InferenceSession.run_with_iobinding

    def check(self: Any, binding: Any) -> None:
        inputs, outputs = bound.pop("sr"), bound.pop("sr_out")
        assert inputs != outputs
        run_step(self, binding)

    for direction in ("input", "output"):
        method = f"bind_ortvalue_{direction}"
        bind = getattr(module.ort.IOBinding, method)

        def noted(self: Any, name: str, value: Any, bind: Any = bind) -> None:
            bound[name] = value.data_ptr()
            bind(self, name, value)

        monkeypatch.setattr(module.ort.IOBinding, method, noted)
    monkeypatch.setattr(module.ort.InferenceSession, "run_with_iobinding", check)

    run("onnxruntime", "provider=cpu")


def test_fp16_is_close_to_fp32() -> None:
    ours, theirs = (run("onnxruntime", "provider=cpu", precision=precision) for precision in ("fp16", "fp32"))

    assert min(map(psnr, ours, theirs)) >= 70


def test_no_telemetry_is_set_up(tmp_path: Path) -> None:
    """It would store an identifier of the machine in the user's folder before the first line after the import."""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    code = "import vsanimesr.engines.onnxruntime as engine; print(engine.ort.get_available_providers())"

    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**kept, **home}
    )

    assert "CPUExecutionProvider" in result.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_provider_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise module.onnxruntime_pybind11_state.Fail("first line\nno luck")

    monkeypatch.setattr(module.ort, "InferenceSession", fail)
    with pytest.raises(EngineError, match="cannot be opened for 41x30 with provider='cpu': no luck"):
        engine_class("onnxruntime")(setup("cpu"))

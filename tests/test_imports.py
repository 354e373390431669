"""Importing is cheap: no heavy package is imported, and no telemetry."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "openvino", "onnx", "onnxruntime", "tensorrt", "tensorrt_rtx", "safetensors", "vapoursynth"}


def modules_after(code: str) -> set[str]:
    program = f"import sys, json\n{code}\njson.dump(sorted(sys.modules), sys.stdout)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return set(json.loads(output))


@pytest.mark.parametrize("module", ["vsanimesr", "vsanimesr.bridge", "vsanimesr.cli", "vsanimesr.network.graph"])
def test_imports_nothing_heavy(module: str) -> None:
    modules = modules_after(f"import {module}")

    assert module in modules
    assert not modules & HEAVY


def test_parsing_options_imports_nothing_heavy() -> None:
    code = """
from vsanimesr.backends import BACKENDS, parse_options
for name in BACKENDS:
    parse_options(name, ["graphs=no"] if name in ("torch", "tensorrt", "tensorrt_rtx") else [])
"""
    modules = modules_after(code)

    for module in ("openvino", "onnxruntime", "torch", "null", "gpu.tensorrt"):
        assert f"vsanimesr.backends.{module}" in modules
    assert not modules & HEAVY


def test_options_can_be_parsed_without_the_packages() -> None:
    code = f"""
for name in {sorted(HEAVY | {"cuda"})}:
    sys.modules[name] = None
from vsanimesr.backends import BACKENDS, parse_options
for name in BACKENDS:
    parse_options(name, [])
for name in {sorted(HEAVY | {"cuda"})}:
    del sys.modules[name]
"""
    assert not modules_after(code) & HEAVY


def test_the_null_backend_imports_numpy_only() -> None:
    code = """
from vsanimesr import Options
from vsanimesr.session import Session
Session(Options(backend="null"), width=8, height=8).close()
"""
    assert not modules_after(code) & HEAVY


def test_openvino_is_imported_without_its_telemetry() -> None:
    modules = modules_after("from vsanimesr.backends.openvino import import_openvino; import_openvino()")

    assert "openvino" in modules
    assert not [name for name in modules if "telemetry" in name]


def test_the_public_names_exist() -> None:
    import vsanimesr

    for name in vsanimesr.__all__:
        assert getattr(vsanimesr, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        vsanimesr.nonsense  # noqa: B018

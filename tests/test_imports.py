"""Importing is cheap, and nothing heavy or talkative comes along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "openvino", "onnx", "onnxruntime", "tensorrt", "safetensors", "vapoursynth"}


def modules_after(code: str) -> set[str]:
    program = f"import sys, json\n{code}\njson.dump(sorted(sys.modules), sys.stdout)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return set(json.loads(output))


@pytest.mark.parametrize("module", ["vsanimesr", "vsanimesr.bridge", "vsanimesr.cli", "vsanimesr.graph"])
def test_imports_nothing_heavy(module: str) -> None:
    modules = modules_after(f"import {module}")

    assert module in modules
    assert not modules & HEAVY


def test_the_null_engine_needs_numpy_only() -> None:
    opened = """
from vsanimesr import Options
from vsanimesr.session import Session
Session(Options(engine="null"), width=8, height=8).close()
"""
    assert not modules_after(opened) & HEAVY


def test_openvino_comes_without_its_telemetry() -> None:
    modules = modules_after("import vsanimesr.engines.openvino")

    assert "openvino" in modules
    assert not [name for name in modules if "telemetry" in name]


def test_the_public_names_are_there() -> None:
    import vsanimesr

    for name in vsanimesr.__all__:
        assert getattr(vsanimesr, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        vsanimesr.nonsense  # noqa: B018

"""Engines by name. A module is imported when one of its engines is opened, never before."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import MissingDependencyError
from .base import Availability, Engine, Setup

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What drivers on Linux bring: NVIDIA's, Windows' for its Linux, AMD's."""


class Entry(NamedTuple):
    """Where an engine is defined, the package that it needs, and what to install to get that."""

    target: str
    package: str | None
    install: str


ENGINES = {
    "openvino": Entry("openvino:OpenVINOEngine", "openvino", "pip install vapoursynth-animesr"),
    "tensorrt_rtx": Entry(
        "tensorrt:TensorRTRTXEngine", "tensorrt_rtx", 'pip install "vapoursynth-animesr[tensorrt-rtx]"'
    ),
    "tensorrt": Entry(
        "tensorrt:TensorRTEngine",
        "tensorrt",
        'pip install "vapoursynth-animesr[tensorrt]", with the libraries of NVIDIA TensorRT 11',
    ),
    "onnxruntime": Entry(
        "onnxruntime:OnnxRuntimeEngine", "onnxruntime", 'pip install "vapoursynth-animesr[onnxruntime]"'
    ),
    "torch": Entry("torch:TorchEngine", "torch", 'pip install "vapoursynth-animesr[torch]"'),
    "null": Entry("null:NullEngine", None, ""),
}

AUTO = ("tensorrt", "tensorrt_rtx", "onnxruntime", "torch")
"""What `auto` tries, the fastest first; each is taken only if it finds a GPU."""

FALLBACK = "openvino"
"""What `auto` comes to where none of them does."""


def available() -> list[str]:
    """The engines whose packages are installed."""
    return [name for name, entry in ENGINES.items() if entry.package is None or find_spec(entry.package)]


def open_engine(name: str, setup: Setup) -> Engine:
    """Open an engine.

    Args:
        name: a key of `ENGINES`; `chosen` turns `auto` into one.

    Raises:
        MissingDependencyError: the engine's package is not installed.
        EngineError: the engine does not work here, or not with this precision or device.
        WeightsError: from `setup.read_weights`.
    """
    return engine_class(name)(setup)


def engine_class(name: str) -> type[Engine]:
    """The class of an engine, for whose module its package is imported.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    entry = ENGINES[name]
    if entry.package is not None and find_spec(entry.package) is None:
        raise MissingDependencyError(f"engine={name!r} needs the package {entry.package}; {entry.install}")
    module, _, attribute = entry.target.partition(":")
    found: type[Engine] = getattr(import_module(f".{module}", __name__), attribute)
    return found


def availability(name: str) -> Availability:
    """Whether an engine works on this machine, as far as can be told without opening it."""
    entry = ENGINES[name]
    try:
        return engine_class(name).availability()
    except MissingDependencyError:
        return Availability(False, f"the package {entry.package} is not installed", entry.install)
    except Exception as error:  # whatever a broken installation may raise
        return Availability(False, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", entry.install)


def chosen(name: str) -> str:
    """The engine that is meant: `auto` is the fastest that works here."""
    if name != "auto":
        return name
    installed = available() if _may_have_gpu() else []  # looking for a GPU in a package takes a second to import
    return next((engine for engine in AUTO if engine in installed and _runs_on_a_gpu(engine)), FALLBACK)


def _runs_on_a_gpu(name: str) -> bool:
    found = availability(name)
    return found.usable and found.gpu


def _may_have_gpu() -> bool:
    """Whether the system has a driver for a GPU that computes; where that is not easily told, yes."""
    return sys.platform != "linux" or any(Path(device).exists() for device in GPU_DEVICES)

"""Engines by name. A module is imported when one of its engines is opened, never before."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from ..errors import MissingDependencyError
from .base import Engine, Setup


class Entry(NamedTuple):
    """Where an engine is defined, the package that it needs, and what to install to get that."""

    target: str
    package: str | None
    install: str


ENGINES = {
    "openvino": Entry("openvino:OpenVINOEngine", "openvino", "pip install vapoursynth-animesr"),
    "onnxruntime": Entry(
        "onnxruntime:OnnxRuntimeEngine", "onnxruntime", 'pip install "vapoursynth-animesr[onnxruntime]"'
    ),
    "torch": Entry("torch:TorchEngine", "torch", 'pip install "vapoursynth-animesr[torch]"'),
    "null": Entry("null:NullEngine", None, ""),
}

AUTO = ("openvino",)
"""What `auto` tries, the fastest first."""


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


def chosen(name: str) -> str:
    """The engine that is meant: `auto` is the first in `AUTO` whose package is installed."""
    if name != "auto":
        return name
    installed = available()
    return next((candidate for candidate in AUTO if candidate in installed), AUTO[0])

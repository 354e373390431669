"""Engines by name. A module is imported when one of its engines is opened, never before."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from ..errors import MissingDependencyError
from ..graph import Weights
from .base import Engine


class Entry(NamedTuple):
    """Where an engine is defined, the package that it needs, and what to install to get that."""

    target: str
    package: str | None
    install: str


ENGINES = {
    "openvino": Entry("openvino:OpenVINOEngine", "openvino", "pip install vapoursynth-animesr"),
    "null": Entry("null:NullEngine", None, ""),
}

AUTO = ("openvino",)
"""What `auto` tries, the fastest first."""


def available() -> list[str]:
    """The engines whose packages are installed."""
    return [name for name, entry in ENGINES.items() if entry.package is None or find_spec(entry.package)]


def open_engine(
    name: str, *, load_weights: Callable[[], Weights], width: int, height: int, precision: str, device: int
) -> Engine:
    """Open an engine for frames of width x height.

    Args:
        name: a key of `ENGINES`, or `auto`.
        load_weights: called where the engine has a network.
        precision, device: as in `Options`.

    Raises:
        MissingDependencyError: the engine's package is not installed.
        EngineError: the engine does not work here, or not with this precision or device.
        WeightsError: from `load_weights`.
    """
    if name == "auto":
        name = next((candidate for candidate in AUTO if candidate in available()), AUTO[0])
    entry = ENGINES[name]
    if entry.package is not None and find_spec(entry.package) is None:
        raise MissingDependencyError(f"engine={name!r} needs the package {entry.package}; {entry.install}")
    module, _, attribute = entry.target.partition(":")
    engine: Callable[..., Engine] = getattr(import_module(f".{module}", __name__), attribute)
    return engine(load_weights=load_weights, width=width, height=height, precision=precision, device=device)

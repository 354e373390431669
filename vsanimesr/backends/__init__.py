"""Backends by name. A backend's module is imported on first use, and its package only when the backend runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import AnimeSRError, BackendError, MissingDependencyError, WeightsError
from .base import Availability, Backend, BackendOptions, Setup

_log = logging.getLogger(__name__)

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Device files of GPU drivers on Linux: NVIDIA, Windows' driver for WSL, AMD."""


class Entry(NamedTuple):
    """Where a backend is defined, and what it needs."""

    target: str
    """Module and class, as `module:Class`."""
    package: str | None
    """Name of the package to import, or None."""
    install: str
    """Command that installs the package."""


BACKENDS = {
    "openvino": Entry("openvino:OpenVINOBackend", "openvino", "pip install vapoursynth-animesr"),
    "tensorrt_rtx": Entry(
        "gpu.tensorrt:TensorRTRTXBackend", "tensorrt_rtx", 'pip install "vapoursynth-animesr[tensorrt-rtx]"'
    ),
    "tensorrt": Entry(
        "gpu.tensorrt:TensorRTBackend",
        "tensorrt",
        'pip install "vapoursynth-animesr[tensorrt]", which fetches 2 GB from NVIDIA\'s package index',
    ),
    "onnxruntime": Entry(
        "onnxruntime:OnnxRuntimeBackend", "onnxruntime", 'pip install "vapoursynth-animesr[onnxruntime]"'
    ),
    "torch": Entry("torch:TorchBackend", "torch", 'pip install "vapoursynth-animesr[torch]"'),
    "null": Entry("null:NullBackend", None, ""),
}

AUTO = ("tensorrt", "tensorrt_rtx", "onnxruntime", "torch")
"""Backends that `auto` tries, the fastest first, each only if it finds a GPU."""

FALLBACK = "openvino"
"""Backend of `auto` without a GPU, or if nothing can be opened on it."""


def installed_backends() -> list[str]:
    """Return the names of the backends whose packages are installed."""
    return [name for name, entry in BACKENDS.items() if _is_installed(entry)]


def open_backend(name: str, setup: Setup) -> Backend:
    """Open a backend.

    Args:
        name: a key of `BACKENDS`, not `auto` (see `open_first`).

    Raises:
        MissingDependencyError: the backend's package is not installed.
        BackendError: the backend does not work here, or not with this precision or device.
        WeightsError: from `setup.read_weights`.
    """
    _require_package(name)
    return backend_class(name)(setup)


def device_memory(name: str, device: int) -> int | None:
    """Return the bytes of memory of a backend's device, or None if that cannot be told.

    Raises:
        MissingDependencyError: the backend's package is not installed.
        BackendError: the device does not exist.
    """
    _require_package(name)
    return backend_class(name).memory(device)


def parse_options(name: str, texts: Sequence[str]) -> BackendOptions:
    """Read the options of a backend from texts such as `level=5`. The backend's package need not be installed.

    Raises:
        OptionError: as from `BackendOptions.parse`.
    """
    return backend_class(name).options_class.parse(name, texts)


def backend_class(name: str) -> type[Backend]:
    """Import the module of a backend and return its class. The backend's package need not be installed."""
    module, _, attribute = BACKENDS[name].target.partition(":")
    found: type[Backend] = getattr(import_module(f".{module}", __name__), attribute)
    return found


def availability(name: str) -> Availability:
    """Return whether a backend works on this machine, as far as that is known without opening it."""
    entry = BACKENDS[name]
    if not _is_installed(entry):
        return Availability(False, f"the package {entry.package} is not installed", entry.install)
    try:
        return backend_class(name).availability()
    except AnimeSRError as error:
        detail, _, remedy = str(error).partition("; ")
        return Availability(False, detail, remedy)
    except Exception as error:  # a broken installation may raise anything
        return Availability(False, f"{type(error).__name__}: {_first_line(error)}", entry.install)


def candidates(name: str, known: Mapping[str, Availability] | None = None) -> Iterator[str]:
    """Yield the backends to try, the first first: for `auto` those that find a GPU, the fastest first, and `openvino`.

    The log says why `auto` passes over an installed backend.

    Args:
        known: what `availability` returned for each backend; by default it is called.
    """
    if name != "auto":
        yield name
        return
    installed = installed_backends() if _may_have_gpu() else []  # importing a package to look for a GPU takes a second
    for backend in AUTO:
        if backend in installed:
            found = known[backend] if known else availability(backend)
            if found.usable and found.gpu:
                yield backend
            else:
                reason = f"it finds no GPU, only {found.detail}" if found.usable else found.detail
                _log.info("backend='auto' passes over %s: %s", backend, reason)
    yield FALLBACK


def open_first[T](name: str, open_one: Callable[[str], T]) -> tuple[str, T]:
    """Open a backend; for `auto`, the fastest that can be opened. The log says why it goes on without a faster one.

    Args:
        name: a key of `BACKENDS`, or `auto`.
        open_one: opens the backend with a name.

    Returns:
        The name of the backend, and what `open_one` returned.

    Raises:
        BackendError: `auto` can open none. The message says why for each.
        Exception: from `open_one` for the backend with this name, or because the weights cannot be read.
    """
    if name != "auto":
        return name, open_one(name)
    reasons: dict[str, str] = {}
    for backend in candidates(name):
        try:
            return backend, open_one(backend)
        except WeightsError:
            raise
        except Exception as error:  # of a runtime that has never run on this GPU: anything
            reasons[backend] = _first_line(error) or type(error).__name__
            last = error
        if backend != FALLBACK:
            _log.warning("backend='auto' goes on without %s: %s", backend, reasons[backend])
    raise BackendError(_nothing_opens(reasons)) from last


def _nothing_opens(reasons: Mapping[str, str]) -> str:
    """Return the error of `auto`, from the reasons why it could not open each backend that it tried."""
    if len(reasons) == 1:
        return f"backend='auto' finds no GPU that it can use, and {reasons[FALLBACK]}"
    tried = "; ".join(f"{backend}: {reason.replace('; ', ', ')}" for backend, reason in reasons.items())
    return f"backend='auto' can open none of its backends ({tried})"


def _is_installed(entry: Entry) -> bool:
    return entry.package is None or find_spec(entry.package) is not None


def _require_package(name: str) -> None:
    entry = BACKENDS[name]
    if not _is_installed(entry):
        raise MissingDependencyError(f"backend={name!r} needs the package {entry.package}; {entry.install}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _may_have_gpu() -> bool:
    """Return whether the system has a driver of a GPU. Other systems than Linux always count as having one."""
    return sys.platform != "linux" or any(Path(device).exists() for device in GPU_DEVICES)

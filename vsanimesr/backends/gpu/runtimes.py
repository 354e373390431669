"""The packages TensorRT and TensorRT-RTX: which versions can be used, and the GPUs that they run on."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...errors import BackendError, MissingDependencyError
from ...network.graph import GraphPrecision
from .. import BACKENDS
from .cuda import Gpu

OLDEST = {"tensorrt": (11, 0), "tensorrt_rtx": (1, 7)}
"""Oldest versions of the packages. TensorRT before 11 ignores the types in the graph; TensorRT-RTX before 1.7 lacks
functions that are called here."""

TURING = 75
"""Compute capability of the oldest GPUs that TensorRT 11 supports."""
OLDEST_GPU: dict[GraphPrecision, int] = {"fp32": TURING, "fp16": TURING, "bf16": 80, "int8": 80, "fp8": 89}
"""Compute capability of the oldest GPUs that compute in a precision: bf16 and int8 from Ampere on, fp8 from Ada on.
TensorRT-RTX computes a graph in int8 for Turing in fp16."""


def import_package(backend: str) -> Any:
    """Import the package of a backend.

    Raises:
        MissingDependencyError: the package or its libraries are not installed, or it is too old.
    """
    install = BACKENDS[backend].install
    try:
        package = import_module(backend)
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"backend={backend!r} needs the package {backend} with its libraries ({error}); {install}"
        ) from error
    found = str(package.__version__)
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST[backend]:
        needed = ".".join(map(str, OLDEST[backend]))
        raise MissingDependencyError(
            f"backend={backend!r} needs {backend} {needed} or newer, and {found} is installed; {install}"
        )
    return package


def supported_targets(precision: GraphPrecision) -> tuple[str, ...]:
    """Return the compute capabilities that TensorRT-RTX builds for in a precision: `("sm75", "sm80", ...)`."""
    known = import_package("tensorrt_rtx").ComputeCapability.__members__
    targets = sorted((name.lower() for name in known if name.startswith("SM")), key=_capability_number)
    return tuple(name for name in targets if _capability_number(name) >= OLDEST_GPU[precision])


def select_targets(texts: tuple[str, ...], precision: GraphPrecision) -> tuple[str, ...]:
    """Check targets and return them in order. Without `texts`, return all from Ampere on (see `shared_targets`).

    Raises:
        BackendError: a target does not exist, or does not compute in the precision.
    """
    supported = supported_targets(precision)
    for text in texts:
        if text in supported:
            continue
        if text in supported_targets("fp32"):
            raise BackendError(f"gpu={text!r} does not compute in precision={precision!r}; use 'fp16', or leave it out")
        raise BackendError(f"gpu={text!r} is not known to TensorRT-RTX; use {', '.join(supported)}")
    return tuple(name for name in supported if name in texts) or shared_targets("", precision)


def shared_targets(target: str, precision: GraphPrecision) -> tuple[str, ...]:
    """Return the compute capabilities that a GPU of one of them shares an engine with.

    Turing has an engine of its own. One with Turing has 22 MB instead of 6 at 640x480, and NVIDIA says that it may be
    slower on the others.
    """
    turing = f"sm{TURING}"
    return tuple(name for name in supported_targets(precision) if (name == turing) == (target == turing))


def refusal(backend: str, gpu: Gpu, precision: GraphPrecision = "fp32") -> str:
    """Return why a package does not run on a GPU in a precision, and what does, or "" if it runs.

    Raises:
        MissingDependencyError: from `import_package`.
    """
    if _runs(backend, gpu.target, precision):
        return ""
    card = f"{gpu.name} ({gpu.target})"
    if _runs(backend, gpu.target, "fp32"):
        return f"backend={backend!r} does not compute precision={precision!r} on {card}; use precision='fp16'"
    if backend == "tensorrt_rtx":
        known, other = ", ".join(supported_targets("fp32")), "tensorrt"
    else:
        known, other = f"sm{TURING} and newer", "torch"
    return f"backend={backend!r} does not run on {card}, only on {known}; use backend={other!r}, or backend='openvino'"


def _runs(backend: str, target: str, precision: GraphPrecision) -> bool:
    if backend == "tensorrt_rtx":
        return target in supported_targets(precision)
    return _capability_number(target) >= OLDEST_GPU[precision]


def _capability_number(target: str) -> int:
    return int(target.removeprefix("sm"))

"""Builds engines for TensorRT and TensorRT-RTX: one builder for two packages with one interface.

TensorRT-RTX builds in well under a second, needs no GPU, and puts every GPU that it supports into one engine, on Linux
as on Windows. TensorRT chooses kernels by timing them, so it builds on the GPU that will run them, for that GPU.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from ..cache import Key
from ..engine_options import TensorRTOptions, TensorRTRTXOptions
from ..errors import EngineError, MissingDependencyError
from ..graph import GraphPrecision, build_graph
from ..weights import WeightsFile
from . import ENGINES
from .keys import key_of_network
from .tensors import STATE, WINDOW, step_tensors

_log = logging.getLogger(__name__)

SMALLEST, USUAL, LARGEST = (1, 1), (640, 480), (1920, 1088)
"""Sizes that an engine for any size is built for: width and height of LR frames; it is fastest at the usual one."""

type Progress = Callable[[float, str], bool]
"""Told how much is done, from 0 to 1, and what is being done; returns whether to go on."""


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What to build. `targets` are compute capabilities such as `sm89`, of TensorRT-RTX; TensorRT takes the GPU."""

    engine: str
    """`tensorrt_rtx` or `tensorrt`."""
    size: tuple[int, int] | None
    """Width and height of LR frames, or None for any size."""
    precision: GraphPrecision
    targets: tuple[str, ...]
    options: TensorRTRTXOptions

    @property
    def described(self) -> str:
        """Size and precision, for people."""
        size = "any size" if self.size is None else "{}x{}".format(*self.size)
        return f"{size} in {self.precision}"


class BuildCancelled(Exception):  # noqa: N818 - nothing went wrong
    """`Progress` said not to go on."""


def resolve(precision: str) -> GraphPrecision:
    """What `auto` comes to: fp16, which GPUs compute fastest and which is nearer to fp32 than bf16.

    Raises:
        EngineError: TensorRT is not given the network in this precision.
    """
    if precision == "auto":
        return "fp16"
    if precision == "int8":
        raise EngineError("precision='int8' is not available with TensorRT; use 'fp16' or 'auto'")
    return cast(GraphPrecision, precision)


def package(engine: str) -> Any:
    """The package of an engine.

    Raises:
        MissingDependencyError: it is not installed, or its libraries are not.
    """
    try:
        return import_module(engine)
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"engine={engine!r} needs the package {engine} ({error}); {ENGINES[engine].install}"
        ) from error


def supported_targets(precision: GraphPrecision) -> tuple[str, ...]:
    """The compute capabilities that TensorRT-RTX builds for in a precision: `("sm75", "sm80", ...)`."""
    known = package("tensorrt_rtx").ComputeCapability.__members__
    found = sorted((name.lower() for name in known if name.startswith("SM")), key=_number)
    return tuple(name for name in found if not (precision == "bf16" and _number(name) < 80))


def targets_of(texts: tuple[str, ...], precision: GraphPrecision) -> tuple[str, ...]:
    """Checked targets, in order; none given means all.

    Raises:
        EngineError: there is no such target, or it does not compute in the precision.
    """
    supported = supported_targets(precision)
    for text in texts:
        if text in supported:
            continue
        if text in supported_targets("fp32"):
            raise EngineError(f"gpu={text!r} does not compute in precision={precision!r}; use 'fp16', or leave it out")
        raise EngineError(f"gpu={text!r} is not known to TensorRT-RTX; use {', '.join(supported)}")
    return tuple(name for name in supported if name in texts or not texts)


def key_of(request: BuildRequest, weights: WeightsFile, gpu: str = "") -> Key:
    """Everything that an engine depends on. `gpu` names the GPU and its driver, which is for TensorRT to depend on."""
    built_here = [gpu, sys.platform, platform.machine()] if request.engine == "tensorrt" else list(request.targets)
    settings = {name: value for name, value in vars(request.options).items() if name not in {"graphs", "shapes"}}
    library = package(request.engine).__version__
    return {
        **key_of_network(request.engine, library, weights, request.size, request.precision),
        "for": built_here,
        "settings": [f"{name}={value}" for name, value in settings.items()],
    }


def build(request: BuildRequest, weights: WeightsFile, progress: Progress = lambda *_: True) -> bytes:
    """Build an engine.

    Returns:
        What TensorRT deserialises: not code that anything else would run.

    Raises:
        BuildCancelled: `progress` said so.
        EngineError: the graph cannot be built with this package, or not for these targets.
        MissingDependencyError: from `package`.
        WeightsError: from `weights.load`.
    """
    trt = package(request.engine)
    log = make_logger(trt)
    builder = trt.Builder(log)
    network = parsed(trt, log, builder, request, weights)
    config = _configured(trt, builder, request, weights.shape().features)
    monitor = _make_monitor(trt, progress)
    config.progress_monitor = monitor
    built = builder.build_serialized_network(network, config)
    if monitor.cancelled:
        raise BuildCancelled
    if built is None:
        targets = f" for {', '.join(request.targets)}" if request.targets else ""
        raise EngineError(f"engine={request.engine!r} cannot be built for {request.described}{targets}: {log.last}")
    return bytes(built)


def parsed(trt: Any, log: Any, builder: Any, request: BuildRequest, weights: WeightsFile) -> Any:
    """The network as TensorRT reads it out of the graph: an `INetworkDefinition`, strongly typed."""
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(build_graph(weights.load(), request.size, request.precision).SerializeToString()):
        errors = "; ".join(parser.get_error(i).desc for i in range(parser.num_errors))
        raise EngineError(f"engine={request.engine!r} cannot read the graph: {errors}")
    return network


def make_logger(trt: Any) -> Any:
    """A logger that hands TensorRT's words to Python's logging rather than to stdout, and remembers its last error."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # the package has no types
        last = "it gave no reason"

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity.value <= trt.ILogger.Severity.ERROR.value:
                self.last = message.strip()
                _log.warning("%s: %s", trt.__name__, self.last)
            else:
                _log.debug("%s: %s", trt.__name__, message)

    return Logger()


def _configured(trt: Any, builder: Any, request: BuildRequest, features: int) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is fp32
    if isinstance(request.options, TensorRTOptions):
        _apply(trt, config, request.options)
    else:
        config.num_compute_capabilities = len(request.targets)
        for i, target in enumerate(request.targets):
            config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], i)
    if request.size is None:
        config.add_optimization_profile(_any_size(builder, request.precision, features))
    return config


def _apply(trt: Any, config: Any, options: TensorRTOptions) -> None:
    config.builder_optimization_level = options.level
    config.max_aux_streams = options.streams
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace << 20)
    if options.compatible in {"version", "both"}:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        config.set_flag(trt.BuilderFlag.EXCLUDE_LEAN_RUNTIME)  # code in a file that is kept would have to be trusted
    if options.compatible in {"hardware", "both"}:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def _any_size(builder: Any, precision: GraphPrecision, features: int) -> Any:
    profile = builder.create_optimization_profile()
    sizes = [step_tensors(*size, precision, features) for size in (SMALLEST, USUAL, LARGEST)]
    for name in (*WINDOW, *STATE):
        profile.set_shape(name, *(tensors[name].shape for tensors in sizes))
    return profile


def _make_monitor(trt: Any, progress: Progress) -> Any:
    """Turns TensorRT's phases, which lie within each other, into how much is done of the whole."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the package has no types
        cancelled = False

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases: dict[str, list[int]] = {}  # steps done and steps in all, outermost first
            self._done = 0.0

        def phase_start(self, name: str, _parent: str | None, steps: int) -> None:
            self._phases[name] = [0, max(steps, 1)]
            self._tell(name)

        def step_complete(self, name: str, step: int) -> bool:
            if name in self._phases:
                self._phases[name][0] = step + 1
            return self._tell(name)

        def phase_finish(self, name: str) -> None:
            self._phases.pop(name, None)

        def _tell(self, name: str) -> bool:
            done, share = 0.0, 1.0
            for steps_done, steps in self._phases.values():
                done += share * min(steps_done / steps, 1)
                share /= steps
            self._done = max(self._done, min(done, 1.0))  # phases that follow each other look like steps back
            self.cancelled = not progress(self._done, name) or self.cancelled
            return not self.cancelled

    return Monitor()


def _number(target: str) -> int:
    return int(target.removeprefix("sm"))

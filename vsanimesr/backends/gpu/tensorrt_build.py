"""Builds engines for TensorRT and TensorRT-RTX: one builder for two packages with one interface.

TensorRT-RTX builds in well under a second, needs no GPU, and builds one engine for every GPU that it supports, on Linux
and on Windows. TensorRT selects kernels by timing them, so it builds on the GPU that will run the engine, and for that
GPU only.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from ...cache import Key, network_key
from ...errors import BackendError
from ...network.colour import Colour
from ...network.graph import GraphPrecision, build_graph
from ...network.tensors import STATE, WINDOW, Tensor, step_tensors
from ...weights.load import WeightsFile
from ..base import BackendOptions, int8_ranges, whole_number
from .runtimes import import_package

_log = logging.getLogger(__name__)

SMALLEST, USUAL, LARGEST = (1, 1), (640, 480), (1920, 1088)
"""Size range of an engine for any size: width and height of LR frames. The engine is fastest at the usual size."""

type Progress = Callable[[float, str], bool]
"""Called with the share of the work that is done, 0 to 1, and the current phase. Returns whether to continue."""


@dataclass(frozen=True, kw_only=True)
class TensorRTRTXOptions(BackendOptions):
    """Options of `tensorrt_rtx`."""

    shapes: Literal["static", "dynamic"] = "static"
    """`static`: an engine for each frame size, the fastest; `dynamic`: one engine for all sizes."""

    graphs: Literal["yes", "no"] = "yes"
    """Whether steps are replayed as CUDA graphs."""


@dataclass(frozen=True, kw_only=True)
class TensorRTOptions(TensorRTRTXOptions):
    """Options of `tensorrt`: those of `tensorrt_rtx`, and more."""

    level: int = whole_number(3, maximum=5)
    """Optimisation level of the builder. Higher levels take longer and find faster kernels."""

    workspace: int = whole_number(0, maximum=1 << 20)
    """Memory in MiB that a kernel may use; 0 is all memory of the GPU."""

    streams: int = whole_number(0, maximum=16)
    """Number of additional streams that the engine may use."""

    compatible: Literal["no", "version", "hardware", "both"] = "no"
    """`version`: the engine also runs in later versions of TensorRT; `hardware`: on every GPU from Ampere on; `both`.
    Each makes it slower."""


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """Description of an engine to build."""

    backend: str
    """`tensorrt_rtx` or `tensorrt`."""
    size: tuple[int, int] | None
    """Width and height of LR frames, or None for any size."""
    precision: GraphPrecision
    colour: Colour
    targets: tuple[str, ...]
    """Compute capabilities such as `sm89`, for TensorRT-RTX. TensorRT has none: it builds for the GPU it runs on."""
    options: TensorRTRTXOptions

    @property
    def description(self) -> str:
        """Size and precision, for people."""
        size = "any size" if self.size is None else "{}x{}".format(*self.size)
        return f"{size} in {self.precision}"


class BuildCancelled(Exception):  # noqa: N818 - this is not an error
    """`Progress` returned false."""


def resolve_precision(precision: str) -> GraphPrecision:
    """Replace `auto` by fp16, which is fast on every GPU and closer to fp32 than bf16.

    It is never int8 or fp8: nobody has measured on a GPU how fast they are.
    """
    return "fp16" if precision == "auto" else cast(GraphPrecision, precision)


def engine_key(request: BuildRequest, weights: WeightsFile, gpu: str = "") -> Key:
    """Return the cache key of an engine: all that it depends on.

    Args:
        gpu: identity of the GPU and its driver. Only engines of TensorRT depend on it.
    """
    target = [gpu, sys.platform, platform.machine()] if request.backend == "tensorrt" else list(request.targets)
    settings = {name: value for name, value in vars(request.options).items() if name not in {"graphs", "shapes"}}
    library = import_package(request.backend).__version__
    return {
        **network_key(request.backend, library, weights, request.size, request.precision, request.colour),
        "for": target,
        "state": "HWC8, if the channels fill it",
        "settings": [f"{name}={value}" for name, value in settings.items()],
    }


def build(request: BuildRequest, weights: WeightsFile, progress: Progress = lambda *_: True) -> bytes:
    """Build an engine.

    Returns:
        Data that TensorRT can load. It contains no code for the CPU.

    Raises:
        BuildCancelled: `progress` returned false.
        BackendError: this package cannot build the graph, or not for these targets.
        MissingDependencyError: from `import_package`.
        WeightsError: from `weights.load`.
    """
    trt = import_package(request.backend)
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = parse_network(trt, logger, builder, request, weights)
    config = _make_config(trt, builder, request, weights.shape().features)
    monitor = _make_monitor(trt, progress)
    config.progress_monitor = monitor
    data = builder.build_serialized_network(network, config)
    if monitor.cancelled:
        raise BuildCancelled
    if data is None:
        targets = f" for {', '.join(request.targets)}" if request.targets else ""
        raise BackendError(
            f"backend={request.backend!r} cannot build an engine for {request.description}{targets}: {logger.last}"
        )
    return bytes(data)


def parse_network(trt: Any, logger: Any, builder: Any, request: BuildRequest, weights: WeightsFile) -> Any:
    """Parse the graph with TensorRT and return a strongly typed `INetworkDefinition`."""
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    ranges = int8_ranges(request.precision, weights)
    graph = build_graph(weights.load(), request.size, request.precision, ranges, request.colour, symmetric=True)
    if not parser.parse(graph.SerializeToString()):
        errors = "; ".join(_describe(parser.get_error(i), graph) for i in range(parser.num_errors))
        raise BackendError(f"backend={request.backend!r} cannot read the graph: {errors}")
    tensors = engine_tensors(1, 1, request.precision, weights.shape().features)
    for get, count in ((network.get_input, network.num_inputs), (network.get_output, network.num_outputs)):
        for tensor in (get(i) for i in range(count)):
            if tensors[tensor.name].channels_last:
                tensor.allowed_formats = 1 << int(trt.TensorFormat.HWC8)
    return network


def engine_tensors(width: int, height: int, precision: GraphPrecision, features: int) -> dict[str, Tensor]:
    """Return the inputs and outputs of an engine by name, for LR frames of a size.

    The state has the layout of the convolutions where the channels fill it (HWC8), so that no kernel changes layouts.
    """
    hwc8 = precision != "fp32" and features % 8 == 0
    return step_tensors(width, height, precision, features, channels_last=hwc8)


def _describe(error: Any, graph: Any) -> str:
    """Return the node that a parser refuses, and why. The nodes of our graphs have no names, but their outputs have."""
    nodes, number = graph.graph.node, error.node()
    if not 0 <= number < len(nodes):
        return str(error.desc())
    return f"{nodes[number].op_type} ({nodes[number].output[0]}): {error.desc()}"


def make_logger(trt: Any) -> Any:
    """Return a logger that passes TensorRT's messages to Python's logging, not to stdout, and keeps the last error."""

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


def _make_config(trt: Any, builder: Any, request: BuildRequest, features: int) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # compute fp32 in fp32
    if isinstance(request.options, TensorRTOptions):
        _apply_options(trt, config, request.options)
    else:
        config.num_compute_capabilities = len(request.targets)
        for i, target in enumerate(request.targets):
            config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], i)
        # Without it, TensorRT-RTX may allocate memory during a step, which a CUDA graph cannot hold.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if request.size is None:
        # An execution context then takes the memory of the clip's size, not of the largest.
        config.set_preview_feature(trt.PreviewFeature.RUNTIME_ACTIVATION_RESIZE_10_10, True)
        config.add_optimization_profile(_make_profile(builder, request.precision, features))
    return config


def _apply_options(trt: Any, config: Any, options: TensorRTOptions) -> None:
    config.builder_optimization_level = options.level
    config.max_aux_streams = options.streams
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for `animesr build --report`; it costs no time
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace << 20)
    if options.compatible in {"version", "both"}:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        config.set_flag(trt.BuilderFlag.EXCLUDE_LEAN_RUNTIME)  # with CPU code in it, the file would need to be trusted
    if options.compatible in {"hardware", "both"}:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def _make_profile(builder: Any, precision: GraphPrecision, features: int) -> Any:
    """Return an optimisation profile for any size."""
    profile = builder.create_optimization_profile()
    sizes = [step_tensors(*size, precision, features) for size in (SMALLEST, USUAL, LARGEST)]
    for name in (*WINDOW, *STATE):
        profile.set_shape(name, *(tensors[name].shape for tensors in sizes))
    return profile


def _make_monitor(trt: Any, progress: Progress) -> Any:
    """Return a monitor that turns TensorRT's nested phases into the share of the work that is done."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the package has no types
        cancelled = False

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases: dict[str, list[int]] = {}  # steps done and steps in total, outermost phase first
            self._share = 0.0

        def phase_start(self, name: str, _parent: str | None, steps: int) -> None:
            self._phases[name] = [0, max(steps, 1)]
            self._report(name)

        def step_complete(self, name: str, step: int) -> bool:
            if name in self._phases:
                self._phases[name][0] = step + 1
            return self._report(name)

        def phase_finish(self, name: str) -> None:
            self._phases.pop(name, None)

        def _report(self, name: str) -> bool:
            share, weight = 0.0, 1.0
            for steps_done, steps in self._phases.values():
                share += weight * min(steps_done / steps, 1)
                weight /= steps
            self._share = max(self._share, min(share, 1.0))  # never go back when one phase follows another
            self.cancelled = not progress(self._share, name) or self.cancelled
            return not self.cancelled

    return Monitor()

"""Stand-in until the real one is joined: builds a TensorRT-RTX engine, with or without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from ..cache import Key
from ..engine_options import TensorRTOptions, TensorRTRTXOptions
from ..errors import EngineError
from ..graph import VERSION, GraphPrecision, build_graph
from ..weights import WeightsFile

type Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What an engine is built for."""

    engine: str
    size: tuple[int, int] | None
    """Width and height of the frames; None for any."""
    precision: GraphPrecision
    targets: tuple[str, ...]
    """Compute capabilities, for example `SM89`."""
    options: TensorRTOptions | TensorRTRTXOptions


def resolve(precision: str) -> GraphPrecision:
    """What `auto` comes to."""
    return "fp16" if precision == "auto" else cast(GraphPrecision, precision)


def key_of(request: BuildRequest, weights: WeightsFile) -> Key:
    """Everything that the engine depends on."""
    return {
        "engine": request.engine,
        "library": import_module(request.engine).__version__,
        "graph": VERSION,
        "weights": weights.digest,
        "size": "any" if request.size is None else "{}x{}".format(*request.size),
        "precision": request.precision,
        "targets": list(request.targets),
    }


def build(request: BuildRequest, weights: WeightsFile, progress: Progress) -> bytes:
    """The serialised engine."""
    trt: Any = import_module(request.engine)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    graph = build_graph(weights.load(), request.size, request.precision)
    if not parser.parse(graph.SerializeToString()):
        raise EngineError(f"engine={request.engine!r} cannot read the graph: {parser.get_error(0)}")
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(request.targets)
    for index, target in enumerate(request.targets):
        config.set_compute_capability(getattr(trt.ComputeCapability, target), index)
    config.clear_flag(trt.BuilderFlag.TF32)
    if request.size is None:
        profile = builder.create_optimization_profile()
        for name, channels in (("prev", 3), ("cur", 3), ("next", 3), ("sr", 48), ("hidden", 64)):
            profile.set_shape(name, (1, channels, 32, 32), (1, channels, 480, 640), (1, channels, 1080, 1920))
        config.add_optimization_profile(profile)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise EngineError(f"engine={request.engine!r} cannot be built")
    return bytes(built)

"""The options of each engine: `core.animesr.Upscale(clip, engine="tensorrt", engine_options=["level=5"])`.

One class for each engine, one field for each option.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_type_hints

from .errors import OptionError


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """Of an engine that has none."""


@dataclass(frozen=True, kw_only=True)
class OpenVINOOptions:
    """Of `openvino`."""

    threads: int = 0
    """Threads to compute with; 0: one for each core. Fewer leave room for an encoder beside it."""


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeOptions:
    """Of `onnxruntime`."""

    provider: Literal["auto", "cuda", "migraphx", "dml", "coreml", "cpu", "tensorrt"] = "auto"
    """The execution provider; `auto`: the first of these that the installed onnxruntime has and that starts."""

    threads: int = 0
    """Threads of the provider `cpu`; 0: one for each core."""


@dataclass(frozen=True, kw_only=True)
class TorchOptions:
    """Of `torch`."""

    compile: Literal["no", "inductor", "tensorrt"] = "no"
    """How the network is compiled: not at all, by `torch.compile`, or by torch-tensorrt."""

    graphs: Literal["yes", "no"] = "yes"
    """Whether steps are replayed as CUDA graphs, on a GPU that has them."""


@dataclass(frozen=True, kw_only=True)
class TensorRTRTXOptions:
    """Of `tensorrt_rtx`."""

    shapes: Literal["static", "dynamic"] = "static"
    """`static`: an engine for each size of frames, the fastest; `dynamic`: one engine for all sizes."""

    graphs: Literal["yes", "no"] = "yes"
    """Whether steps are replayed as CUDA graphs."""


@dataclass(frozen=True, kw_only=True)
class TensorRTOptions(TensorRTRTXOptions):
    """Of `tensorrt`: those of `tensorrt_rtx`, and more."""

    level: int = 3
    """How long the builder looks for fast kernels, 0 to 5."""

    workspace: int = 0
    """Memory in MiB that the builder may give to a kernel; 0: all that the GPU has."""

    streams: int = 0
    """Streams besides the main one that the engine may use."""

    compatible: Literal["no", "version", "hardware", "both"] = "no"
    """`version`: the engine also runs in later versions of TensorRT; `hardware`: on every GPU from Ampere on; `both`.
    Each makes it slower."""


type EngineOptions = NoOptions | OpenVINOOptions | OnnxRuntimeOptions | TorchOptions | TensorRTRTXOptions

# The engines, each with the class of its options. `engines` knows their modules.
CLASSES: dict[str, type[EngineOptions]] = {
    "openvino": OpenVINOOptions,
    "tensorrt_rtx": TensorRTRTXOptions,
    "tensorrt": TensorRTOptions,
    "onnxruntime": OnnxRuntimeOptions,
    "torch": TorchOptions,
    "null": NoOptions,
}

LIMITS = {"threads": 1024, "level": 5, "workspace": 1 << 20, "streams": 16}
"""The most of each option that is a number; the least is 0."""


def parse(engine: str, given: Sequence[str]) -> EngineOptions:
    """The options of an engine, from texts such as `level=5`.

    Raises:
        OptionError: a text is not `name=value`, the engine has no such option, it is given twice, or has no such value.
    """
    made = CLASSES[engine]
    types = get_type_hints(made)
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"engine_options has {text!r}; write name=value")
        if name not in types:
            raise OptionError(f"engine_options has {name!r}, which engine={engine!r} does not know; {_known(types)}")
        if name in values:
            raise OptionError(f"engine_options has {name!r} twice; give it once")
        values[name] = _number(name, value) if types[name] is int else _one_of(name, value, get_args(types[name]))
    return made(**values)


def _known(names: Collection[str]) -> str:
    return f"it knows {', '.join(names)}" if names else "it has no options"


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9 or int(value) > LIMITS[name]:
        raise OptionError(f"engine_options has {name}={value!r}; use a whole number from 0 to {LIMITS[name]}")
    return int(value)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value in allowed:
        return value
    close = get_close_matches(value, allowed, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise OptionError(f"engine_options has {name}={value!r}; use {', '.join(allowed)}{hint}")

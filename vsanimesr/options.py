"""The single definition of the arguments of `core.animesr.Upscale`: names, defaults, limits and descriptions.

Tests compare the plugin's signature and the table in docs/usage.md with it. The native plugin passes the user's values
as text and gets the checked values back, so it has no defaults or limits of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from .backends import BACKENDS, parse_options
from .errors import OptionError, suggestion
from .weights.release import MODEL_NAMES

type Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
type Seek = Literal["exact", "preview"]

BACKEND_NAMES = ("auto", *BACKENDS)

MAX_NUMBER = 1000  # of device, preroll and warmup
LAST_FRAME = 2**31 - 2  # the length of a clip is a 32-bit number


@dataclass(frozen=True, kw_only=True)
class Options:
    """Arguments of `Upscale` besides the clip.

    Raises:
        OptionError: a value is not one that the description of the field allows.
    """

    model: str = "v2"
    """Weights: `v2` (more natural, better backgrounds), `v1` (the paper's), or the path of a `.pth` or `.safetensors`
    file with weights that you trained, of any width and depth."""

    backend: str = "auto"
    """Runtime for the network: `openvino` (CPU), `tensorrt_rtx` or `tensorrt` (NVIDIA GPUs), `onnxruntime` (any device
    with an execution provider), `torch` (GPUs and CPU), `null` (no network, nearest neighbour, to test a script), or
    `auto`: the fastest one that works on this machine."""

    precision: Precision = "auto"
    """Precision of the network: `fp32`, `bf16`, `fp16`, or `auto`, the fastest of them that the hardware supports: fp16
    on a GPU, bf16 on a CPU with bf16 instructions, else fp32. `int8` is faster but less exact; it is for the released
    weights with `openvino`."""

    device: int = 0
    """Number of the device, for backends with several devices."""

    backend_options: tuple[str, ...] = ()
    """Options of the chosen backend, each as `name=value`. The class `BackendOptions` of each backend defines them."""

    scene_change: str | tuple[int, ...] = "props"
    """Frames where the recurrence restarts: `props` (frames whose `_SceneChangePrev` is 1), `none` (only frame 0, as in
    the official release), or a list of frame numbers."""

    preroll: int = 2
    """Number of extra steps on the first frame of a scene, before the first output. They warm up the recurrent state.
    The official release has 0."""

    seek: Seek = "exact"
    """Start of the recurrence after a jump: `exact` starts at the scene's first frame; `preview` starts `warmup` frames
    before the requested one, and sets the frame property `AnimeSRApproximate` on frames that are not exact."""

    warmup: int = 8
    """Number of frames before the requested one that run after a jump, with `seek="preview"`."""

    format: int | None = None
    """Video format of the output, for example `vs.YUV420P10`; by default that of the clip."""

    def __post_init__(self) -> None:
        _require_one_of("backend", self.backend, BACKEND_NAMES)
        _require_one_of("precision", self.precision, get_args(Precision.__value__))
        _require_one_of("seek", self.seek, get_args(Seek.__value__))
        if not self.model:
            raise OptionError(f'model="" is empty; use {_join(MODEL_NAMES)} or the path of a weights file')
        if self.backend != "auto":
            parse_options(self.backend, self.backend_options)
        elif self.backend_options:
            raise OptionError("backend_options needs backend=... too, because each backend has its own options")
        for name in ("device", "preroll", "warmup"):
            value = getattr(self, name)
            if value < 0:
                raise OptionError(f"{name}={value} is negative; use 0 or more")
            if value > MAX_NUMBER:
                raise OptionError(f"{name}={value} is too large; use at most {MAX_NUMBER}")
        if isinstance(self.scene_change, str):
            _require_one_of("scene_change", self.scene_change, ("props", "none"), "or a list of frame numbers")
            return
        for frame in self.scene_change:
            if not 0 <= frame <= LAST_FRAME:
                raise OptionError(f"scene_change has frame {frame}; frame numbers start at 0 and end at {LAST_FRAME}")

    @classmethod
    def from_text(cls, arguments: Mapping[str, Sequence[str]]) -> Self:
        """Read the arguments that the native plugin passes: for each name, its values as text."""
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, object] = {}
        for name, texts in arguments.items():
            if name not in known:
                raise OptionError(f"{name} is not an argument; use {_join(sorted(known))}")
            if name == "scene_change":
                values[name] = _parse_scene_change(texts)
            elif name == "backend_options":
                values[name] = tuple(texts)
            elif name in {"device", "preroll", "warmup", "format"}:
                values[name] = _parse_integer(name, texts[0])
            else:
                values[name] = texts[0]
        return cls(**values)  # type: ignore[arg-type]  # checked by __post_init__


def _parse_scene_change(texts: Sequence[str]) -> str | tuple[int, ...]:
    if len(texts) == 1 and not texts[0].lstrip("-").isdecimal():
        return texts[0]
    return tuple(sorted({_parse_integer("scene_change", text) for text in texts}))


def _parse_integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise OptionError(f"{name}={text!r} is not a whole number") from None


def _require_one_of(name: str, value: str, allowed: Sequence[str], otherwise: str = "") -> None:
    if value in allowed:
        return
    values = " ".join(filter(None, (_join(allowed), otherwise)))
    hints = filter(None, (f"use {values}", suggestion(value, allowed)))
    raise OptionError(f"{name}={value!r} is unknown; {'; '.join(hints)}")


def _join(names: Sequence[str]) -> str:
    """Return `'a', 'b' or 'c'`."""
    quoted = [f"{name!r}" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]

"""The single description of every argument of `core.animesr.Upscale`.

The plugin's signature, the table in the README and the help of the command line say what stands here; tests compare
them. The native side passes on what the user gave, as text, and reads the checked values back: defaults and limits
live in this file alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, Self, get_args

from .engine_options import CLASSES, parse
from .errors import OptionError

type Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
type Seek = Literal["exact", "preview"]

ENGINE_NAMES = ("auto", *CLASSES)
MODEL_NAMES = ("v1", "v2")

MOST = 1000  # of anything that is counted here
LAST_FRAME = 2**31 - 2  # a clip's length is a 32-bit number


@dataclass(frozen=True, kw_only=True)
class Options:
    """Arguments of `Upscale` besides the clip.

    Raises:
        OptionError: a value is outside what the field's text allows.
    """

    model: str = "v2"
    """Weights: `v2` (more natural, the better background), `v1` (the paper's), or the path of a `.pth` or
    `.safetensors` file of one that you trained, of any width and depth."""

    engine: str = "auto"
    """What runs the network: `openvino` (CPU), `tensorrt_rtx` or `tensorrt` (NVIDIA's GPUs), `onnxruntime` (whatever it
    has an execution provider for), `torch` (GPUs and CPU), `null` (nearest neighbour, for trying a script), or `auto`,
    the fastest that works here."""

    precision: Precision = "auto"
    """`fp32`, `bf16`, `fp16`, or `auto`, the fastest of them that the engine computes in hardware: fp16 on a GPU, bf16
    on a CPU that has it, else fp32. `int8` is faster still and less exact, for the released weights with `openvino`."""

    device: int = 0
    """Number of the device, for engines that have more than one."""

    engine_options: tuple[str, ...] = ()
    """Options of the chosen engine, each as `name=value`; which there are is told below."""

    scene_change: str | tuple[int, ...] = "props"
    """Where the recurrence starts anew: `props` (frames whose `_SceneChangePrev` is 1), `none` (only at frame 0, as
    the official release does), or a list of frame numbers."""

    preroll: int = 2
    """How often the first frame of a scene is run before it is put out, so that a scene does not start cold; 0 is what
    the official release does."""

    seek: Seek = "exact"
    """After a jump: `exact` runs from the start of the scene; `preview` runs from `warmup` frames before and marks what
    is approximate with the frame property `AnimeSRApproximate`."""

    warmup: int = 8
    """Frames run before the one asked for after a jump, with `seek="preview"`."""

    format: int | None = None
    """Video format of the result, for example `vs.YUV420P10`; the clip's own where it is not given."""

    def __post_init__(self) -> None:
        _require_one_of("engine", self.engine, ENGINE_NAMES)
        _require_one_of("precision", self.precision, get_args(Precision.__value__))
        _require_one_of("seek", self.seek, get_args(Seek.__value__))
        if not self.model:
            raise OptionError(f'model="" is empty; use {_listed(MODEL_NAMES)} or the path of a weights file')
        if self.engine != "auto":
            parse(self.engine, self.engine_options)
        elif self.engine_options:
            raise OptionError("engine_options needs engine= as well: each engine has its own options")
        for name in ("device", "preroll", "warmup"):
            value = getattr(self, name)
            if value < 0:
                raise OptionError(f"{name}={value} is negative; use 0 or more")
            if value > MOST:
                raise OptionError(f"{name}={value} is too large; use at most {MOST}")
        if isinstance(self.scene_change, str):
            _require_one_of("scene_change", self.scene_change, ("props", "none"), "or a list of frame numbers")
            return
        for frame in self.scene_change:
            if not 0 <= frame <= LAST_FRAME:
                raise OptionError(f"scene_change has frame {frame}; frame numbers start at 0 and end at {LAST_FRAME}")

    @classmethod
    def from_text(cls, given: Mapping[str, Sequence[str]]) -> Self:
        """Read the arguments as the native plugin passes them: for each given name, its values as text."""
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, object] = {}
        for name, texts in given.items():
            if name not in known:
                raise OptionError(f"{name} is not an argument; use {_listed(sorted(known))}")
            if name == "scene_change":
                values[name] = _scene_change(texts)
            elif name == "engine_options":
                values[name] = tuple(texts)
            elif name in {"device", "preroll", "warmup", "format"}:
                values[name] = _integer(name, texts[0])
            else:
                values[name] = texts[0]
        return cls(**values)  # type: ignore[arg-type]  # checked by __post_init__


def _scene_change(texts: Sequence[str]) -> str | tuple[int, ...]:
    if len(texts) == 1 and not texts[0].lstrip("-").isdecimal():
        return texts[0]
    return tuple(sorted({_integer("scene_change", text) for text in texts}))


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise OptionError(f"{name}={text!r} is not a whole number") from None


def _require_one_of(name: str, value: str, allowed: Sequence[str], otherwise: str = "") -> None:
    if value in allowed:
        return
    close = get_close_matches(value, allowed, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise OptionError(f"{name}={value!r} is unknown; use {' '.join(filter(None, (_listed(allowed), otherwise)))}{hint}")


def _listed(names: Sequence[str]) -> str:
    quoted = [f"{name!r}" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]

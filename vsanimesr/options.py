"""The single definition of the arguments of `core.animesr.Upscale`: names, defaults, limits and descriptions.

Tests compare the plugin's signature and the table in docs/usage.md with it. The native plugin passes the user's values
as text and gets the checked values back, so it has no defaults or limits of its own. The exceptions are `format`,
`width` and `height`: whether they fit depends on the clip, so native/target.cpp checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, get_args, get_type_hints

from .backends import BACKENDS, parse_options
from .errors import OptionError, suggestion
from .network.colour import Colour
from .network.graph import padded_size
from .scene_file import LAST_FRAME, read_scene_file
from .tiling import OVERLAP
from .weights.release import MODEL_NAMES

type Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"]
type Seek = Literal["exact", "preview"]
type Held = Literal["off", "skip"]
type Kernel = Literal["bilinear", "bicubic", "lanczos", "spline16", "spline36", "spline64", "point"]

BACKEND_NAMES = ("auto", *BACKENDS)

MAX_NUMBER = 1000  # of device, preroll, warmup and overlap
MAX_MIB = 1 << 30  # of memory
SCENE_PROPERTY = "_SceneChangePrev"
"""The frame property that detectors of scene changes write."""
SCENE_CHANGES = ("auto", "props", "none")
_PROPERTY_PREFIX = "props:"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Arguments of `Upscale` besides the clip.

    Raises:
        OptionError: a value is not one that the description of the field allows.
    """

    model: str = "v2"
    """Weights: `v2` (more natural, better backgrounds), `v1` (the paper's), another name of those that `animesr
    weights` lists, or the path of a `.pth` or `.safetensors` file with weights that you trained, of any width and
    depth."""

    backend: str = "auto"
    """Runtime for the network: `openvino` (CPU), `tensorrt_rtx` or `tensorrt` (NVIDIA GPUs), `onnxruntime` (any device
    with an execution provider), `torch` (GPUs and CPU), `null` (no network, nearest neighbour, to test a script), or
    `auto`: the fastest one that works on this machine."""

    precision: Precision = "auto"
    """Precision of the network: `fp32`, `bf16`, `fp16`, or `auto`, the fastest of them that the hardware supports: fp16
    on a GPU, bf16 on a CPU with bf16 instructions, else fp32. `int8` is less exact, and faster on some CPUs; it is for
    models with a name, with `openvino`. With `tensorrt` and `tensorrt_rtx` there are `int8` and `fp8` too, which were
    not measured on a GPU."""

    colour: Colour = "source"
    """Whose colours the result has: `source` gives it the colours of the clip, which the networks change, by adding
    the low frequencies that are missing; `network` leaves it as the network made it, as the official release does."""

    device: int = 0
    """Number of the device, for backends with several devices."""

    backend_options: tuple[str, ...] = ()
    """Options of the chosen backend, each as `name=value`. The class `BackendOptions` of each backend defines them."""

    scene_change: str | tuple[int, ...] = "auto"
    """Frames where the recurrence restarts: `auto` (frames whose `_SceneChangePrev` is 1, and cuts that are detected
    among frames without this property), `props` (that property only), `props:NAME` (another property), `none` (only
    frame 0, as in the official release), a list of frame numbers, or the path of a scene file (see `scene_file`)."""

    preroll: int = 4
    """Number of extra steps on the first frame of a scene, before the first output. They warm up the recurrent state.
    The official release has 0."""

    segment: tuple[int, ...] = (240, 8)
    """`[length, warmup]`: a scene of more than `length` frames is cut into segments of at most `length` frames, and the
    run of each begins `warmup` frames before it. So a jump runs at most `length` + `warmup` frames, and the pre-roll.
    `[0, 0]` cuts no scene, as in the official release."""

    held: Held = "off"
    """Frames that repeat the picture before them: `skip` repeats its result, so that the network runs on new pictures
    only; `off` runs it on every frame."""

    seek: Seek = "exact"
    """Start of the recurrence after a jump: `exact` starts at the scene's first frame; `preview` starts `warmup` frames
    before the requested one, and sets the frame property `AnimeSRApproximate` on frames that are not exact."""

    warmup: int = 8
    """Number of frames before the requested one that run after a jump, with `seek="preview"`."""

    cache: int | None = None
    """MiB of memory for SR frames and recurrent states that make later requests faster; by default a quarter of the
    memory that VapourSynth may use. It changes no frame."""

    tiles: str | tuple[int, ...] = ()
    """Size of the tiles in which a frame is run, `[width, height]` in pixels of the clip, so that a step takes the
    memory of a tile; or `auto`: as large as half of the device's memory allows. By default the whole frame is run at
    once."""

    overlap: int = OVERLAP
    """Pixels of the clip by which neighbouring tiles overlap at least. From 68 on, or 48 with `colour="network"`, the
    released networks give the frame that they give without tiles, up to the last bits."""

    format: int | None = None
    """Video format of the output, for example `vs.YUV420P10`; by default that of the clip."""

    width: int | None = None
    """Width of the output; by default four times that of the clip, or what keeps the shape with the given `height`."""

    height: int | None = None
    """Height of the output; by default four times that of the clip, or what keeps the shape with the given `width`."""

    kernel: Kernel = "bicubic"
    """Kernel of VapourSynth's `resize` that scales the SR frame to `width` and `height`, and its chroma to the output
    format."""

    square: int = 0
    """1: square pixels. The width follows from the height and the clip's `_SARNum` and `_SARDen`; output frames have
    1 and 1."""

    def __post_init__(self) -> None:
        _require_one_of("backend", self.backend, BACKEND_NAMES)
        _require_one_of("precision", self.precision, get_args(Precision.__value__))
        _require_one_of("colour", self.colour, get_args(Colour.__value__))
        _require_one_of("seek", self.seek, get_args(Seek.__value__))
        if not self.model:
            raise OptionError(f'model="" is empty; use {_join(MODEL_NAMES)} or the path of a weights file')
        if self.backend != "auto":
            parse_options(self.backend, self.backend_options)
        elif self.backend_options:
            raise OptionError("backend_options needs backend=... too, because each backend has its own options")
        _require_one_of("held", self.held, get_args(Held.__value__))
        _require_one_of("kernel", self.kernel, get_args(Kernel.__value__))
        if self.square not in (0, 1):
            raise OptionError(f"square={self.square} is unknown; use 1 for square pixels, else 0")
        for name, largest in (
            ("device", MAX_NUMBER),
            ("preroll", MAX_NUMBER),
            ("warmup", MAX_NUMBER),
            ("overlap", MAX_NUMBER),
            ("cache", MAX_MIB),
        ):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise OptionError(f"{name}={value} is negative; use 0 or more")
            if value is not None and value > largest:
                raise OptionError(f"{name}={value} is too large; use at most {largest}")
        self._check_segment()
        self._check_tiles()
        scene_property = self.scene_property
        if scene_property is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", scene_property):
            raise OptionError(
                f"scene_change={self.scene_change!r} names no frame property; use, for example, 'props:VFMSceneChange'"
            )
        for frame in self.anchors or ():
            if not 0 <= frame <= LAST_FRAME:
                raise OptionError(f"scene_change has frame {frame}; frame numbers start at 0 and end at {LAST_FRAME}")

    def _check_segment(self) -> None:
        if len(self.segment) != 2:
            raise OptionError(f"segment={list(self.segment)} has {len(self.segment)} numbers; use [length, warmup]")
        length, warmup = self.segment
        if length < 0 or warmup < 0:
            raise OptionError(f"segment={list(self.segment)} has a negative number; use 0 or more")
        if length > LAST_FRAME:
            raise OptionError(f"segment={list(self.segment)}: {length} is too large; use at most {LAST_FRAME}")
        if warmup >= length > 0 or warmup > length:
            raise OptionError(
                f"segment={list(self.segment)}: the warm-up of {warmup} frames is not shorter than the segment; use a "
                f"length of {warmup + 1} or more"
            )

    def _check_tiles(self) -> None:
        if isinstance(self.tiles, str):
            _require_one_of("tiles", self.tiles, ("auto",), "or [width, height]")
        elif len(self.tiles) not in {0, 2}:
            raise OptionError(f"tiles={list(self.tiles)} is not [width, height]; use two numbers, or 'auto'")
        elif any(padded_size(side) <= padded_size(self.overlap) for side in self.tiles):
            raise OptionError(
                f"tiles={list(self.tiles)} is not larger than overlap={self.overlap}, with both rounded up to a "
                "multiple of 4; use larger tiles, or a smaller overlap"
            )

    @property
    def detects_scenes(self) -> bool:
        """Whether cuts are detected among frames without `SCENE_PROPERTY`."""
        return self.scene_change == "auto"

    @property
    def scene_property(self) -> str | None:
        """The frame property that is 1 where a scene starts, or None if `anchors` has the frames."""
        if self.scene_change in {"auto", "props"}:
            return SCENE_PROPERTY
        if isinstance(self.scene_change, str) and self.scene_change.startswith(_PROPERTY_PREFIX):
            return self.scene_change.removeprefix(_PROPERTY_PREFIX)
        return None

    @cached_property
    def anchors(self) -> tuple[int, ...] | None:
        """The frames where scenes start, besides frame 0, or None if frame properties say so. A file is read once."""
        if not isinstance(self.scene_change, str):
            return tuple(sorted(set(self.scene_change)))
        if self.scene_property is not None:
            return None
        return () if self.scene_change == "none" else _read_scenes(self.scene_change)

    def check_length(self, frames: int) -> None:
        """Check that a clip of this many frames has all `anchors`.

        Raises:
            OptionError: it has not.
        """
        beyond = [frame for frame in self.anchors or () if frame >= frames]
        if beyond:
            where = f"={self.scene_change!r}" if isinstance(self.scene_change, str) else ""
            raise OptionError(
                f"scene_change{where} has frame {beyond[0]}, but the clip ends with frame {frames - 1}; use frame "
                "numbers of this clip, which start at 0"
            )

    @classmethod
    def from_text(cls, arguments: Mapping[str, Sequence[str]]) -> Self:
        """Read the arguments that the native plugin passes: for each name, its values as text."""
        types = get_type_hints(cls)
        values: dict[str, object] = {}
        for name, texts in arguments.items():
            if name not in types:
                raise OptionError(f"{name} is not an argument; use {_join(sorted(types))}")
            if name in {"scene_change", "tiles"}:
                values[name] = _parse_word_or_numbers(name, texts)
            elif name == "backend_options":
                values[name] = tuple(texts)
            elif types[name] in (int, int | None):
                values[name] = _parse_integer(name, texts[0])
            elif name == "segment":
                values[name] = tuple(_parse_integer(name, text) for text in texts)
            else:
                values[name] = texts[0]
        return cls(**values)  # type: ignore[arg-type]  # checked by __post_init__


def _parse_word_or_numbers(name: str, texts: Sequence[str]) -> str | tuple[int, ...]:
    if len(texts) == 1 and not texts[0].lstrip("-").isdecimal():
        return texts[0]
    return tuple(_parse_integer(name, text) for text in texts)


def _read_scenes(path: str) -> tuple[int, ...]:
    try:
        return read_scene_file(path)
    except OptionError as error:
        hints = filter(None, (str(error), suggestion(path, SCENE_CHANGES)))
        allowed = f"{', '.join(map(repr, SCENE_CHANGES))}, 'props:NAME' or a list of frame numbers"
        raise OptionError(f"scene_change={path!r} is not {allowed}, and no scene file: {'; '.join(hints)}") from None


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


def _join(names: Iterable[str]) -> str:
    """Return `'a', 'b' or 'c'`."""
    quoted = [f"{name!r}" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]

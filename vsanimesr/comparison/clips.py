"""Inputs: clips with a label, what is known of them, and their frames as RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..errors import OptionError, last_line

HD_LINES = 720
"""Lines from which on a clip without a matrix is taken as BT.709, as in Upscale."""
UNSPECIFIED = 2  # of _Matrix, _Transfer and _Primaries
HDR = frozenset({16, 18})  # PQ and HLG, of _Transfer


@dataclass(frozen=True)
class Clip:
    """An input of the page."""

    label: str
    path: Path
    frames: vs.VideoNode
    """As it was opened."""
    rgb: vs.VideoNode
    """The same with what conversion to RGB needs: a matrix, and no fields."""
    notes: tuple[str, ...]
    """What was assumed, and what is not shown."""

    @classmethod
    def of(cls, label: str, path: Path, frames: vs.VideoNode) -> Self:
        """Prepare a clip that was opened from `path`.

        Raises:
            OptionError: its size or format changes, or frame 0 cannot be read.
        """
        if frames.format is None or not frames.width or not frames.height:
            raise OptionError(f"{path} changes its size or format between frames; give a clip of one size")
        props = read_props(path, frames, 0)
        rgb, notes = frames, []
        if rgb.format.color_family == vs.RGB:
            rgb = rgb.std.SetFrameProps(_Matrix=vs.MATRIX_RGB)  # a script may have left that of its YUV
        elif props.get("_Matrix", UNSPECIFIED) == UNSPECIFIED:
            hd = rgb.height >= HD_LINES
            rgb = rgb.std.SetFrameProps(_Matrix=vs.MATRIX_BT709 if hd else vs.MATRIX_ST170_M)
            notes.append(f"has no matrix, and is taken as {'BT.709' if hd else 'BT.601'}")
        if props.get("_FieldBased", 0):
            notes.append("is interlaced, and shown as stored, with both fields")
        if props.get("_Transfer") in HDR:
            notes.append("is HDR, and shown without tone mapping")
        if props.get("AnimeSRApproximate"):
            notes.append('has frames that are not exact, from seek="preview"')
        return cls(label, path, frames, rgb.std.SetFieldBased(0), tuple(notes))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.frames.width, self.frames.height

    def to_rgb24(self, size: tuple[int, int] | None = None) -> vs.VideoNode:
        """Return the clip in RGB24, scaled by bicubic to `size` if it is another than its own.

        Values are rounded, not dithered, so that equal frames stay equal.
        """
        width, height = size or self.size
        return self.rgb.resize.Bicubic(width, height, format=vs.RGB24)


def read_frame(path: Path, frames: vs.VideoNode, n: int) -> vs.VideoFrame:
    """Return frame n of `frames`, which are made of the clip in `path`.

    Raises:
        OptionError: it cannot be read.
    """
    try:
        return frames.get_frame(n)
    except vs.Error as error:
        raise OptionError(f"{path}: frame {n} cannot be read ({last_line(error)})") from None


def read_props(path: Path, frames: vs.VideoNode, n: int) -> dict[str, Any]:
    """Return the properties of frame n. Errors are those of `read_frame`."""
    with read_frame(path, frames, n) as frame:
        return dict(frame.props)


def read_rgb(path: Path, frames: vs.VideoNode, n: int) -> NDArray[np.uint8]:
    """Return frame n of an RGB24 clip as (height, width, 3). Errors are those of `read_frame`."""
    with read_frame(path, frames, n) as frame:
        return np.dstack([np.asarray(plane) for plane in frame])


def describe(clip: Clip) -> list[tuple[str, str]]:
    """Return what is known of a clip, as names and values."""
    props = read_props(clip.path, clip.frames, 0)
    rows = [
        ("file", clip.path.name),
        ("size", f"{clip.frames.width}x{clip.frames.height}"),
        ("format", clip.frames.format.name),
        ("frames", str(len(clip.frames))),
        ("frames/s", f"{float(clip.frames.fps):.3f}".rstrip("0").rstrip(".") if clip.frames.fps else "variable"),
    ]
    for name, key, kind in (
        ("matrix", "_Matrix", vs.MatrixCoefficients),
        ("transfer", "_Transfer", vs.TransferCharacteristics),
        ("primaries", "_Primaries", vs.ColorPrimaries),
        ("range", "_Range", vs.Range),
    ):
        if props.get(key, UNSPECIFIED) != UNSPECIFIED:
            rows.append((name, _word(kind, props[key])))
    if "_SARNum" in props and "_SARDen" in props:
        rows.append(("sample aspect ratio", f"{props['_SARNum']}:{props['_SARDen']}"))
    rows += [(key, _text(value)) for key, value in sorted(props.items()) if key in MODEL_PROPS]
    return rows


MODEL_PROPS = ("AnimeSRModel", "AnimeSRBackend", "AnimeSRPrecision")
FRAME_PROPS = ("AnimeSRAnchor", "AnimeSRApproximate", "AnimeSRHeld", "_PictType", "_SceneChangePrev")
"""Properties that a frame has of its own, and that tell how it was made."""


def describe_frame(clip: Clip, n: int) -> list[tuple[str, str]]:
    """Return the properties of frame n that tell how it was made."""
    props = read_props(clip.path, clip.frames, n)
    return [(key.removeprefix("_"), _text(value)) for key, value in sorted(props.items()) if key in FRAME_PROPS]


def _word(kind: Any, value: int) -> str:
    """Return the name of a value, such as BT709, without what all names of its kind begin with."""
    try:
        word = str(kind(value).name).partition("_")[2]
        return word.replace("_", " ") if any(letter.isdigit() for letter in word) else word.lower()
    except ValueError:
        return str(value)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def check_lengths(clips: Sequence[Clip], frames: Sequence[int] | None) -> None:
    """Check that all clips have these frames; with None, that they have the same length.

    Raises:
        OptionError: they have not.
    """
    first = clips[0]
    for clip in clips:
        if frames is None and len(clip.frames) != len(first.frames):
            raise OptionError(
                f"{first.path} has {len(first.frames)} frames, and {clip.path} {len(clip.frames)}; give clips of the "
                "same frames, or choose frames that all of them have: --frames 10,20,300"
            )
        for n in frames or ():
            if n >= len(clip.frames):
                raise OptionError(
                    f"--frames has {n}, but {clip.path} ends with frame {len(clip.frames) - 1}; frames count from 0"
                )

"""Inputs: clips with a label, what is known of them, and their frames as RGB."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..errors import MissingDependencyError, OptionError

IMAGES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
HD_LINES = 720
"""Lines from which on a clip without a matrix is taken as BT.709, as in Upscale."""
HDR = frozenset({16, 18})  # PQ and HLG, of _Transfer


@dataclass(frozen=True)
class Clip:
    """An input of the page."""

    label: str
    path: Path
    frames: vs.VideoNode
    """As it was opened."""
    rgb: vs.VideoNode = field(init=False)
    """The frames with what conversion to RGB needs: a matrix, and no fields."""
    notes: tuple[str, ...] = field(init=False)
    """What was assumed, and what is not shown."""

    def __post_init__(self) -> None:
        if self.frames.format is None or not self.frames.width or not self.frames.height:
            raise OptionError(f"{self.path} changes its size or format between frames; give a clip of one size")
        props = self.props(0)
        rgb, notes = self.frames, []
        if rgb.format.color_family != vs.RGB and props.get("_Matrix", vs.MATRIX_UNSPECIFIED) == vs.MATRIX_UNSPECIFIED:
            name = "BT.709" if rgb.height >= HD_LINES else "BT.601"
            rgb = rgb.std.SetFrameProps(_Matrix=vs.MATRIX_BT709 if name == "BT.709" else vs.MATRIX_ST170_M)
            notes.append(f"has no matrix; taken as {name}")
        if props.get("_FieldBased", 0):
            notes.append("is interlaced; shown as stored, with both fields")
        if props.get("_Transfer") in HDR:
            notes.append("is HDR; shown without tone mapping, so too flat and too dark")
        if props.get("AnimeSRApproximate"):
            notes.append('has frames that are not exact, from seek="preview"')
        # A frame is shown as stored: no field is moved, no transfer or gamut is converted.
        object.__setattr__(self, "rgb", rgb.std.SetFieldBased(0))
        object.__setattr__(self, "notes", tuple(notes))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.frames.width, self.frames.height

    def props(self, n: int) -> dict[str, Any]:
        """Return the properties of frame n.

        Raises:
            OptionError: the frame cannot be read.
        """
        with read_frame(self, self.frames, n) as frame:
            return dict(frame.props)

    def to_rgb24(self, size: tuple[int, int] | None = None) -> vs.VideoNode:
        """Return the clip in RGB24, scaled by bicubic to `size` if it is another than its own.

        Values are rounded, not dithered, so that equal frames stay equal.
        """
        width, height = size or self.size
        return self.rgb.resize.Bicubic(width, height, format=vs.RGB24)


def read_frame(clip: Clip, frames: vs.VideoNode, n: int) -> vs.VideoFrame:
    """Return frame n of `frames`, which are made of the clip.

    Raises:
        OptionError: it cannot be read.
    """
    try:
        return frames.get_frame(n)
    except vs.Error as error:
        raise OptionError(f"{clip.path}: frame {n} cannot be read ({error})") from None


def read_rgb(clip: Clip, frames: vs.VideoNode, n: int) -> NDArray[np.uint8]:
    """Return frame n of `frames`, RGB24 that is made of the clip, as (height, width, 3). Errors are as above."""
    with read_frame(clip, frames, n) as frame:
        return np.dstack([np.asarray(plane) for plane in frame])


def describe(clip: Clip) -> list[tuple[str, str]]:
    """Return what is known of a clip, as names and values."""
    props = clip.props(0)
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
        if key in props:
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
    return [(key.removeprefix("_"), _text(value)) for key, value in clip.props(n).items() if key in FRAME_PROPS]


def _word(kind: Any, value: int) -> str:
    """Return the name of a value, without what all names of its kind begin with."""
    try:
        return str(kind(value).name).partition("_")[2].replace("_", " ")
    except ValueError:
        return str(value)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def open_images(path: Path) -> vs.VideoNode:
    """Open an image, or a folder of images in the order of their names, as an RGB24 clip.

    Raises:
        OptionError: there is no image, one cannot be read, or sizes differ.
        MissingDependencyError: Pillow is not installed.
    """
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGES) if path.is_dir() else [path]
    if not files:
        raise OptionError(f"{path} is a folder without images; put PNG or JPEG files into it, or give a video")
    height, width, _ = read_image(files[0]).shape
    blank = vs.core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=len(files), keep=True)

    def load(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        image = read_image(files[n])
        if image.shape[:2] != (height, width):
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise OptionError(f"{files[n]} is {found}, and {files[0].name} {width}x{height}; give images of one size")
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), image[:, :, plane])
        return frame

    return blank.std.ModifyFrame(blank, load)


def read_image(file: Path) -> NDArray[np.uint8]:
    """Read an image as R, G, B: (height, width, 3). Errors are as above."""
    pillow = require_package("PIL.Image", "pillow")
    try:
        with pillow.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # a damaged PNG is a SyntaxError
        raise OptionError(f"{file} cannot be read as an image ({error}); give a PNG or JPEG file") from None


def require_package(module: str, package: str) -> Any:
    """Import a module of the extra `compare`.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"animesr compare needs the package {package}, which is not installed; "
            'run: pip install "vapoursynth-animesr[compare]"'
        ) from error


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

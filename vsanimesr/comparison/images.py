"""Images as files: clips of them, and lossless images for the page. By Pillow."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..errors import OptionError
from ..files import is_hidden
from . import require_package

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_SIDE = 16383
"""Longest side of a WebP image, in pixels."""


def open_images(path: Path) -> vs.VideoNode:
    """Open an image, or a folder of images in the order of their names, as an RGB24 clip.

    Raises:
        OptionError: there is no image, one cannot be read, or sizes differ.
        MissingDependencyError: Pillow is not installed.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not is_hidden(file))
    if not files:
        raise OptionError(f"{path} is a folder without images; put PNG or JPEG files into it, or give a video")
    (width, height), *others = [_read_size(file) for file in files]
    for file, size in zip(files[1:], others, strict=True):
        if size != (width, height):
            raise OptionError(
                f"{file} is {size[0]}x{size[1]}, and {files[0].name} {width}x{height}; give images of one size"
            )
    blank = vs.core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=len(files), keep=True)

    def load(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        image = read_image(files[n])
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), image[:, :, plane])
        return frame

    return blank.std.ModifyFrame(blank, load)


def read_image(file: Path) -> NDArray[np.uint8]:
    """Read an image as R, G, B: (height, width, 3). Errors are as above."""
    with _open(file) as image:
        if image.mode.startswith("I;16"):  # 16 bits of grey, of which Pillow would show all above 255 as white
            return np.dstack([np.rint(np.asarray(image) / 257).astype(np.uint8)] * 3)
        if image.mode in ("I", "F"):
            raise ValueError("its samples have 32 bits")
        return np.asarray(image.convert("RGB"))


def _read_size(file: Path) -> tuple[int, int]:
    with _open(file) as image:
        width, height = image.size
        return width, height


def pillow() -> Any:
    """Import Pillow. Raises MissingDependencyError."""
    return require_package("PIL.Image", "pillow")


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    """Open an image that is decoded when it is used."""
    module = pillow()
    try:
        with module.open(file) as image:
            yield image
    except (OSError, ValueError, SyntaxError) as error:  # a damaged PNG is a SyntaxError
        raise OptionError(f"{file} cannot be read as an image ({error}); give a PNG or JPEG file") from None


def encode_image(pixels: NDArray[np.uint8]) -> bytes:
    """Return (height, width, 3) R, G, B as a lossless WebP file.

    It is 0.7 % larger than with the usual effort, and made in a third of the time.

    Raises:
        MissingDependencyError: Pillow is not installed.
    """
    file = io.BytesIO()
    pillow().fromarray(pixels).save(file, "WEBP", lossless=True, quality=20, method=2)
    return file.getvalue()


def data_uri(image: bytes) -> str:
    """Return a WebP file as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(image).decode()}"

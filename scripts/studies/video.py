"""Writes videos whose frames are the same each time, and clips of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_clip(folder: Path, pictures: Iterable[NDArray[np.uint8]]) -> None:
    """Write a clip as a folder of PNG, if it is missing: each picture is uint8 (height, width, 3)."""
    if folder.is_dir():
        return
    work = folder.with_name(f".{folder.name}")
    work.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(work / f"{number:08}.png", compress_level=1)
    work.rename(folder)


def write_video(
    file: Path | BinaryIO,
    frames: Iterable[av.VideoFrame],
    size: tuple[int, int],
    rate: Fraction,
    encoder: str,
    options: Mapping[str, str],
) -> None:
    """Encode frames as 4:2:0 in Matroska. One thread does it, so that the result does not depend on the machine.

    Args:
        size: width and height, in pixels.
        encoder: name of FFmpeg's encoder.
        options: of the encoder.
    """
    with av.open(str(file) if isinstance(file, Path) else file, "w", format="matroska") as container:
        stream = cast(av.VideoStream, container.add_stream(encoder, rate, options=dict(options)))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

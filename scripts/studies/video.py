"""Writes videos whose frames are the same each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av


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

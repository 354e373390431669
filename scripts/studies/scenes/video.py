"""Encodings of an episode."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from .episodes import HEIGHT, WIDTH, Picture

RATE = Fraction(24000, 1001)
ENCODINGS: dict[str, tuple[str, dict[str, str]]] = {
    "crf 18": ("libx264", {"crf": "18", "preset": "faster"}),
    "crf 24": ("libx264", {"crf": "24", "preset": "faster"}),
    "crf 30": ("libx264", {"crf": "30", "preset": "faster"}),
    "MPEG-2": ("mpeg2video", {"b": "5000000", "maxrate": "8000000", "bufsize": "1835008", "g": "15", "bf": "2"}),
}


def encode(pictures: Sequence[Picture], encoding: str, file: Path) -> None:
    """Write a video file."""
    codec, options = ENCODINGS[encoding]
    with av.open(str(file), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, RATE, options=options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def count_frames(file: Path) -> int:
    """Return the number of frames in a video file."""
    with av.open(str(file)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))

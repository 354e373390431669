"""Encodings of an episode."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from ..video import write_video
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
    frames = (av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in pictures)
    write_video(file, frames, (WIDTH, HEIGHT), RATE, *ENCODINGS[encoding])


def count_frames(file: Path) -> int:
    """Return the number of frames in a video file."""
    with av.open(str(file)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))

"""Five encodings of a clip: YUV 4:2:0 in, YUV 4:2:0 out."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from ..video import write_video
from .scenes import Picture

type Yuv = NDArray[np.uint8]
"""Planes of 4:2:0, one above the other as in I420: (height * 3 / 2, width)."""
type Frames = Sequence[Yuv] | NDArray[np.uint8]
"""Frames of a clip; as an array, (frames, height * 3 / 2, width)."""


@dataclass(frozen=True)
class Encoding:
    name: str
    codec: str
    options: tuple[tuple[str, str], ...]
    grain: float = 0
    """Standard deviation of the grain, in code values of luma."""


ENCODINGS = (
    *(
        Encoding(f"x264 crf {crf}", "libx264", (("crf", str(crf)), ("preset", "medium"), ("g", "120")))
        for crf in (18, 23, 28)
    ),
    Encoding("MPEG-2, 5.5 Mb/s", "mpeg2video", (("b", "5500000"), ("g", "15"), ("bf", "2"), ("maxrate", "8000000"))),
    Encoding("grain, x264 crf 18", "libx264", (("crf", "18"), ("preset", "medium"), ("g", "120")), grain=3),
)


def to_yuv(picture: Picture) -> Yuv:
    """Convert RGB to YUV 4:2:0 by BT.601, limited range, rounded once."""
    height, width, _ = picture.shape
    red, green, blue = np.moveaxis(picture, 2, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = [(blue - y) / 1.772, (red - y) / 1.402]
    halves = [plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) * (224 / 255) + 128 for plane in chroma]
    samples = np.concatenate([plane.ravel() for plane in (y * (219 / 255) + 16, *halves)])
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def split(yuv: Yuv) -> list[NDArray[np.uint8]]:
    """Return the three planes, as views."""
    rows, width = yuv.shape
    height = rows * 2 // 3
    blue, red = yuv[height:].reshape(2, height // 2, width // 2)
    return [yuv[:height], blue, red]


def to_rgb(yuv: Yuv) -> Picture:
    """Convert YUV 4:2:0 to RGB; chroma is repeated."""
    y, blue, red = (plane.astype(np.float32) for plane in split(yuv))
    y = (y - 16) * (255 / 219)
    b, r = ((plane - 128).repeat(2, 0).repeat(2, 1) * (255 / 224) for plane in (blue, red))
    return np.dstack([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b])


def add_grain(yuv: Yuv, deviation: float, n: int) -> Yuv:
    """Add grain of about two pixels to the luma: other grain in each frame."""
    rows, width = yuv.shape
    height = rows * 2 // 3
    noise = np.random.default_rng(n).normal(0, 1, (height + 1, width + 1)).astype(np.float32)
    soft = noise[1:, 1:] + noise[:-1, 1:] + noise[1:, :-1] + noise[:-1, :-1]
    luma = np.clip(np.rint(yuv[:height] + soft * (deviation / 2)), 0, 255).astype(np.uint8)
    return np.concatenate([luma, yuv[height:]])


def encode(frames: Frames, encoding: Encoding, rate: Fraction = Fraction(24000, 1001)) -> bytes:
    """Return a stream of the codec."""
    rows, width = frames[0].shape
    pictures = (
        add_grain(yuv, encoding.grain, n) if encoding.grain else np.ascontiguousarray(yuv)
        for n, yuv in enumerate(frames)
    )
    file = io.BytesIO()
    write_video(
        file,
        (av.VideoFrame.from_ndarray(picture, format="yuv420p") for picture in pictures),
        (width, rows * 2 // 3),
        rate,
        encoding.codec,
        dict(encoding.options),
    )
    return file.getvalue()


def decode(data: bytes) -> Iterator[Yuv]:
    """Yield the frames of a stream."""
    with av.open(io.BytesIO(data), "r") as file:
        file.streams.video[0].thread_count = 1
        for frame in file.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)

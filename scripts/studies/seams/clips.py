"""The clips of the study: one scene each, as LR that was encoded badly, and HQ where it exists.

Drawn scenes are those of `scripts.studies.drawing`, drawn longer: the camera goes there and back. The clip of film is
Big Buck Bunny. It is LR only: nobody has it four times as large.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.studies.drawing import shows
from scripts.studies.drawing.render import render_frames
from scripts.studies.drawing.scene import Layer, Scene
from vsanimesr.backends.base import SCALE

from ..video import write_video

type Frames = NDArray[np.uint8]
"""uint8 (frames, height, width, 3), R, G, B."""
type Codec = Literal["mpeg2", "h264"]

WIDTH, HEIGHT = 144, 80
"""Size of LR in pixels: a part of a picture of 320x180."""
RATE = 24
MPEG2_BITS = 0.5
"""Bits per pixel: 4 Mb/s at 720x480."""
H264_CRF = "24"
FILM_DIVISOR = 3
"""The film of 1280x720 is shrunk by it, so that an LR frame shows more than fur."""


@dataclass(frozen=True)
class Source:
    """Where a clip comes from."""

    name: str
    """A scene of shows.py, or a name for a part of the film."""
    group: Literal["train", "held-out"]
    left: int
    top: int
    """Corner of the part that is used, in pixels of the drawing, or of the film after shrinking."""
    frames: int = 120
    travel: int | None = None
    """Frames that the camera takes from one end of its way to the other; None: it stands still."""
    codec: Codec | None = "mpeg2"
    """None for the film, which was encoded when it was made."""


SOURCES = (
    Source("evening-4-street-still", "train", 380, 220),
    Source("green-4-uni-still", "train", 360, 120, codec="h264"),
    Source("school-1-classroom-talk", "train", 330, 200, travel=240, codec="h264"),
    Source("school-7-rooftop-pan", "train", 350, 200, travel=72),
    Source("green-2-club-push-in", "train", 280, 40, travel=120, codec="h264"),
    Source("evening-1-street-walk", "train", 400, 240, frames=300, travel=120),
    Source("film-rabbit", "train", 95, 30, codec=None),
    Source("city-1-night-talk", "held-out", 180, 200, frames=300),
    Source("blue-2-meadow-close", "held-out", 360, 100, travel=120, codec="h264"),
    Source("city-2-hills-walk", "held-out", 440, 200, travel=60),
    Source("blue-4-campus-push-in", "held-out", 520, 60, travel=120, codec="h264"),
    Source("film-grass", "held-out", 250, 110, codec=None),
)


@dataclass(frozen=True)
class Clip:
    """Frames of one scene."""

    source: Source
    lr: Frames
    hq: Frames | None
    """As many frames, four times as large; None for film."""


@dataclass(frozen=True)
class TravellingLayer(Layer):
    """A layer that moves from `begin` to `end` in `travel` frames, then back, and so on."""

    travel: int | None = None

    def progress(self, n: int) -> float:
        if self.travel is None:
            return 0.0
        return 1 - abs(1 - n / self.travel % 2)


def make_travelling(scene: Scene, travel: int | None) -> Scene:
    """Return the scene with the motion of all its layers made so slow."""

    def convert(layer: Layer) -> TravellingLayer:
        return TravellingLayer(**{each.name: getattr(layer, each.name) for each in fields(layer)}, travel=travel)

    return replace(scene, layers=tuple(map(convert, scene.layers)))


def load_clip(source: Source, folder: Path, art: Path, film: Path) -> Clip:
    """Read a clip from `folder`. If it is not there yet, draw or decode it, and keep it there.

    Args:
        art: folder of the painted art.
        film: path of the Big Buck Bunny clip.

    Raises:
        DrawingError: art is missing.
    """
    made_with = (source, WIDTH, HEIGHT, RATE, MPEG2_BITS, H264_CRF, FILM_DIVISOR)
    key = hashlib.sha256(repr(made_with).encode()).hexdigest()[:8]
    file = folder / f"{source.name}-{key}.npz"
    if not file.is_file():
        clip = make_clip(source, art, film)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".tmp.npz")
        if clip.hq is None:
            np.savez(fresh, lr=clip.lr)
        else:
            np.savez(fresh, lr=clip.lr, hq=clip.hq)
        fresh.replace(file)
        return clip
    with np.load(file) as kept:
        return Clip(source, kept["lr"], kept.get("hq"))


def make_clip(source: Source, art: Path, film: Path) -> Clip:
    """Draw or decode a clip.

    Args:
        art: folder of the painted art.
        film: path of the Big Buck Bunny clip.

    Raises:
        DrawingError: art is missing.
    """
    if source.codec is None:
        return Clip(source, decode(film.read_bytes(), source)[: source.frames], None)
    scene = next(each for each in shows.scenes((*shows.TRAIN, *shows.HELD_OUT)) if each.name == source.name)
    box = (source.left, source.top, source.left + SCALE * WIDTH, source.top + SCALE * HEIGHT)
    pictures = [
        picture.crop(box) for picture in render_frames(make_travelling(scene, source.travel), source.frames, art)
    ]
    lr = np.stack([np.asarray(picture.reduce(SCALE)) for picture in pictures])
    return Clip(source, decode(encode(lr, source.codec)), np.stack([np.asarray(each) for each in pictures]))


def encode(frames: Frames, codec: Codec) -> bytes:
    """Encode frames as 4:2:0 at a rate of old DVDs or of small files."""
    _, height, width, _ = frames.shape
    bits = round(MPEG2_BITS * RATE * width * height)
    encoder, options = {
        "mpeg2": ("mpeg2video", {"b": str(bits), "g": "15", "bf": "2"}),
        "h264": ("libx264", {"crf": H264_CRF, "preset": "medium"}),
    }[codec]
    file = io.BytesIO()
    pictures = (av.VideoFrame.from_ndarray(frame, "rgb24") for frame in frames)
    write_video(file, pictures, (width, height), Fraction(RATE), encoder, options)
    return file.getvalue()


def decode(data: bytes, part: Source | None = None) -> Frames:
    """Decode a video; of film, the part of each frame, shrunk, that a source uses."""
    with av.open(io.BytesIO(data), "r") as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if part is None:
        return np.stack(pictures)
    box = (part.left, part.top, part.left + WIDTH, part.top + HEIGHT)
    return np.stack([np.asarray(Image.fromarray(each).reduce(FILM_DIVISOR).crop(box)) for each in pictures])

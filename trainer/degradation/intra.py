"""Encoding and decoding of each frame alone, so that it is predicted from itself only (intra prediction).

Source: "prediction-oriented compression" of APISR (Wang et al., CVPR 2024), which degrades single images by codecs that
predict: WebP, AVIF, and video codecs that are given one frame. It leaves other faults than a video does, whose frames
are mostly predicted from others: lines that are bent and broken along the directions of the predictor.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from ..data.clips import PILLOW_ERRORS
from ..data.uint8 import Frames
from ..errors import CodecError
from .codec import h264_options, hevc_options, transcode

PICTURES = {"webp": "WEBP", "avif": "AVIF"}
"""Formats of pictures, which Pillow encodes, by the name of the codec."""
SMALLEST_SIDE = 16
"""Sides below this are padded: x265 takes none below."""
PILLOW = "Pillow", "pip install --upgrade --only-binary=pillow pillow"
PYAV = "PyAV", "pip install --only-binary=av av"
"""Name of a package, and how its wheel is installed."""


def picture_options(quality: float) -> dict[str, str]:
    """Return encoder options for WebP and AVIF.

    Args:
        quality: 0 to 100. A lower one compresses more.
    """
    return {"quality": str(round(quality))}


TRIALS = {
    **dict.fromkeys(PICTURES, picture_options(50)),
    "h264": h264_options(23, "high"),
    "hevc": hevc_options(28),
}
TRIAL_SIDE = 32


def transcode_alone(frames: Frames, name: str, options: Mapping[str, str]) -> Frames:
    """Encode and decode each frame without the others.

    Args:
        frames: frames with even sides.
        name: `webp`, `avif`, `h264` or `hevc`.
        options: options of the encoder, from `picture_options`, `h264_options` or `hevc_options`.

    Returns:
        The same number of frames of the same size.

    Raises:
        CodecError: the codec failed, or returned another number or size of frames.
    """
    height, width = frames.shape[1:3]
    missing = (max(SMALLEST_SIDE - side, 0) for side in (height, width))
    padded = np.pad(frames, ((0, 0), *((0, each) for each in missing), (0, 0)), "edge")
    if name in PICTURES:
        found = np.stack([_transcode_picture(frame, name, options) for frame in padded])
    else:
        found = np.concatenate([transcode(frame[None], name, options) for frame in padded])
    return np.ascontiguousarray(found[:, :height, :width])


def _transcode_picture(frame: Frames, name: str, options: Mapping[str, str]) -> Frames:
    """Encode and decode a frame, uint8 (height, width, 3), with chroma at half its size, as videos have it."""
    file = io.BytesIO()
    extra = {"subsampling": "4:2:0", "max_threads": 1, "speed": 8} if name == "avif" else {}
    try:
        Image.fromarray(frame).save(file, PICTURES[name], quality=int(options["quality"]), **extra)
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (*PILLOW_ERRORS, KeyError) as error:  # KeyError: a format that Pillow does not know
        raise CodecError(f"{name} with {dict(options)} failed: {error!r}") from error


def require_alone(names: Iterable[str]) -> None:
    """Check by a trial that this machine has these codecs.

    Raises:
        CodecError: one is missing.
    """
    frame = np.zeros((1, TRIAL_SIDE, TRIAL_SIDE, 3), np.uint8)
    for name in names:
        package, install = PILLOW if name in PICTURES else PYAV
        try:
            transcode_alone(frame, name, TRIALS[name])
        except (CodecError, ValueError) as error:  # PyAV raises ValueError for a codec that it does not know
            raise CodecError(
                f"{package} cannot encode {name} here ({error}); install its wheel ({install}), or set "
                f"degradation.codec.intra.names.{name}=0"
            ) from error

"""LQ as an encoder leaves it and as the filter sees it: shrunk, in YUV 4:2:0 of 8 bits, encoded, decoded, in RGB again.

Both conversions are those of VapourSynth's `resize`, as in the filter, so they shift no colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import av
import numpy as np
import torch
import vapoursynth as vs
from numpy.typing import NDArray

from trainer.degradation.blur import blur
from trainer.degradation.codec import h264_options, quantiser_options, transcode_yuv
from trainer.degradation.scaling import downscale
from vsanimesr.backends.base import SCALE

from ..arrays import Frames, make_clip, read_clip

type Clip = NDArray[np.float32]
"""Frames in RGB, (frames, 3, height, width)."""

RATE = 24
BT709, LIMITED = 1, 0
SOFTNESS = 1.5
"""Sigma of a lens, in HQ pixels."""


@dataclass(frozen=True)
class Encoding:
    """A way from HQ to LQ."""

    name: str
    codec: str
    options: Mapping[str, str]
    softness: float = 0
    """Sigma of a blur before shrinking, in HQ pixels."""

    def degrade(self, hq: Clip) -> Clip:
        """Return LQ, of a quarter of the width and height of HQ."""
        picture = torch.from_numpy(hq)
        if self.softness:
            picture = blur(picture, self.softness, self.softness, 0)
        lr = downscale(picture, SCALE, "area").numpy()
        yuv = vs.core.resize.Bicubic(make_clip(list(lr), vs.RGBS), format=vs.YUV420P8, matrix=BT709)
        decoded = make_clip(self._transcode(read_clip(yuv)), vs.YUV420P8)
        decoded = vs.core.std.SetFrameProps(decoded, _Matrix=BT709, _Range=LIMITED)
        return np.array(read_clip(vs.core.resize.Bicubic(decoded, format=vs.RGBS)), np.float32)

    def _transcode(self, frames: Frames) -> Frames:
        """Encode and decode frames in YUV."""
        _, width = frames[0][0].shape
        pictures = [np.concatenate([plane.ravel() for plane in planes]).reshape(-1, width) for planes in frames]
        yuv = [av.VideoFrame.from_ndarray(picture, "yuv420p") for picture in pictures]
        decoded = transcode_yuv(yuv, self.codec, self.options, RATE)
        return [[_pixels(plane).copy() for plane in frame.planes] for frame in decoded]


ENCODINGS = (
    Encoding("x264", "h264", h264_options(20, "high")),
    Encoding("MPEG-2", "mpeg2", quantiser_options(5), SOFTNESS),
)


def _pixels(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    """Return the pixels of a plane, without what pads its rows."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]

"""LQ as an encoder leaves it and as the filter sees it: shrunk, in YUV 4:2:0 of 8 bits, encoded, decoded, in RGB again.

Both conversions are those of VapourSynth's `resize`, as in the filter, so they shift no colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import torch
import vapoursynth as vs
from numpy.typing import NDArray

from trainer.degradation.blur import blur
from trainer.degradation.codec import h264_options, quantiser_options
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
    encoder: str
    decoder: str
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
        context = av.CodecContext.create(self.encoder, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.height, context.width = frames[0][0].shape
        context.pix_fmt, context.framerate, context.time_base = "yuv420p", Fraction(RATE), Fraction(1, RATE)
        context.options = dict(self.options)
        context.thread_count = 1
        packets = []
        for n, planes in enumerate(frames):
            frame = av.VideoFrame(context.width, context.height, "yuv420p")
            frame.pts = n
            for target, plane in zip(frame.planes, planes, strict=True):
                _pixels(target)[:] = plane
            packets += context.encode(frame)
        packets += context.encode(None)
        reader = av.CodecContext.create(self.decoder, "r")
        assert isinstance(reader, av.VideoCodecContext)
        reader.thread_count = 1
        decoded = [frame for packet in packets for frame in reader.decode(packet)] + reader.decode(None)
        return [[_pixels(plane).copy() for plane in frame.planes] for frame in decoded]


ENCODINGS = (
    Encoding("x264", "libx264", "h264", h264_options(20, "high")),
    Encoding("MPEG-2", "mpeg2video", "mpeg2video", quantiser_options(5), SOFTNESS),
)


def _pixels(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    """Return the pixels of a plane, without what pads its rows."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]

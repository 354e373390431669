"""Encoding and decoding of clips in this process, with FFmpeg's libraries.

H.264 gives the same as the release's two ffmpeg processes, in a twentieth of the time: a raw stream, yuv420p by
swscale's bicubic, x264's preset medium (docs/paper-and-release.md, 2.3).
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from ..data.uint8 import Frames, to_float, to_uint8
from ..errors import CodecError

type Packet = av.Packet[av.VideoStream]

DECODERS = {"h264": "h264", "hevc": "hevc", "mpeg2": "mpeg2video", "mpeg4": "mpeg4"}
ENCODERS = {**DECODERS, "h264": "libx264", "hevc": "libx265"}
RATE = 25
"""Frames per second. The release samples a rate and then uses 25 (docs/paper-and-release.md, 8.14)."""

# With frames this small, x264's AVX-512 code is not deterministic: its macroblock tree reads beyond them. The SSE 4.2
# code gives the same as the AVX2 code, as fast, and every processor that PyTorch runs on has it.
DETERMINISTIC_X264 = "asm=MMX2,SSE2Fast,SSSE3,SSE4.2"
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}


def h264_options(crf: float, profile: str) -> dict[str, str]:
    """Return encoder options for H.264."""
    return {"crf": f"{crf:.4f}", "profile": profile, **({"x264-params": DETERMINISTIC_X264} if IS_X86 else {})}


def hevc_options(crf: float) -> dict[str, str]:
    """Return encoder options for HEVC. x265 says nothing, and starts no threads."""
    return {"crf": f"{crf:.4f}", "x265-params": "log-level=none:pools=none:frame-threads=1:wpp=0"}


def quantiser_options(scale: float) -> dict[str, str]:
    """Return encoder options for MPEG-2 and MPEG-4 ASP as on DVDs and in DVD rips: constant quantiser, two B-frames."""
    # FFmpeg sets a fixed quantiser on each frame, which PyAV cannot do. Equal limits have the same effect.
    return {"qmin": str(round(scale)), "qmax": str(round(scale)), "bf": "2", "g": "15"}


def require_codecs(names: Iterable[str]) -> None:
    """Check that PyAV's FFmpeg has these codecs.

    Raises:
        CodecError: a codec is missing.
    """
    for name in names:
        try:
            av.Codec(ENCODERS[name], "w")
            av.Codec(DECODERS[name], "r")
        except (av.FFmpegError, ValueError) as error:  # an unknown codec is a ValueError
            raise CodecError(
                f"PyAV's FFmpeg has no {name}; install PyAV's wheel (pip install --only-binary=av av), or set "
                f"degradation.codec.names.{name}=0"
            ) from error


def encode_decode(clip: Tensor, name: str, options: Mapping[str, str]) -> Tensor:
    """Encode and decode a clip, float32 (frames, 3, height, width) in [0, 1]. See `transcode`."""
    return to_float(transcode(to_uint8(clip), name, options))


def transcode(frames: Frames, name: str, options: Mapping[str, str]) -> Frames:
    """Encode and decode frames.

    Args:
        frames: frames with even sides.
        name: `h264`, `hevc`, `mpeg2` or `mpeg4`.
        options: options of the encoder, from `h264_options`, `hevc_options` or `quantiser_options`.

    Returns:
        The same number of frames of the same size.

    Raises:
        CodecError: the codec failed, or returned another number or size of frames.
    """
    converter = VideoReformatter()
    yuv = [_convert(converter, av.VideoFrame.from_ndarray(rgb, "rgb24"), "yuv420p") for rgb in frames]
    decoded = transcode_yuv(yuv, name, options)
    return np.stack([cast(Frames, _convert(converter, frame, "rgb24").to_ndarray()) for frame in decoded])


def transcode_yuv(
    frames: Sequence[av.VideoFrame], name: str, options: Mapping[str, str], rate: int = RATE
) -> list[av.VideoFrame]:
    """Encode and decode frames in yuv420p. Otherwise like `transcode`."""
    try:
        decoded = _decode(name, _encode(frames, name, options, rate))
    except av.FFmpegError as error:
        raise CodecError(f"{name} with {dict(options)} failed: {error}") from error
    if len(decoded) != len(frames) or _size(decoded[0]) != _size(frames[0]):
        raise CodecError(f"{name} with {dict(options)} gave {len(decoded)} frames for {len(frames)}")
    return decoded


def _encode(frames: Sequence[av.VideoFrame], name: str, options: Mapping[str, str], rate: int) -> list[Packet]:
    context = av.CodecContext.create(ENCODERS[name], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = _size(frames[0])
    context.pix_fmt = "yuv420p"
    context.framerate, context.time_base = Fraction(rate), Fraction(1, rate)
    context.options = dict(options)
    context.thread_count = 1  # frames are small, and the other cores work on other clips
    packets = []
    for n, frame in enumerate(frames):
        frame.pts = n
        packets += context.encode(frame)
    return packets + context.encode(None)


def _decode(name: str, packets: list[Packet]) -> list[av.VideoFrame]:
    context = av.CodecContext.create(DECODERS[name], "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    return [frame for packet in packets for frame in context.decode(packet)] + context.decode(None)


def _size(frame: av.VideoFrame) -> tuple[int, int]:
    return frame.width, frame.height


def _convert(converter: VideoReformatter, frame: av.VideoFrame, format: str) -> av.VideoFrame:
    """Convert between RGB and YUV, as ffmpeg does. More threads would take longer to start than to work."""
    return converter.reformat(frame, format=format, interpolation=Interpolation.BICUBIC, threads=1)

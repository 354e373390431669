"""Encoding and decoding a clip in this process, by FFmpeg's libraries.

What H.264 gives is what the release's two ffmpeg processes give, at a twentieth of the time (facts 2.3): raw stream,
yuv420p by swscale's bicubic, x264's preset medium.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from ..errors import CodecError
from .levels import Pictures, clip_of, pictures_of

type Packet = av.Packet[av.VideoStream]

DECODERS = {"h264": "h264", "mpeg2": "mpeg2video", "mpeg4": "mpeg4"}
ENCODERS = {**DECODERS, "h264": "libx264"}
RATE = 25  # frames per second; the release draws one, and takes this one (facts 8.14)


# x264's code for AVX-512 gives other bits each time with frames this small: its macroblock tree reads beyond them. That
# for SSE 4.2 gives what that for AVX2 gives, as fast, and every processor that PyTorch runs on has it.
REPEATABLE = "asm=MMX2,SSE2Fast,SSSE3,SSE4.2"
X86 = platform.machine().lower() in {"x86_64", "amd64"}


def h264(crf: float, profile: str) -> dict[str, str]:
    """Options of H.264."""
    return {"crf": f"{crf:.4f}", "profile": profile, **({"x264-params": REPEATABLE} if X86 else {})}


def quantised(scale: float) -> dict[str, str]:
    """Options of MPEG-2 and MPEG-4 ASP as DVDs and their rips had them: constant quantiser, two B-frames."""
    # A fixed quantiser would be written on each frame, which PyAV does not do; this leaves the encoder no choice.
    return {"qmin": str(round(scale)), "qmax": str(round(scale)), "bf": "2", "g": "15"}


def require(names: Iterable[str]) -> None:
    """Refuse to begin where PyAV's FFmpeg lacks one of these codecs.

    Raises:
        CodecError: it lacks one.
    """
    for name in names:
        try:
            av.Codec(ENCODERS[name], "w")
            av.Codec(DECODERS[name], "r")
        except (av.FFmpegError, ValueError) as error:  # an unknown codec is a ValueError
            raise CodecError(
                f"PyAV's FFmpeg cannot do {name}; install PyAV's wheel (pip install --only-binary=av av), or set "
                f"degradation.codec.names.{name}=0"
            ) from error


def coded(clip: Tensor, name: str, options: Mapping[str, str]) -> Tensor:
    """What a codec makes of a clip, float32 (frames, 3, height, width) in [0, 1]. See `transcoded`."""
    return clip_of(transcoded(pictures_of(clip), name, options))


def transcoded(pictures: Pictures, name: str, options: Mapping[str, str]) -> Pictures:
    """What a codec makes of a clip.

    Args:
        pictures: with even sides.
        name: `h264`, `mpeg2` or `mpeg4`.
        options: of the encoder, from `h264` or `quantised`.

    Returns:
        As many pictures of the same size.

    Raises:
        CodecError: it did not give as many, or failed.
    """
    try:
        decoded = _decoded(name, _encoded(pictures, name, options))
    except av.FFmpegError as error:
        raise CodecError(f"{name} with {dict(options)} failed: {error}") from error
    if len(decoded) != len(pictures) or decoded[0].shape != pictures[0].shape:
        raise CodecError(f"{name} with {dict(options)} gave {len(decoded)} frames for {len(pictures)}")
    return np.stack(decoded)


def _encoded(pictures: Pictures, name: str, options: Mapping[str, str]) -> list[Packet]:
    context = av.CodecContext.create(ENCODERS[name], "w")
    assert isinstance(context, av.VideoCodecContext)
    _, context.height, context.width, _ = pictures.shape
    context.pix_fmt = "yuv420p"
    context.framerate, context.time_base = Fraction(RATE), Fraction(1, RATE)
    context.options = dict(options)
    context.thread_count = 1  # small frames; other clips have the other cores
    converter = VideoReformatter()
    packets = []
    for n, picture in enumerate(pictures):
        frame = _converted(converter, av.VideoFrame.from_ndarray(picture, "rgb24"), "yuv420p")
        frame.pts = n
        packets += context.encode(frame)
    return packets + context.encode(None)


def _decoded(name: str, packets: list[Packet]) -> list[Pictures]:
    context = av.CodecContext.create(DECODERS[name], "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    frames = [frame for packet in packets for frame in context.decode(packet)] + context.decode(None)
    converter = VideoReformatter()
    return [cast(Pictures, _converted(converter, frame, "rgb24").to_ndarray()) for frame in frames]


def _converted(converter: VideoReformatter, frame: av.VideoFrame, format: str) -> av.VideoFrame:
    """Between RGB and YUV, as ffmpeg does it; more threads take longer to start than to work."""
    return converter.reformat(frame, format=format, interpolation=Interpolation.BICUBIC, threads=1)

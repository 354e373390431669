"""Encoding of chunks with PyAV. The same frames and settings give the same bytes, under any load."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError, OptionError, suggestion
from ..pixels import PixelFormat
from . import libav, matroska
from .media import ColourTags, Hdr, Mastering

if TYPE_CHECKING:
    import av

MATRIX_RGB = 0
EARLY = 64
"""Frames by which the decoding of a chunk begins before its first frame is shown. No encoder reorders as many."""
HIGHEST_RATE = 500
"""Frames per second above which Matroska, which counts milliseconds, could not tell the frames of a chunk apart."""


class Picture(Protocol):
    """A frame: its planes by number, as `vapoursynth.VideoFrame` has them."""

    def __getitem__(self, plane: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Size and format of the frames of a clip."""

    width: int
    height: int
    pixels: PixelFormat

    @classmethod
    def of(cls, clip: Any) -> VideoFormat:
        """Return that of a `vapoursynth.VideoNode` or `VideoFrame`."""
        given = clip.format
        pixels = PixelFormat(
            _FAMILIES[int(given.color_family)],
            "float" if int(given.sample_type) else "integer",
            given.bits_per_sample,
            (given.subsampling_w, given.subsampling_h),
        )
        return cls(clip.width, clip.height, pixels)

    @property
    def name(self) -> str:
        """VapourSynth's name of the format."""
        bits = {16: "H", 32: "S"}[self.pixels.bits] if self.pixels.sample == "float" else str(self.pixels.bits)
        family = {"gray": "GRAY", "rgb": "RGB", "yuv": f"YUV{_SAMPLING.get(self.pixels.subsampling, '?')}P"}
        return family[self.pixels.family] + str(
            3 * self.pixels.bits if self.pixels.family == "rgb" and self.pixels.sample == "integer" else bits
        )

    @property
    def libav(self) -> str | None:
        """FFmpeg's name of the format, or None if it has none."""
        bits = "" if self.pixels.bits == 8 else f"{self.pixels.bits}le"
        if self.pixels.sample == "float" or self.pixels.bits not in {8, 9, 10, 12, 14, 16}:
            return None
        if self.pixels.family == "yuv":
            sampling = _SAMPLING.get(self.pixels.subsampling)
            return f"yuv{sampling}p{bits}" if sampling else None
        return {"gray": "gray", "rgb": "gbrp"}[self.pixels.family] + bits


_FAMILIES: Mapping[int, Literal["gray", "rgb", "yuv"]] = {1: "gray", 2: "rgb", 3: "yuv"}
_SAMPLING = {(0, 0): "444", (1, 0): "422", (1, 1): "420", (2, 0): "411", (0, 1): "440", (2, 2): "410"}


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder, and what makes it deterministic."""

    codec: str
    """FFmpeg's name."""
    defaults: Mapping[str, str]
    containers: tuple[str, ...]
    own: str | None = None
    """The argument that holds the encoder's own parameters, `name=value:name=value`."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Parameters of its own that are set first. Those of the user count more."""
    threads: int = 1
    """Threads that FFmpeg tells it. x264 and FFV1 write other bytes with another number."""


_IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}

# Bytes depend on frame-threads (x265) and threads (x264), so both have a fixed number. x265 writes its parameters and
# the processor into the stream; info=0 leaves that out, and the finished file names the parameters in a tag.
# x264's AVX-512 code reads beyond small frames; the SSE 4.2 code gives what the AVX2 code does.
ENCODERS: Mapping[str, Encoder] = {
    "x265": Encoder(
        "libx265",
        {"preset": "slow", "crf": "16"},
        ("mkv", "mp4"),
        "x265-params",
        {"frame-threads": "2", "info": "0", "log-level": "error"},
    ),
    "x264": Encoder(
        "libx264",
        {"preset": "slow", "crf": "16"},
        ("mkv", "mp4"),
        "x264-params",
        {"lookahead-threads": "1"} | ({"asm": "MMX2,SSE2Fast,SSSE3,SSE4.2"} if _IS_X86 else {}),
        threads=6,
    ),
    "svt-av1": Encoder(
        "libsvtav1", {"preset": "4", "crf": "25"}, ("mkv", "mp4"), "svtav1-params", {"lp": "4"}, threads=0
    ),
    "ffv1": Encoder("ffv1", {"level": "3", "slices": "16", "slicecrc": "1", "g": "1"}, ("mkv",), threads=4),
}


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How frames are encoded."""

    encoder: str = "x265"
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Passed on to the encoder: `crf`, `preset`, `x265-params`, ..."""
    rate: Fraction = Fraction(25)
    """Frames per second, for the encoder's decisions. When each frame is shown is up to `muxing`."""
    colours: ColourTags = field(default_factory=ColourTags)
    sample_aspect: Fraction | None = None
    hdr: Hdr | None = None

    @property
    def options(self) -> dict[str, str]:
        """What FFmpeg is told."""
        encoder = find_encoder(self.encoder)
        options = {**encoder.defaults, **self.arguments}
        if encoder.own:
            own = {**encoder.fixed, **_hdr_parameters(self.encoder, self.hdr)}
            own |= _split(self.arguments.get(encoder.own, ""), encoder.own)
            options[encoder.own] = ":".join(f"{name}={value}" for name, value in own.items())
        return options


def find_encoder(name: str) -> Encoder:
    """Return an encoder by our name.

    Raises:
        OptionError: there is none of this name.
    """
    if name not in ENCODERS:
        known = ", ".join(ENCODERS)
        raise OptionError(f"encoder={name!r} is not known: {suggestion(name, ENCODERS)} It is one of {known}.")
    return ENCODERS[name]


def check(settings: EncoderSettings, video: VideoFormat, container: str) -> None:
    """Open the encoder once and close it, so that what it refuses is refused before the long work.

    Args:
        container: `mkv` or `mp4`.

    Raises:
        OptionError: an argument, the format, the size or the container cannot be used.
        MissingDependencyError: PyAV, or this encoder in it, is missing.
    """
    encoder = find_encoder(settings.encoder)
    if container not in encoder.containers:
        raise OptionError(
            f"{settings.encoder} cannot be stored in .{container}; name the result .{encoder.containers[0]}"
        )
    if not 0 < settings.rate <= HIGHEST_RATE:
        raise OptionError(f"{settings.rate} frames per second cannot be encoded; at most {HIGHEST_RATE} can")
    _require_format(settings.encoder, video)
    av = libav.load()
    context = av.CodecContext.create(encoder.codec, "w")
    _require_known(settings, context)
    _configure(context, settings, video)
    with libav.listening() as logs:
        try:
            with libav.same_priority():
                context.open()
        except (av.FFmpegError, ValueError) as error:
            errors = [text.strip() for level, _, text in logs if level <= av.logging.ERROR]
            said = "; ".join(errors) or libav.reason(error)
            raise OptionError(
                f"{settings.encoder} does not open for {video.width}x{video.height} {video.name} at {settings.rate} "
                f"frames per second with {_shown(settings.options)}: {said}"
            ) from error
    # FFmpeg only warns of parameters that the encoder does not know.
    if refused := [text.strip() for level, _, text in logs if level <= av.logging.WARNING and _is_refusal(text)]:
        raise OptionError(f"{encoder.own}={settings.arguments.get(encoder.own or '', '')!r}: {'; '.join(refused)}")


def encode(
    frames: Iterable[Picture],
    video: VideoFormat,
    settings: EncoderSettings,
    path: Path,
    *,
    advance: Callable[[int], None] | None = None,
) -> int:
    """Encode frames into a Matroska file, which is on the disk when this returns.

    The same frames and settings give the same bytes. The file begins with a frame that refers to no other, so that
    files by the same settings can be joined.

    Args:
        frames: frames of the size and format in `video`. What raises in there passes through.
        advance: called with the number of frames given to the encoder so far.

    Returns:
        The number of frames.

    Raises:
        MediaError: the encoder failed, or the file cannot be written. There is no file then.
    """
    count = 0
    with libav.unfinished(path):
        with _created(path) as container:
            stream = container.add_stream(
                find_encoder(settings.encoder).codec, rate=settings.rate, width=video.width, height=video.height
            )
            _configure(stream.codec_context, settings, video)
            stream.metadata.update({"title": matroska.ROOM, **_tags(settings)})
            for count, packet in enumerate(_encoded(stream, frames, video, settings, path, advance), 1):
                # Matroska does not hold times of decoding, but FFmpeg wants them to rise and to be early enough.
                # Those of x265 come from memory that it has not set, in chunks of one or two frames.
                packet.dts = count - EARLY
                with libav.writing(path):
                    container.mux(packet)
        with libav.writing(path):
            matroska.complete_video_track(path, settings.sample_aspect, settings.hdr)
        libav.sync(path)
    return count


def digest(path: Path) -> tuple[int, str]:
    """Decode a chunk. Return the number of its frames, and the SHA-256 of their planes in hexadecimal digits.

    Raises:
        MediaError: the file cannot be decoded.
    """
    count, hashed = 0, hashlib.sha256()
    for frame in decoded(path):
        count += 1
        add_to_digest(hashed, frame)
    return count, hashed.hexdigest()


def decode_digests(path: Path, lengths: Sequence[int], *, advance: Callable[[int], None] | None = None) -> list[str]:
    """Decode a finished file. Return for each chunk, of so many frames, what `digest` says of the chunk.

    Args:
        advance: called with the number of frames decoded so far.

    Raises:
        MediaError: the file cannot be decoded, or has another number of frames.
    """
    frames, digests, done = iter(decoded(path)), [], 0
    for number, length in enumerate(lengths):
        hashed, count = hashlib.sha256(), 0
        for count, frame in enumerate(islice(frames, length), 1):
            add_to_digest(hashed, frame)
            if advance:
                advance(done + count)
        done += count
        if count < length:
            raise MediaError(f"{path} ends {length - count} frames before the end of chunk {number}")
        digests.append(hashed.hexdigest())
    if next(frames, None) is not None:
        raise MediaError(f"{path} has more frames than the {sum(lengths)} that were encoded")
    return digests


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    """Decode the first video of a file, in the order of showing.

    Damage that the decoder repairs goes unnoticed; only a digest shows it.

    Raises:
        MediaError: the file cannot be decoded.
    """
    with libav.opened(path) as container, libav.reading(path):
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for n, frame in enumerate(container.decode(stream)):
            if frame.is_corrupt:
                raise MediaError(f"{path} is damaged at frame {n}; encode it anew")
            yield frame


def add_to_digest(hashed: hashlib._Hash, frame: av.VideoFrame) -> None:
    """Add the samples of a frame, without the padding of rows."""
    for plane in range(len(frame.planes)):
        hashed.update(np.ascontiguousarray(samples(frame, plane)))


def samples(frame: av.VideoFrame, plane: int) -> NDArray[Any]:
    """Return a view of a plane of a frame: (rows, columns), of uint8 or uint16."""
    part = frame.planes[plane]
    dtype = np.dtype("<u2" if frame.format.components[plane].bits > 8 else "u1")
    rows = np.frombuffer(part, dtype).reshape(part.height, part.line_size // dtype.itemsize)
    return rows[:, : part.width]


@contextmanager
def _created(path: Path) -> Iterator[Any]:
    """Create a Matroska file, which is finished when the block ends. It has no random numbers and no date."""
    av = libav.load()
    with libav.writing(path):
        path.touch()  # PyAV creates it many frames later, with the first packet; a worker looks earlier if it is there
        container = av.open(str(path.absolute()), "w", format="matroska")
    container.flags |= av.container.core.Flags.bitexact.value
    try:
        yield container
    finally:
        with libav.writing(path):
            container.close()


def _encoded(
    stream: Any,
    frames: Iterable[Picture],
    video: VideoFormat,
    settings: EncoderSettings,
    path: Path,
    advance: Callable[[int], None] | None,
) -> Iterator[Any]:
    """Yield the packets of all frames, in the order of decoding."""
    count = 0
    for count, frame in enumerate(frames, 1):
        yield from _give(stream, _picture(frame, video, count - 1), settings, path, count - 1)
        if advance:
            advance(count)
    if not count:
        raise MediaError(f"{path}: there is no frame to encode")
    yield from _give(stream, None, settings, path, count)


def _give(stream: Any, picture: av.VideoFrame | None, settings: EncoderSettings, path: Path, n: int) -> Any:
    """Give frame n to the encoder, or tell it that there are no more. Return the packets that are ready."""
    try:
        with libav.same_priority():  # the first frame opens the encoder
            return stream.encode(picture)
    except (libav.load().FFmpegError, MemoryError) as error:
        raise MediaError(
            f"{settings.encoder} failed at frame {n} of {path.name} ({libav.reason(error)}); run the same command "
            "again: finished chunks are kept"
        ) from error


def _configure(context: Any, settings: EncoderSettings, video: VideoFormat) -> None:
    """Tell the encoder everything, before it is opened."""
    encoder, colours = find_encoder(settings.encoder), settings.colours
    context.width, context.height, context.pix_fmt = video.width, video.height, video.libav
    context.framerate, context.time_base = settings.rate, 1 / settings.rate
    context.thread_count, context.thread_type = encoder.threads, "FRAME"
    if settings.sample_aspect:
        context.sample_aspect_ratio = settings.sample_aspect
    matrix = MATRIX_RGB if video.pixels.family == "rgb" else colours.matrix
    for name, value in (
        ("colorspace", matrix),
        ("color_primaries", colours.primaries),
        ("color_trc", colours.transfer),
    ):
        if value is not None:
            setattr(context, name, value)
    if colours.range is not None:
        context.color_range = 2 if colours.range else 1
    if colours.chroma_location is not None and any(video.pixels.subsampling):
        context.chroma_sample_location = colours.chroma_location + 1
    context.options = settings.options


def _tags(settings: EncoderSettings) -> dict[str, str]:
    """Return tags for the track that say how it was made."""
    return {"ENCODER": settings.encoder, "ENCODER_SETTINGS": _shown(settings.options)}


def _picture(frame: Picture, video: VideoFormat, n: int) -> av.VideoFrame:
    """Copy frame n into one of FFmpeg's."""
    picture: av.VideoFrame = libav.load().VideoFrame(video.width, video.height, video.libav)
    # FFmpeg keeps RGB as G, B, R.
    order = (2, 0, 1) if video.pixels.family == "rgb" else range(len(picture.planes))
    for source, target in enumerate(order):
        samples(picture, target)[:] = np.asarray(frame[source])
    picture.pts = n
    return picture


def _require_format(name: str, video: VideoFormat) -> None:
    """Raise `OptionError` if the encoder does not take this format and size."""
    encoder, av = find_encoder(name), libav.load()
    try:
        formats = {each.name for each in av.Codec(encoder.codec, "w").video_formats or ()}
    except ValueError as error:
        raise OptionError(
            f"PyAV's FFmpeg has no {encoder.codec}; install PyAV's wheel (pip install --only-binary=av av), or choose "
            "another encoder"
        ) from error
    if video.libav not in formats:
        usual = "YUV420P10" if "yuv420p10le" in formats else "YUV420P8"
        raise OptionError(f"{name} does not encode {video.name}; let the script end in another format, such as {usual}")
    across, down = video.pixels.subsampling
    if video.width % (1 << across) or video.height % (1 << down):
        raise OptionError(f"{video.width}x{video.height} is no size for {video.name}: choose an even one")


def _require_known(settings: EncoderSettings, context: Any) -> None:
    """Raise `OptionError` for an argument that FFmpeg does not have for this encoder."""
    options = context.supported_options
    known = {option.name for option in (*options.private, *options.generic)}
    for name in settings.arguments:
        if name not in known:
            own = find_encoder(settings.encoder).own
            inside = f"; {settings.encoder}'s own parameters are passed as {own}={name}=..." if own else ""
            hint = suggestion(name, known)
            raise OptionError(f"{settings.encoder} has no argument {name!r}{': ' + hint if hint else ''}{inside}")


def _is_refusal(text: str) -> bool:
    return any(words in text for words in ("Unknown option", "Invalid value", "Error parsing option"))


def _split(text: str, name: str) -> dict[str, str]:
    """Split `name=value:name=value`; a name alone stands for `name=1`."""
    parts = [part.partition("=") for part in text.split(":") if part]
    if any(not key for key, _, _ in parts):
        raise OptionError(f"{name}={text!r} is not of the form name=value:name=value")
    return {key: value if sign else "1" for key, sign, value in parts}


def _shown(options: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())


def _hdr_parameters(encoder: str, hdr: Hdr | None) -> dict[str, str]:
    """Return the encoder's parameters for HDR metadata. FFV1 has none: there the container says it."""
    if hdr is None or encoder == "ffv1":
        return {}
    display, light = {
        "x265": ("master-display", "max-cll"),
        "x264": ("mastering-display", "cll"),
        "svt-av1": ("mastering-display", "content-light"),
    }[encoder]
    parameters = {}
    if hdr.mastering is not None:
        parameters[display] = _display(hdr.mastering, whole=encoder != "svt-av1")
    if hdr.light is not None:
        parameters[light] = f"{hdr.light[0]},{hdr.light[1]}"
    return parameters


def _display(mastering: Mastering, *, whole: bool) -> str:
    """Write a display as encoders read it: in units of 0.00002 and 0.0001 cd/m², or in plain numbers."""

    def number(value: Fraction, unit: int) -> str:
        return str(round(value * unit)) if whole else f"{float(value):.6f}"

    points = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
    text = "".join(f"{name}({number(x, 50000)},{number(y, 50000)})" for name, (x, y) in points.items())
    return f"{text}L({number(mastering.brightest, 10000)},{number(mastering.darkest, 10000)})"

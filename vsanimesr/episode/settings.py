"""Settings of the encoder for what a script gives, and as JSON for the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from fractions import Fraction
from typing import Any

from ..errors import JobError
from ..pixels import PixelFormat
from .encoding import HIGHEST_RATE, EncoderSettings, VideoFormat
from .media import UNSPECIFIED, ColourTags, Hdr, Mastering, Media

PROPS = {
    "matrix": "_Matrix",
    "primaries": "_Primaries",
    "transfer": "_Transfer",
    "range": "_Range",
    "chroma_location": "_ChromaLocation",
}
"""Properties of frames by the colour tags that they tell."""
COMMON_SAMPLING = {(0, 0): "YUV444P", (1, 0): "YUV422P", (1, 1): "YUV420P"}
ONLY_420 = {"svt-av1"}


def default_format(encoder: str, format: Any, *, is_hdr: bool = False) -> str:
    """Return the name of the format in which a clip is encoded by default.

    It has 10 bits, because 8 show bands. H.264 has 8, because few devices play more, but not HDR. Chroma stays as it
    is.

    Args:
        format: VapourSynth's format of the source.
    """
    bits = 8 if encoder == "x264" and not is_hdr else 10
    family = int(format.color_family)
    if encoder in ONLY_420:
        return f"YUV420P{bits}"
    if family == 2:
        return f"RGB{3 * bits}"
    if family == 1:
        return f"GRAY{bits}"
    return COMMON_SAMPLING.get((format.subsampling_w, format.subsampling_h), "YUV420P") + str(bits)


def encoder_settings(
    encoder: str, arguments: Mapping[str, str], rate: Fraction, props: Mapping[str, object], media: Media | None
) -> EncoderSettings:
    """Return the settings for a result.

    Args:
        rate: its frames a second; 0 if they change.
        props: properties of its first frame. Colours that they do not tell are those of the source.
        media: the source.
    """
    tags = {}
    for name, prop in PROPS.items():
        value = props.get(prop)
        known = isinstance(value, int) and not (value == UNSPECIFIED and name in {"matrix", "primaries", "transfer"})
        tags[name] = int(value) if known else getattr(media.colours, name) if media else None  # type: ignore[call-overload]
    width, height = props.get("_SARNum"), props.get("_SARDen")
    aspect = Fraction(width, height) if isinstance(width, int) and isinstance(height, int) and width * height else None
    if not rate and media is None:
        raise JobError("the frames have no constant rate; end the script with core.std.AssumeFPS")
    return EncoderSettings(
        encoder=encoder,
        arguments=dict(arguments),
        # Of a variable rate, readers may give one of a thousand, which no encoder takes.
        rate=Fraction(rate) if 0 < rate <= HIGHEST_RATE or media is None else media.frame_rate,
        colours=ColourTags(**tags),
        sample_aspect=aspect,
        # A script may have made SDR of the source.
        hdr=media.hdr if media and tags["transfer"] == media.colours.transfer else None,
    )


def to_json(video: VideoFormat, settings: EncoderSettings) -> dict[str, Any]:
    """Return format and settings as values of JSON."""
    return {"video": _plain(asdict(video)), "settings": _plain(asdict(settings))}


def from_json(content: Mapping[str, Any]) -> tuple[VideoFormat, EncoderSettings]:
    """Read what `to_json` returned.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    video, settings = content["video"], content["settings"]
    pixels = video["pixels"]
    pixels = PixelFormat(**{**pixels, "subsampling": tuple(pixels["subsampling"])})
    hdr = settings["hdr"]
    aspect = settings["sample_aspect"]
    return VideoFormat(video["width"], video["height"], pixels), EncoderSettings(
        encoder=settings["encoder"],
        arguments=settings["arguments"],
        rate=Fraction(settings["rate"]),
        colours=ColourTags(**settings["colours"]),
        sample_aspect=None if aspect is None else Fraction(aspect),
        hdr=None if hdr is None else _read_hdr(hdr),
    )


def _read_hdr(content: Mapping[str, Any]) -> Hdr:
    mastering, light = content["mastering"], content["light"]
    if mastering is not None:
        values = {each.name: _read_fraction(mastering[each.name]) for each in fields(Mastering)}
        mastering = Mastering(**values)
    return Hdr(mastering, None if light is None else tuple(light))


def _read_fraction(value: str | list[str]) -> Any:
    return Fraction(value) if isinstance(value, str) else tuple(map(Fraction, value))


def _plain(value: Any) -> Any:
    """Return a value with fractions as text."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value

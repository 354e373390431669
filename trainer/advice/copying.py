"""Copies a video so that it can be learned from: progressive frames, square pixels, no loss."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsanimesr.episode.encoding import EncoderSettings, VideoFormat, encode
from vsanimesr.episode.media import probe
from vsanimesr.episode.request import Request
from vsanimesr.episode.script import Fields
from vsanimesr.episode.source import open_source
from vsanimesr.files import replace
from vsanimesr.progress import Display, show_progress

from ..data.clips import require_clip
from ..errors import SourceError
from .combing import measure_clip

if TYPE_CHECKING:
    import vapoursynth

_log = logging.getLogger(__name__)

EVEN = 2
"""Sides of the copy are multiples of this, because of its chroma."""


def copy_progressive(video: Path, to: Path, fields: Fields | None = None) -> None:
    """Write a copy as FFV1 in Matroska.

    Args:
        fields: what is done with fields; None: what fits what the frames show and the file says.

    Raises:
        SourceError: the copy would be the source, or has the wrong suffix.
        AnimeSRError: the video cannot be read, the copy cannot be written, or a plugin is missing.
    """
    if to.suffix != ".mkv" or to.resolve() == video.resolve():
        raise SourceError(f"-o {to} is refused; write to another file than {video}, whose name ends in .mkv")
    media = probe(video)
    request = Request(input=video, output=to, fields=fields or _find_fields(video), encoder="ffv1")
    clip = _make_square(open_source(request, Display()).clip, media.sample_aspect)
    colours = media.colours
    settings = EncoderSettings("ffv1", rate=Fraction(clip.fps) or media.frame_rate, colours=colours)
    part = to.with_name(f"{to.name}.part")  # nobody should take an unfinished copy for a whole one
    with show_progress(len(clip), f"{to}: ") as show:
        count = encode(clip.frames(), VideoFormat.of(clip), settings, part, advance=show)
    replace(part, to)
    _log.info("%s: %d frames of %dx%d", to, count, clip.width, clip.height)


def _find_fields(video: Path) -> Fields | None:
    """Return what to do with fields by what the frames show; None to go by what the file says."""
    combing = measure_clip(require_clip(video, "video"))
    if combing.is_found:
        return "inverse-telecine" if combing.is_film else "deinterlace"
    return "progressive" if combing.is_excluded and not probe(video).fields.repeated else None


def _make_square(clip: vapoursynth.VideoNode, aspect: Fraction | None) -> vapoursynth.VideoNode:
    """Scale the width so that pixels are square."""
    if aspect is None or aspect == 1:
        return clip
    import vapoursynth as vs

    width = round(clip.width * aspect / EVEN) * EVEN
    square = vs.core.resize.Spline36(clip, width=width)
    return vs.core.std.SetFrameProps(square, _SARNum=1, _SARDen=1)

"""What a request reads: a script, its frames and their times, and where scenes start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..errors import JobError, OptionError
from ..options import Options
from ..progress import Display, Rate, count
from . import media, ranges, settings
from .clips import find_scenes
from .request import Request
from .script import Fields, Script, is_ntsc, make_script, read_script


@dataclass(frozen=True)
class Source:
    """What a request reads."""

    script: Script
    media: media.Media | None
    """The file whose other streams are copied."""
    clip: Any = None
    """The clip that goes into Upscale, if the script was made here."""
    matched: bool = False
    """Whether frames are made of fields, so that they do not have the times of the file's frames."""


def open_source(request: Request, display: Display) -> Source:
    """Read the user's script, or make one."""
    if request.is_script:
        if refused := set(request.arguments) - {"scene_change"} or ({"fields"} if request.fields else set()):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(refused))
            raise OptionError(f"{names}: {request.input} is a script; set this in the script")
        found = media.probe(request.streams) if request.streams else None
        return Source(read_script(request.input), found)
    found = media.probe(request.input)
    if found.colours.hdr:
        display.say(
            f"{found.path.name} is HDR ({found.colours.hdr}), and the result is too. The networks learned from SDR, "
            "and run on its values as they are: look at a part of it first, with --preview 10s"
        )
    fields = request.fields or _choose_fields(found, display)
    track = found.video if any(each.kind == "video" for each in found.streams[: found.video]) else None
    script = make_script(request.input, fields, _rate_of_fields(found), request.arguments, track=track)
    clip = script.open_source()
    if "format" not in request.arguments:
        script = script.with_arguments(
            format=settings.default_format(request.encoder, clip.format, is_hdr=bool(found.colours.hdr))
        )
    matched = fields in {"inverse-telecine", "deinterlace"}
    return Source(script, media.probe(request.streams) if request.streams else found, clip, matched)


def _choose_fields(found: media.Media, display: Display) -> Fields | None:
    """Return what is to be done with the fields of a file by what it says, and say so."""
    fields = found.fields
    if not fields.interlaced and not fields.repeated:
        return None
    why = (
        f"{fields.interlaced} of {fields.frames} frames that were looked at say that they are interlaced"
        if fields.interlaced
        else f"{fields.repeated} of {fields.frames} frames that were looked at repeat a field"
    )
    what = "one frame in five is dropped" if is_ntsc(_rate_of_fields(found)) else "no frame is dropped"
    display.say(
        f"{found.path.name}: {why}: their fields are matched, and {what} (as with --inverse-telecine; others are "
        "--deinterlace and --progressive)"
    )
    return "inverse-telecine"


def _rate_of_fields(found: media.Media) -> Fraction:
    """Return the frames a second of a file with its repeated fields. By them a film of 24000/1001 has 30000/1001."""
    telecined = found.frame_rate * Fraction(5, 4)
    return telecined if found.fields.repeated and is_ntsc(telecined) else found.frame_rate


def frame_times(source: Source, frames: int, rate: Fraction, display: Display) -> list[Fraction]:
    """Return when each frame of the script's output is shown, in seconds from the container's zero.

    If it has as many frames as the file whose streams are copied, it has their times. Else frames follow each other at
    one rate; so do those that are made of fields: a DVD shows frames of a film alternately for two and three fields.
    """
    times = _read_times(source, display)
    if len(times) == frames:
        return times
    if not rate:
        raise JobError(
            f"{source.script.path}: the frames have no constant rate, and there are not as many of them as in "
            f"{source.media.path if source.media else 'a file (--streams-from)'}; end the script with "
            "core.std.AssumeFPS"
        )
    if source.media and times:
        display.say(
            f"{source.media.path.name} has {count(len(times), 'frame')}, but {frames} are encoded: they do not get its "
            f"times, but follow each other at {float(rate):.6g} frames/s"
        )
    start = source.media.start if source.media else Fraction(0)
    return [start + n / Fraction(rate) for n in range(frames)]


def _read_times(source: Source, display: Display) -> list[Fraction]:
    """Return when each frame of the file is shown whose streams are copied, if that is when the result's are shown."""
    if not source.media or (source.matched and source.media.container not in media.ABSOLUTE):
        return []  # not every frame of a .vob has a time
    times = media.frame_times(source.media.path, display.say)  # of any file, to see whether it is cut off
    return [] if source.matched else times


def choose_frames(request: Request, times: Sequence[Fraction]) -> tuple[int, int]:
    """Return the first frame that is wanted, and the one behind the last."""
    first, last = ranges.parse_range(request.range, times) if request.range else (0, len(times))
    return ranges.parse_preview(request.preview, times, first, last) if request.preview else (first, last)


def known_options(source: Source, request: Request) -> Options:
    """Return the arguments of Upscale. Of a user's script only `scene_change` is known, if it was given."""
    return source.script.options if source.script.is_made_here else Options.from_text(request.arguments)


def scene_starts(source: Source, request: Request, first: int, last: int, display: Display) -> list[int]:
    """Return where scenes start, from the one that holds the first frame on."""
    options = known_options(source, request)
    if options.anchors is not None:
        before = [scene for scene in (0, *options.anchors) if scene <= first]
        return sorted({max(before), *(scene for scene in options.anchors if scene > first)})
    if source.clip is None:
        return [first]  # nobody knows; chunks have one length
    rate = Rate(last - first)
    return find_scenes(
        source.clip,
        str(request.input),
        property=options.scene_property or "",
        detect=options.detects_scenes,
        first=first,
        last=last,
        advance=lambda done: display.show(lambda: f"finding scenes: {rate.describe(done)}"),
    )

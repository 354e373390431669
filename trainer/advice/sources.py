"""Refuses sources that cannot be learned from as they are: combed frames, and pixels that are not square."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vsanimesr.episode.media import Fields, probe
from vsanimesr.errors import AnimeSRError

from ..data.clips import Clip, open_clip
from ..errors import SourceError
from .combing import Combing, measure_clip

_log = logging.getLogger(__name__)

HQ_CLIPS, HQ_PLACES = 8, 2
"""Clips of a folder that are looked at, evenly over their order, and places of each."""


def require_fit_sources(episodes: Sequence[Path], hq: Path) -> None:
    """Refuse episodes, or a folder of HQ clips, that are combed or anamorphic, all at once.

    Raises:
        SourceError: some are.
        ClipError: one cannot be read.
    """
    faults: list[str] = []
    for check, path in (*((require_fit_episode, episode) for episode in episodes), (require_fit_hq, hq)):
        try:
            check(path)
        except SourceError as error:
            faults.append(str(error))
    if faults:
        raise SourceError("\n".join(faults))


def require_fit_episode(path: Path) -> None:
    """Refuse an episode that is combed or anamorphic.

    Raises:
        SourceError: it is.
        ClipError: it cannot be read.
    """
    if clip := open_clip(path):
        _require_fit(path, measure_clip(clip))


def require_fit_hq(folder: Path) -> None:
    """Refuse a folder of HQ clips if one of those that are looked at is combed or anamorphic.

    Raises:
        SourceError: one is.
        ClipError: one cannot be read.
    """
    clips = _clips(folder)
    for path, clip in clips[:: max(len(clips) // HQ_CLIPS, 1)]:
        _require_fit(path, measure_clip(clip, HQ_PLACES))


def _clips(folder: Path) -> Sequence[tuple[Path, Clip]]:
    """Return the clips of a folder. None if it cannot be read, which training refuses with better words."""
    if not folder.is_dir():
        return []
    return [(path, clip) for path in sorted(folder.iterdir()) if (clip := open_clip(path))]


def _require_fit(path: Path, combing: Combing) -> None:
    fields, aspect = _describe_file(path)
    faults = [*_combing_fault(path, fields, combing), *_aspect_fault(aspect)]
    if faults:
        raise SourceError(f"{path} {' and '.join(faults)}. {_remedy(path)}; or, if this is a false alarm, add --as-is")


def _remedy(path: Path) -> str:
    if path.is_dir():
        return (
            "Make these pictures again from a progressive copy of their source: python -m trainer prepare VIDEO -o COPY"
        )
    return "Make a copy that is progressive and has square pixels, and use that: " + _copy_command(path)


def _copy_command(path: Path) -> str:
    return shlex.join(["python", "-m", "trainer", "prepare", str(path), "-o", f"{path.stem}-progressive.mkv"])


def _describe_file(path: Path) -> tuple[Fields, Fraction | None]:
    """Return what a file says of its fields and of the shape of its pixels. A folder of images says nothing."""
    if path.is_dir():
        return Fields(), None
    try:
        media = probe(path)
    except AnimeSRError as error:
        _log.warning("%s; only its frames are looked at", error)
        return Fields(), None
    return media.fields, media.sample_aspect


def _combing_fault(path: Path, fields: Fields, combing: Combing) -> list[str]:
    says = f"{fields.interlaced} of {fields.frames} frames say that they are interlaced"
    if combing.is_found:
        also = f"; {says}" if fields.interlaced else ", though it does not say so"
        return [f"is combed: {combing.combed} of {combing.judged} frames that move show two moments at once{also}"]
    if not fields.interlaced:
        return []
    if combing.is_excluded:
        _log.info("%s: %s, but none of %d that move is combed: it is taken as progressive", path, says, combing.judged)
        return []
    return [f"is interlaced: {says}, and in the {combing.frames} that were looked at too little moves to see it"]


def _aspect_fault(aspect: Fraction | None) -> list[str]:
    if aspect is None or aspect == 1:
        return []
    return [f"is anamorphic: its pixels are {aspect.numerator}:{aspect.denominator}, not square"]

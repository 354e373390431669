"""From an episode to pairs: its windows as they are, and as pseudo-HQ."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from vsanimesr.files import write_whole

from ..clips import Clip, Episode
from ..episode import Window, windows
from ..errors import PairError
from ..weights import opened
from . import folder
from .choice import By, Choice, Hint, read_choice
from .measures import suggested
from .rescaling import Rescaling, require_factor
from .scenes import Scene, drawn_scenes, measures_of

_log = logging.getLogger(__name__)

LENGTH = 11
"""Frames of a window; the first one begins the recurrence and is left out (facts 3.2)."""

type Picks = Callable[[Sequence[Scene], Sequence[Hint], float], float]
"""Somebody who chooses a factor, given scenes, what each factor measures, and what is suggested."""

_WINDOWS: TypeAdapter[list[Window]] = TypeAdapter(list[Window])


def make_pairs(
    episode: Episode,
    path: Path,
    *,
    model: str = "v2",
    count: int = 200,
    factor: float | None = None,
    picks: Picks | None,
) -> Choice:
    """Make what is missing of an episode's pairs.

    Args:
        episode: an LQ one.
        path: the folder of an operator. A choice that lies there holds, where no factor is given.
        model: what upscales: as `weights.opened` takes it.
        count: of windows, at most.
        factor: by which LQ is shrunk; None to choose.
        picks: who chooses; None to take what is suggested.

    Raises:
        TrainerError: the episode gives nothing to learn from, or cannot be read; the model is none; the factor is out
            of range; the folder cannot be written.
    """
    if factor is not None:
        require_factor(factor)
    rescaling = Rescaling(opened(model))
    try:
        path.mkdir(parents=True, exist_ok=True)
        found = _windows(episode, path, count)
        choice = _chosen(episode, found, rescaling, path, model, factor, picks)
        for number, window in enumerate(found):
            _log.info("pair %d of %d at x%g", number + 1, len(found), choice.factor)
            _make_pair(episode, window, rescaling, choice.factor, path)
    except OSError as error:
        raise PairError(f"{path} cannot be written ({error}); name another folder, or make room") from error
    return choice


def _windows(episode: Episode, path: Path, count: int) -> list[Window]:
    """Those of the folder, or else those of the episode."""
    file = path / folder.WINDOWS
    if file.is_file():
        try:
            return _WINDOWS.validate_json(file.read_bytes())
        except ValidationError as error:
            raise PairError(f"{file} is damaged; delete it, and the windows are chosen again") from error
    found = windows(episode, count, LENGTH)
    write_whole(file, _WINDOWS.dump_json(found, indent=2))
    return found


def _chosen(
    episode: Clip,
    found: Sequence[Window],
    rescaling: Rescaling,
    path: Path,
    model: str,
    factor: float | None,
    picks: Picks | None,
) -> Choice:
    before = read_choice(path)
    if factor is not None:
        choice = Choice(factor=factor, by="argument", model=model)
    elif before and before.model == model:
        _log.info("x%g, as was chosen before; delete %s to choose again", before.factor, path / folder.CHOICE)
        return before
    else:
        scenes = drawn_scenes(episode, found, rescaling, folder.scenes(path))
        choice = _by_scenes(scenes, model, picks)
    if before and (before.factor, before.model) != (choice.factor, choice.model):
        shutil.rmtree(folder.hq(path), ignore_errors=True)
    choice.save(path)
    return choice


def _by_scenes(scenes: Sequence[Scene], model: str, picks: Picks | None) -> Choice:
    measures = measures_of(scenes)
    hints = [Hint(factor=f, sharpness=each.sharpness, artefacts=each.artefacts) for f, each in measures.items()]
    hint = suggested(measures)
    by: By = "page" if picks else "suggestion"
    factor = picks(scenes, hints, hint) if picks else hint
    _log.info("x%g by %s; suggested is x%g", factor, by, hint)
    return Choice(factor=factor, by=by, model=model, suggested=hint, hints=tuple(hints))


def _make_pair(episode: Clip, window: Window, rescaling: Rescaling, factor: float, path: Path) -> None:
    name = f"{window.first:06}"
    hq, lq = folder.hq(path) / name, folder.lq(path) / name
    if hq.is_dir() and lq.is_dir():
        return
    pictures = episode.read(range(window.first, window.first + LENGTH))
    _write(lq, [Image.fromarray(picture) for picture in pictures[1:]])
    _write(hq, list(rescaling.pseudo_hq(pictures, factor))[1:])


def _write(clip: Path, pictures: Sequence[Image.Image]) -> None:
    """A clip, whole or not at all."""
    work = clip.parents[1] / f".{clip.parent.name}-{clip.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for n, picture in enumerate(pictures):
        picture.save(work / f"{n:08}.png")
    shutil.rmtree(clip, ignore_errors=True)
    clip.parent.mkdir(exist_ok=True)
    work.rename(clip)

"""Pairs of an episode: clips of its windows, and the same clips as pseudo-HQ."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from vsanimesr.files import write_atomic

from ..data.clips import Clip, Episode
from ..errors import PairError
from ..vsr.weights import load_network
from . import folder
from .episode import Window, find_windows
from .factor import ChoiceSource, FactorChoice, FactorHint, read_choice, suggest_factor
from .rescaling import Rescaling, require_factor
from .scenes import Scene, measure_scenes, render_scenes

_log = logging.getLogger(__name__)

WINDOW_LENGTH = 11
"""Frames of a window. The recurrence starts at the first, which is left out (docs/paper-and-release.md, 3.2)."""

type FactorPicker = Callable[[Sequence[Scene], Sequence[FactorHint], float], float]
"""Lets the user choose a factor, given scenes, the measures of each factor, and the suggested factor."""

_WINDOWS: TypeAdapter[list[Window]] = TypeAdapter(list[Window])


def make_pairs(
    episode: Episode,
    path: Path,
    *,
    model: str = "v2",
    count: int = 200,
    factor: float | None = None,
    pick_factor: FactorPicker | None,
) -> FactorChoice:
    """Make the pairs of an episode that are missing in a folder.

    Args:
        episode: an LQ episode.
        path: folder of an operator. Without `factor`, a choice in the folder is kept.
        model: network that upscales, as in `load_network`.
        count: largest number of windows.
        factor: factor of the input rescaling; None to choose one.
        pick_factor: lets the user choose; None to use the suggested factor.

    Raises:
        TrainerError: the episode cannot be read or has no suitable windows; the model cannot be loaded; the factor is
            out of range; or the folder cannot be written.
    """
    if factor is not None:
        require_factor(factor)
    rescaling = Rescaling(load_network(model))
    try:
        path.mkdir(parents=True, exist_ok=True)
        windows = _read_windows(episode, path, count)
        previous = read_choice(path)
        if factor is not None:
            choice = FactorChoice(factor=factor, by="argument", model=model)
        elif previous and previous.model == model:
            _log.info("x%g as before; delete %s to choose again", previous.factor, path / folder.CHOICE_FILE)
            choice = previous
        else:
            scenes = render_scenes(episode, windows, rescaling, folder.scenes(path))
            choice = _choose_by_scenes(scenes, model, pick_factor)
        if previous and (previous.factor, previous.model) != (choice.factor, choice.model):
            shutil.rmtree(folder.hq(path), ignore_errors=True)
        if choice != previous:
            choice.save(path)
        for number, window in enumerate(windows, 1):
            _log.info("pair %d of %d at x%g", number, len(windows), choice.factor)
            _make_pair(episode, window, rescaling, choice.factor, path)
    except OSError as error:
        raise PairError(f"{path} cannot be written ({error}); name another folder, or free some space") from error
    return choice


def _read_windows(episode: Episode, path: Path, count: int) -> list[Window]:
    """Read the windows from the folder, or find them in the episode and write them."""
    file = path / folder.WINDOWS_FILE
    if file.is_file():
        try:
            return _WINDOWS.validate_json(file.read_bytes())
        except ValidationError as error:
            raise PairError(f"{file} is damaged; delete it to find the windows again") from error
    windows = find_windows(episode, count, WINDOW_LENGTH)
    write_atomic(file, _WINDOWS.dump_json(windows, indent=2))
    return windows


def _choose_by_scenes(scenes: Sequence[Scene], model: str, pick_factor: FactorPicker | None) -> FactorChoice:
    measures = measure_scenes(scenes)
    hints = [FactorHint(factor=f, sharpness=each.sharpness, artefacts=each.artefacts) for f, each in measures.items()]
    suggested = suggest_factor(measures)
    by: ChoiceSource = "page" if pick_factor else "suggestion"
    factor = pick_factor(scenes, hints, suggested) if pick_factor else suggested
    _log.info("x%g by %s; the suggested factor is x%g", factor, by, suggested)
    return FactorChoice(factor=factor, by=by, model=model, suggested=suggested, hints=tuple(hints))


def _make_pair(episode: Clip, window: Window, rescaling: Rescaling, factor: float, path: Path) -> None:
    name = f"{window.first:06}"
    hq, lq = folder.hq(path) / name, folder.lq(path) / name
    if hq.is_dir() and lq.is_dir():
        return
    frames = episode.read(range(window.first, window.first + WINDOW_LENGTH))
    _write_clip(lq, [Image.fromarray(frame) for frame in frames[1:]])
    _write_clip(hq, list(rescaling.pseudo_hq(frames, factor))[1:])


def _write_clip(clip: Path, pictures: Sequence[Image.Image]) -> None:
    """Write a clip atomically: the folder appears when it is complete."""
    work = clip.parents[1] / f".{clip.parent.name}-{clip.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for n, picture in enumerate(pictures):
        picture.save(work / f"{n:08}.png")
    shutil.rmtree(clip, ignore_errors=True)
    clip.parent.mkdir(exist_ok=True)
    work.rename(clip)

"""Pairs of an episode: clips of its windows, and the same clips as pseudo-HQ."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

from vsanimesr.files import write_atomic
from vsanimesr.network.colour import Colour
from vsanimesr.network.torch_network import AnimeSR

from ..data.clips import Clip, Episode, Frame
from ..errors import PairError
from ..origin import Origin, differences, digest_tensors, read_origin
from ..settings import Settings
from ..vsr.weights import load_network
from . import folder
from .episode import Window, find_windows
from .factor import ChoiceSource, FactorChoice, FactorHint, Suggestion, read_choice
from .pictures import keep_only, renew_clips, write_pictures
from .rescaling import Rescaling, require_factor
from .scenes import Scene, measure_scenes, render_scenes
from .suggestion import suggest_factor

_log = logging.getLogger(__name__)

WINDOW_LENGTH = 11
"""Frames of a window. The recurrence starts at the first, which is left out (docs/paper-and-release.md, 3.2)."""

type FactorPicker = Callable[[Sequence[Scene], Sequence[FactorHint], Suggestion], float]
"""Lets the user choose a factor, given scenes, the measures of each factor, and the suggestion."""

FORMAT = "3"
"""Version of what this package makes of an episode. Raise it if windows, scenes, suggestions or pairs can change."""
MEASURED_WITH = "v2"
"""Network that suggestions of a factor were measured with (docs/reports/factors.md)."""
COUNT, COLOUR = "windows", "colour"
"""Names of the number of windows, and of whose colours pseudo-HQ has, in origins."""


class FoundWindows(Settings):
    """The windows of an episode, as they are kept in the folder of an operator."""

    origin: dict[str, str]
    """What they were found by."""
    windows: list[Window]


def make_pairs(
    episode: Episode,
    path: Path,
    *,
    model: str = "v2",
    count: int = 200,
    factor: float | None = None,
    pick_factor: FactorPicker | None,
    colour: Colour = "source",
) -> FactorChoice:
    """Make the pairs of an episode. What the folder holds is kept if it was made of the same.

    Args:
        episode: an LQ episode.
        path: folder of an operator.
        model: network that upscales, as in `load_network`.
        count: largest number of windows.
        factor: factor of the input rescaling; None to choose one. A choice in the folder is kept if it was made the
            same way, by the same episode, model and count.
        pick_factor: lets the user choose; None to use the suggested factor.
        colour: whose colours pseudo-HQ has. Networks shift colours (docs/colours.md), and an operator takes the shift
            for a fault of the episode: what is trained with it then shifts them farther.

    Raises:
        TrainerError: the episode cannot be read or has no suitable windows; the model cannot be loaded; the factor is
            out of range; or the folder cannot be written.
    """
    if factor is not None:
        require_factor(factor)
    network = load_network(model)
    rescaling = Rescaling(network)
    source, made_of = _source(episode), describe_pseudo_hq(episode, network)
    try:
        path.mkdir(parents=True, exist_ok=True)
        windows = _find_windows(episode, path, source, count)
        if factor is not None:
            choice = FactorChoice(factor=factor, by="argument", model=model)
        else:
            by: ChoiceSource = "page" if pick_factor else "suggestion"
            origin = made_of | {COUNT: str(count), "choice": by}
            choice = _kept_choice(path, origin) or _choose_by_scenes(
                render_scenes(episode, windows, rescaling, folder.scenes(path), made_of),
                *(model, pick_factor, origin),
            )
        choice.save(path)
        pairs_of = made_of | {"factor": str(choice.factor), COLOUR: colour}
        _renew_pairs(path, pairs_of, windows, count)
        for number, window in enumerate(windows, 1):
            _log.info("pair %d of %d at x%g", number, len(windows), choice.factor)
            _make_pair(episode, window, partial(rescaling.pseudo_hq, factor=choice.factor, colour=colour), path)
    except OSError as error:
        raise PairError(f"{path} cannot be written ({error}); name another folder, or free some space") from error
    return choice


def read_difference(
    episode: Episode,
    path: Path,
    *,
    model: str = "v2",
    count: int = 200,
    factor: float | None = None,
    colour: Colour = "source",
) -> str:
    """Return what the pairs in a folder are made of otherwise than `make_pairs` would make them without a page; "" if
    it would keep them, or if there are none.

    Raises:
        TrainerError: the episode or the model cannot be read.
    """
    before = read_origin(folder.pairs(path))
    if not before:
        return ""
    made_of = describe_pseudo_hq(episode, load_network(model)) | {COUNT: str(count)}
    previous = read_choice(path)
    if factor is not None:
        chosen = str(factor)
    elif previous and not differences(previous.origin, made_of | {"choice": "suggestion"}):
        chosen = str(previous.factor)
    else:
        chosen = "a new suggestion"
    now = made_of | {"factor": chosen, COLOUR: colour}
    return differences({name: text for name, text in before.items() if name != folder.CLIPS}, now)


def count_missing(path: Path, count: int) -> int:
    """Return how many pairs a folder has still to get, at most.

    Args:
        count: largest number of windows.
    """
    wanted = int(read_origin(folder.pairs(path)).get(folder.CLIPS, count))
    return max(0, wanted - len(list(folder.hq(path).glob("*"))))


def describe_pseudo_hq(episode: Episode, network: AnimeSR) -> Origin:
    """Return what pseudo-HQ is made of, except the factor.

    Raises:
        ClipError: the episode cannot be read.
    """
    return _source(episode) | {"model": digest_tensors(network.state_dict())}


def _source(episode: Episode) -> Origin:
    return {"format": FORMAT, "episode": f"{len(episode)} frames, {episode.digest()}"}


def _find_windows(episode: Episode, path: Path, source: Origin, count: int) -> list[Window]:
    """Read the windows from the folder, or find them in the episode and write them."""
    file = path / folder.WINDOWS_FILE
    origin = source | {COUNT: str(count)}
    with suppress(FileNotFoundError, ValidationError):
        found = FoundWindows.model_validate_json(file.read_bytes())
        if not (difference := differences(found.origin, origin)):
            return found.windows
        _log.info("%s is made again: %s", file, difference)
    windows = find_windows(episode, count, WINDOW_LENGTH)
    write_atomic(file, FoundWindows(origin=origin, windows=windows).model_dump_json(indent=2).encode())
    return windows


def _kept_choice(path: Path, origin: Origin) -> FactorChoice | None:
    """Return the choice in the folder if it was made by this origin."""
    previous = read_choice(path)
    if previous is None or previous.by == "argument":
        return None
    file = path / folder.CHOICE_FILE
    if difference := differences(previous.origin, origin):
        _log.info("the factor of %s is chosen again: %s", file, difference)
        return None
    _log.info("x%g as before; delete %s to choose again", previous.factor, file)
    return previous


def _choose_by_scenes(
    scenes: Sequence[Scene], model: str, pick_factor: FactorPicker | None, origin: Origin
) -> FactorChoice:
    suggestion = suggest_factor(scenes)
    _log.info("%s", suggestion.describe())
    if model != MEASURED_WITH:
        _log.warning(
            "suggestions were measured with %s, not with %s: look at the page of lbo pairs, or give --factor",
            *(MEASURED_WITH, model),
        )
    hints = measure_scenes(scenes)
    by: ChoiceSource = "page" if pick_factor else "suggestion"
    factor = pick_factor(scenes, hints, suggestion) if pick_factor else suggestion.factor
    _log.info("x%g by the %s", factor, by)
    return FactorChoice(factor=factor, by=by, model=model, suggestion=suggestion, hints=hints, origin=origin)


def _renew_pairs(path: Path, made_of: Origin, windows: Sequence[Window], count: int) -> None:
    """Remove the clips that are made of something else, or of windows that are no longer used."""
    notes = {COUNT: str(count), folder.CLIPS: str(len(windows))}
    parts = folder.lq(path), folder.hq(path)
    renew_clips(folder.pairs(path), parts, made_of, notes)
    for part in parts:
        keep_only(part, {_name(window) for window in windows})


def _make_pair(
    episode: Clip, window: Window, pseudo_hq: Callable[[Sequence[Frame]], Iterator[Image.Image]], path: Path
) -> None:
    hq, lq = folder.hq(path) / _name(window), folder.lq(path) / _name(window)
    if hq.is_dir() and lq.is_dir():
        return
    frames = episode.read(range(window.first, window.first + WINDOW_LENGTH))
    _write_clip(lq, [Image.fromarray(frame) for frame in frames[1:]])
    _write_clip(hq, list(pseudo_hq(frames))[1:])


def _name(window: Window) -> str:
    return f"{window.first:06}"


def _write_clip(clip: Path, pictures: Sequence[Image.Image]) -> None:
    write_pictures(clip, {f"{n:08}.png": picture for n, picture in enumerate(pictures)})

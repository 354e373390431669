"""Which parts of an episode to learn from: short windows in which something moves, from all of its shots.

Source: the paper's sections 3 and 4.1, facts 3.2. Facts 5.2 are how the release prepares clips; none of its measures is
used here: a shot's last part counts too, no window runs across a cut, and there is no motion across one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from . import shots
from .clips import Episode, Picture
from .errors import EpisodeError
from .shots import Thumbnails, cuts

_log = logging.getLogger(__name__)

WIDTH, HEIGHT = 2 * shots.WIDTH, 2 * shots.HEIGHT
"""Of the pictures that are looked at."""
LEVELS = 8
"""Of each colour, in a histogram."""
SHARE = 0.02
"""Of the pixels, those that change most tell how much moves: a mouth that opens counts as a pan does."""
MOVED = 4.0, 12.0
"""Grey levels from which such a change is a new drawing: at least, as codecs change held drawings too; and at most."""
CALM = 0.25
"""The share of frames that is taken for held drawings, in which nothing but noise changes."""
NOISE = 7.0
"""So many times the mean change of a held drawing is a new one; those pixels of noise have 3 to 5 times."""
CHANGES = 2
"""Drawings that have to be new within a window."""
MOST_MOTION = 40.0
"""More motion than this is no better."""
FLAT = 0.9
"""A picture with so large a share of pixels of one shade shows nothing."""
SHADES = 32


@dataclass(frozen=True)
class Look:
    """What is kept of an episode's frames: a few figures of each."""

    numbers: NDArray[np.int64]
    """(frames,): in the episode; those that cannot be decoded are missing."""
    begins: NDArray[np.bool_]
    """(frames,): whether a shot begins with it."""
    motion: NDArray[np.float32]
    """(frames,): grey levels by which it differs from the one before, where that is most."""
    change: NDArray[np.float32]
    """(frames,): the same on average."""
    fullest: NDArray[np.float32]
    """(frames,): the share of its pixels that are of the commonest shade."""
    colours: NDArray[np.float32]
    """(frames, 3 * LEVELS): a histogram of each colour, as shares."""


@dataclass(frozen=True)
class Window:
    """Consecutive frames of one shot."""

    first: int
    shot: int
    motion: float
    """In grey levels: how much its pictures change, on average, where they change most."""


def windows(episode: Episode, count: int = 200, length: int = 11) -> list[Window]:
    """Windows of an episode in order, none overlapping another; the same for the same episode.

    A window has no cut, no picture that is nearly of one shade, and new drawings in it. Every shot gives one before any
    shot gives a second; where there are more shots than windows, those are taken that look least like those already
    taken. Within a shot, what moves more comes first, up to what a fast pan moves.

    Args:
        count: of windows, at most.
        length: of each, in frames.

    Raises:
        EpisodeError: there is none.
        ClipError: a frame cannot be read.
    """
    look = looked_at(episode.stream(WIDTH, HEIGHT))
    found = chosen(look, count, length, episode.name)
    fewer = f" ({count} were asked for: it holds no more)" if len(found) < count else ""
    _log.info(
        "%s: %d windows of %d frames%s, from %d of %d shots, in %d frames",
        *(episode.name, len(found), length, fewer, len({window.shot for window in found})),
        *(int(look.begins.sum()), len(look.numbers)),
    )
    return found


def looked_at(pictures: Iterable[tuple[int, Picture]]) -> Look:
    """What is kept of each picture, WIDTH x HEIGHT; meanwhile a quarter of each: 60 MB of an episode of 35000."""
    numbers, thumbnails, motion, change, fullest, colours = [], [], [], [], [], []
    before: NDArray[np.uint8] | None = None
    for number, picture in pictures:
        luma = (picture @ np.array([77, 150, 29], np.uint16) >> 8).astype(np.uint8)
        shades = picture.reshape(-1, 3) // (256 // LEVELS)
        numbers.append(number)
        thumbnails.append(picture.reshape(shots.HEIGHT, 2, shots.WIDTH, 2, 3).mean((1, 3)).astype(np.uint8))
        changed = np.sort(np.abs(luma.astype(np.int16) - (luma if before is None else before)), None)
        motion.append(changed[-round(SHARE * changed.size) :].mean())
        change.append(changed.mean())
        fullest.append(_fullest_shade(luma))
        colours.append(np.concatenate([np.bincount(each, minlength=LEVELS) for each in shades.T]) / len(shades))
        before = luma
    return Look(
        np.array(numbers, np.int64),
        _begins(numbers, np.array(thumbnails, np.uint8)),
        np.array(motion, np.float32),
        np.array(change, np.float32),
        np.array(fullest, np.float32),
        np.array(colours, np.float32),
    )


def chosen(look: Look, count: int, length: int, name: str) -> list[Window]:
    """The windows, by what was kept.

    Args:
        name: of the episode, for errors.

    Raises:
        EpisodeError: there is none.
    """
    frames = len(look.numbers)
    if frames < length:
        raise EpisodeError(f"{name} has {frames} frames, and {length} are the least; name a longer episode")
    if look.fullest.min() >= FLAT:
        raise EpisodeError(
            f"every one of the {frames} frames of {name} is nearly of one shade (black?); name an episode that shows "
            "something"
        )
    by_shot = _by_shot(look, length)
    if not by_shot:
        moving = int(_moved(look).sum())
        raise EpisodeError(
            f"{name} has no {length} frames of one shot with {CHANGES} new drawings in them ({moving} of its {frames} "
            "frames are new, most is still or dark); name an episode in which more moves"
        )
    taken: list[Window] = []
    while by_shot and len(taken) < count:
        turn = [shot[0] for shot in by_shot]
        taken += _spread(turn, taken, look, length, count - len(taken))
        by_shot = [shot[1:] for shot in by_shot if len(shot) > 1]
    return sorted(taken, key=lambda window: window.first)


def _begins(numbers: Sequence[int], thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """At cuts, and where frames are missing."""
    begins = np.zeros(len(numbers), np.bool_)
    begins[cuts(thumbnails)] = True
    begins[1:] |= np.diff(numbers) != 1
    return begins


def _by_shot(look: Look, length: int) -> list[list[Window]]:
    """For each shot that has any: its windows, what moves most first."""
    shown = look.fullest < FLAT
    moved = _moved(look)
    by_shot = []
    for shot, (begin, end) in enumerate(pairwise([*np.flatnonzero(look.begins).tolist(), len(look.numbers)])):
        found = []
        first = begin
        while first + length <= end:
            if shown[first : first + length].all() and moved[first + 1 : first + length].sum() >= CHANGES:
                motion = look.motion[first + 1 : first + length].clip(max=MOST_MOTION).mean()
                found.append(Window(int(look.numbers[first]), shot, float(motion)))
                first += length
            else:
                first += 1
        if found:
            by_shot.append(sorted(found, key=lambda window: -window.motion))
    return by_shot


def _moved(look: Look) -> NDArray[np.bool_]:
    """For each frame, whether it has a new drawing."""
    noise = float(np.quantile(look.change[1:], CALM)) if len(look.change) > 1 else 0.0
    least, most = MOVED
    return look.motion >= min(max(least, NOISE * noise), most)


def _fullest_shade(luma: NDArray[np.uint8]) -> float:
    """The share of pixels of the commonest shade, which may lie across the border of two."""
    counts = np.bincount(luma.ravel() // (256 // SHADES), minlength=SHADES)
    return float((counts[:-1] + counts[1:]).max() / luma.size)


def _spread(turn: Sequence[Window], taken: Sequence[Window], look: Look, length: int, count: int) -> list[Window]:
    """All of them; or of too many those whose colours are farthest from those taken before them."""
    if len(turn) <= count:
        return list(turn)
    looks = _looks(turn, look, length)
    chosen = [] if taken else [max(range(len(turn)), key=lambda n: turn[n].motion)]
    before = _looks([*taken, *(turn[n] for n in chosen)], look, length)
    nearest = np.abs(looks[:, None] - before).sum(2).min(1)
    while len(chosen) < count:
        nearest[chosen] = -1  # two shots may look the same
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.abs(looks - looks[chosen[-1]]).sum(1))
    return [turn[n] for n in chosen]


def _looks(some: Sequence[Window], look: Look, length: int) -> NDArray[np.float32]:
    """(windows, 3 * LEVELS): the colours of each."""
    begins = np.searchsorted(look.numbers, [window.first for window in some])
    return np.array([look.colours[begin : begin + length].mean(0) for begin in begins])

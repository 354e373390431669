"""Which parts of an episode to learn from: short windows in which something moves, from all of its shots.

Source: the paper's sections 3 and 4.1, facts 3.2.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .clips import Episode, Picture
from .errors import EpisodeError
from .shots import Thumbnails, cuts, difference

_log = logging.getLogger(__name__)

WIDTH, HEIGHT = 48, 27
"""Of a thumbnail."""
LEVELS = 8
"""Of each colour, in a histogram."""
MOVED = 4.0
"""Grey levels, of the share of pixels that change most: below is what noise and a codec do to a held drawing."""
SHARE = 0.02
CHANGES = 2
"""Drawings that have to be new within a window."""
MOST_MOTION = 40.0
"""More motion than this is no better."""
FLAT = 0.9
"""A picture with so large a share of pixels of one shade shows nothing."""
SHADES = 32


@dataclass(frozen=True)
class Look:
    """What is kept of an episode's frames."""

    thumbnails: Thumbnails
    colours: NDArray[np.float32]
    """(frames, 3 * LEVELS): a histogram of each colour, as shares."""


@dataclass(frozen=True)
class Window:
    """Consecutive frames of one shot."""

    first: int
    shot: int
    motion: float
    """In grey levels: how much its pictures change, on average, where they change most."""


def windows(episode: Episode, count: int, length: int) -> list[Window]:
    """Windows of an episode in order, none overlapping another.

    A window has no cut, no picture that is nearly of one shade, and new drawings in it. Every shot gives one before any
    shot gives a second; where there are more shots than windows, those are taken that look least like those already
    taken. Within a shot, what moves more comes first.

    Args:
        count: of windows, at most.
        length: of each, in frames.

    Raises:
        EpisodeError: there is none.
        ClipError: a frame cannot be read.
    """
    look = looked_at(episode.stream(WIDTH, HEIGHT))
    found = chosen(look, count, length, episode.name)
    _log.info("%s: %d windows of %d frames out of %d", episode.name, len(found), length, len(look.thumbnails))
    return found


def looked_at(pictures: Iterable[Picture]) -> Look:
    """What is kept of each picture: little, so that an episode fits into memory."""
    thumbnails, colours = [], []
    for picture in pictures:
        thumbnails.append((picture @ np.array([77, 150, 29], np.uint16) >> 8).astype(np.uint8))
        shades = picture.reshape(-1, 3) // (256 // LEVELS)
        colours.append(np.concatenate([np.bincount(each, minlength=LEVELS) for each in shades.T]) / len(shades))
    none = np.empty((0, HEIGHT, WIDTH), np.uint8)
    return Look(np.array(thumbnails or none, np.uint8), np.array(colours, np.float32))


def chosen(look: Look, count: int, length: int, name: str) -> list[Window]:
    """The windows, by what was kept.

    Args:
        name: of the episode, for errors.

    Raises:
        EpisodeError: there is none.
    """
    frames = len(look.thumbnails)
    if frames < length:
        raise EpisodeError(f"{name} has {frames} frames, and {length} are the least; name a longer episode")
    shown = np.array([_fullest_shade(each) < FLAT for each in look.thumbnails])
    if not shown.any():
        raise EpisodeError(
            f"every one of the {frames} frames of {name} is nearly of one shade (black?); name an episode that shows "
            "something"
        )
    motion = _motion(look.thumbnails)
    by_shot = _by_shot(look.thumbnails, shown, motion, length)
    if not by_shot:
        moving = int((motion >= MOVED).sum())
        raise EpisodeError(
            f"{name} has no {length} frames of one shot with {CHANGES} new drawings in them ({moving} of its {frames} "
            "frames are new, most is still or dark); name an episode in which more moves"
        )
    taken: list[Window] = []
    while by_shot and len(taken) < count:
        turn = [shot[0] for shot in by_shot]
        taken += _spread(turn, look.colours, length, count - len(taken))
        by_shot = [shot[1:] for shot in by_shot if len(shot) > 1]
    return sorted(taken, key=lambda window: window.first)


def _by_shot(
    thumbnails: Thumbnails, shown: NDArray[np.bool_], motion: NDArray[np.float32], length: int
) -> list[list[Window]]:
    """For each shot that has any: its windows, what moves most first."""
    begins = [*cuts(thumbnails), len(thumbnails)]
    shots = []
    for number, (begin, end) in enumerate(pairwise(begins)):
        found = []
        for first in range(begin, end - length + 1, length):
            within = motion[first + 1 : first + length]
            if shown[first : first + length].all() and (within >= MOVED).sum() >= CHANGES:
                found.append(Window(first, number, float(within.clip(max=MOST_MOTION).mean())))
        if found:
            shots.append(sorted(found, key=lambda window: -window.motion))
    return shots


def _motion(thumbnails: Thumbnails) -> NDArray[np.float32]:
    """For each frame: the change since the one before, where it is largest; a mouth that opens counts as a pan does."""
    motion = np.zeros(len(thumbnails), np.float32)
    most = max(1, round(SHARE * WIDTH * HEIGHT))
    for n in range(1, len(thumbnails)):
        changed = difference(thumbnails[n - 1], thumbnails[n]).ravel()
        motion[n] = np.partition(changed, -most)[-most:].mean()
    return motion


def _fullest_shade(thumbnail: NDArray[np.uint8]) -> float:
    """The share of pixels of the commonest shade, which may lie across the border of two."""
    counts = np.bincount(thumbnail.ravel() // (256 // SHADES), minlength=SHADES)
    return float((counts[:-1] + counts[1:]).max() / thumbnail.size)


def _spread(turn: Sequence[Window], colours: NDArray[np.float32], length: int, count: int) -> list[Window]:
    """All of them; or of too many those whose colours are farthest from those taken before them."""
    if len(turn) <= count:
        return list(turn)
    looks = np.array([colours[window.first : window.first + length].mean(0) for window in turn])
    taken = [max(range(len(turn)), key=lambda n: turn[n].motion)]
    nearest = np.abs(looks - looks[taken[0]]).sum(1)
    while len(taken) < count:
        taken.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.abs(looks - looks[taken[-1]]).sum(1))
        nearest[taken] = -1  # two shots may look the same
    return [turn[n] for n in taken]

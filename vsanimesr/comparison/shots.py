"""A frame of the page: its pictures, cropped where they would take too many bytes, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clips import Clip, describe_frame, read_rgb
from .differences import find_places
from .images import MAX_SIDE, data_uri, encode_image
from .metrics import Metrics, measure

type Kind = Literal["nearest", "bicubic", "own"]

WINDOW = 6
"""A place is this part of the frame's width and height."""
SMALLEST_CROP = 64  # pixels a side
SAMPLE = 1 / 16
"""Share of the frame that is encoded first, to estimate what the frame takes."""
MORE_DETAIL = 1.3
"""By which the sample, where the clips differ most, is expected to take more bytes a pixel than a larger part."""


class Box(NamedTuple):
    """A part of a frame, in pixels of the page: those of the largest clip."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, place: tuple[int, int]) -> bool:
        """Return whether a column and row lie in the box."""
        return 0 <= place[0] - self.x < self.width and 0 <= place[1] - self.y < self.height


@dataclass(frozen=True)
class View:
    """A picture that each frame is shown as."""

    label: str
    clip: Clip
    kind: Kind
    """`nearest`: the clip's own pixels, which the page enlarges; `bicubic`: enlarged; `own`: of the page's size."""
    reference: bool = False


class Picture(NamedTuple):
    """A lossless image, and where it lies in the frame."""

    image: bytes
    box: Box


@dataclass(frozen=True)
class Shot:
    """A frame as the page shows it. Pictures and metrics are those of the views, in their order."""

    n: int
    crop: Box
    places: Sequence[tuple[int, int]]
    """Where the results differ most, within the crop."""
    pictures: Sequence[Picture]
    metrics: Sequence[Metrics | None]
    """None for the reference, and for `nearest`."""
    props: Sequence[Sequence[tuple[str, str]]]


def list_views(clips: Sequence[Clip], reference: Clip | None) -> list[View]:
    """Return what is shown of each clip, in order; the reference comes last.

    The smallest clip is the source, unless all have one size. It is shown as it is and by bicubic; other clips that are
    smaller than the largest, by bicubic.
    """
    every = [*clips, *([reference] if reference else [])]
    size = page_size(every)
    smallest = min(_area(clip) for clip in every)
    views = []
    for clip in every:
        if clip.size == size:
            views.append(View(clip.label, clip, "own", clip is reference))
            continue
        if _area(clip) == smallest and clip is not reference:
            views.append(View(f"{clip.label} (nearest)", clip, "nearest"))
        views.append(View(f"{clip.label} (bicubic)", clip, "bicubic", clip is reference))
    return views


def page_size(clips: Sequence[Clip]) -> tuple[int, int]:
    """Return width and height of the largest clip."""
    return max((clip.size for clip in clips), key=lambda size: (size[0] * size[1], size))


def compared_views(views: Sequence[View]) -> list[View]:
    """Return the views whose differences count.

    They are those of the largest size, without the reference. If there is only one, those by bicubic count too, and if
    there is still only one, the reference.
    """
    enlarged = [view for view in views if view.kind != "nearest"]
    shown = [view for view in enlarged if not view.reference]
    results = [view for view in shown if view.kind == "own"]
    return next(each for each in (results, shown, enlarged) if len(each) > 1)


def take_shot(views: Sequence[View], size: tuple[int, int], n: int, budget: int) -> Shot:
    """Read frame n of all views, find where they differ, measure them, and encode them.

    Args:
        size: width and height of the page's pictures.
        budget: bytes that the images of this frame may take. The frame is cropped to fit.

    Raises:
        OptionError: a frame cannot be read.
        MissingDependencyError: a package of the extra is not installed.
    """
    frames = [_read(view, size, n) for view in views]
    compared = compared_views(views)
    chosen = [frame for view, frame in zip(views, frames, strict=True) if view in compared]
    window = window_of(size)
    places = find_places(chosen, window) if len(chosen) > 1 else [(size[0] // 2, size[1] // 2)]
    reference = next((frame for view, frame in zip(views, frames, strict=True) if view.reference), None)
    metrics = [
        None if reference is None or view.reference or view.kind == "nearest" else measure(frame, reference)
        for view, frame in zip(views, frames, strict=True)
    ]
    crop, pictures = _encode(frames, size, places[0], budget)
    places = [place for place in places if crop.holds(place)]
    return Shot(n, crop, places, pictures, metrics, [describe_frame(view.clip, n) for view in views])


def window_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a place in a frame of this size."""
    width, height = size
    return max(1, width // WINDOW), max(1, height // WINDOW)


def crop_around(size: tuple[int, int], place: tuple[int, int], share: float) -> Box:
    """Return a box with this share of the frame's area, at the place as far as the frame allows.

    It has the frame's shape, and begins and ends at whole pixels.
    """
    sides = [min(side, MAX_SIDE, max(SMALLEST_CROP, round(side * sqrt(share)))) for side in size]
    starts = [min(max(0, at - side // 2), full - side) for at, side, full in zip(place, sides, size, strict=True)]
    return Box(starts[0], starts[1], sides[0], sides[1])


def cut_out(frame: NDArray[np.uint8], size: tuple[int, int], crop: Box) -> tuple[NDArray[np.uint8], Box]:
    """Return the pixels of a frame that show within the crop, and the box that they fill.

    Args:
        frame: (height, width, 3), of the page's size or smaller.
        size: width and height of the page's pictures.
    """
    height, width = frame.shape[:2]
    across, down = Fraction(size[0], width), Fraction(size[1], height)
    left, right = floor(crop.x / across), min(width, ceil((crop.x + crop.width) / across))
    top, bottom = floor(crop.y / down), min(height, ceil((crop.y + crop.height) / down))
    box = Box(float(left * across), float(top * down), float((right - left) * across), float((bottom - top) * down))
    return frame[top:bottom, left:right], box


def _read(view: View, size: tuple[int, int], n: int) -> NDArray[np.uint8]:
    clip = view.clip
    return read_rgb(clip.path, clip.to_rgb24(None if view.kind == "nearest" else size), n)


def _encode(
    frames: Sequence[NDArray[np.uint8]], size: tuple[int, int], place: tuple[int, int], budget: int
) -> tuple[Box, list[Picture]]:
    """Encode the frames, whole if they fit the budget, else a part around the place."""
    crop = crop_around(size, place, SAMPLE)
    needed = _bytes(_encode_part(frames, size, crop)) * (size[0] * size[1]) / (crop.width * crop.height)
    share = min(1.0, MORE_DETAIL * budget / needed)
    while True:
        crop = crop_around(size, place, share)
        pictures = _encode_part(frames, size, crop)
        total = _bytes(pictures)
        if total <= budget or max(crop.width, crop.height) <= SMALLEST_CROP:
            return crop, pictures
        share *= min(0.9, 0.95 * budget / total)


def _encode_part(frames: Sequence[NDArray[np.uint8]], size: tuple[int, int], crop: Box) -> list[Picture]:
    parts = [cut_out(frame, size, crop) for frame in frames]
    return [Picture(encode_image(np.ascontiguousarray(pixels)), box) for pixels, box in parts]


def _bytes(pictures: Sequence[Picture]) -> int:
    """Return the bytes that the pictures take in the page."""
    return sum(len(data_uri(picture.image)) for picture in pictures)


def _area(clip: Clip) -> int:
    width, height = clip.size
    return width * height

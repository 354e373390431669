"""Temporal measures of a clip: warping error, flicker of held areas, stability of lines.

What moves, and what is held, is found once for each clip, in its HQ or, without HQ, in its LR frames. So it is the same
for all upscalers, and no upscaler can hide behind a flow of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from ..data.uint8 import UINT8_MAX, frame_luma
from ..previews import enlarge_pixels
from ..vsr.scorer import STILL
from .look import held_pixels

WARPING, FLICKER, LINES = "warping_error", "flicker", "line_stability"

CONSISTENT, TOLERANCE = 0.01, 0.5
"""A pixel is seen in both frames if the flow there and back ends nearer to it, in squared pixels, than this share of
the squared lengths of both, and this (Sundaram et al. 2010)."""
LINE = 9
"""Pixels of SR; darker lines that are narrower count as lines."""
FAINT = 10 / UINT8_MAX
"""Lines that are darker than their surroundings by less are texture or noise."""
LEAST_INK = 0.0005
"""Mean ink of the frames of a clip, of which 1 is black. With less, hardly a line is there, and what is tells nothing:
of our eight held-out drawn clips, that with the fewest lines has 0.007."""


class Motion(NamedTuple):
    """What happens from a frame to the next, at the size of the frames it was found in."""

    flow: Tensor
    """Where each pixel was in the frame before, float16 (2, height, width): columns, then rows, in pixels."""
    seen: Tensor
    """Whether it was seen there, bool (height, width)."""
    held: Tensor
    """Whether the frame before shows the same there, bool (height, width)."""


@dataclass(frozen=True)
class Reference:
    """The frames of a clip that motion is found in.

    Args:
        frames: HQ or LR, uint8 (frames, 3, height, width).
        scale: by which SR is larger: 1 for HQ, 4 for LR.
    """

    frames: Tensor
    scale: int

    @cached_property
    def motions(self) -> list[Motion]:
        """The motion from each frame to the next."""
        return list(self._find())

    @cached_property
    def has_lines(self) -> bool:
        """Whether there are lines whose stability can be told."""
        width = LINE // self.scale | 1
        inks = [float(find_ink(frame.float() / UINT8_MAX, width).mean()) for frame in torch.split(self.frames, 1)]
        return sum(inks) / len(inks) >= LEAST_INK

    def _find(self) -> Iterator[Motion]:
        flows = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        lumas = frame_luma(self.frames.movedim(1, -1).numpy())
        for n in range(1, len(lumas)):
            back, forth = (
                torch.from_numpy(flows.calc(*pair, None)).movedim(-1, 0)  # type: ignore[call-overload]
                for pair in ((lumas[n], lumas[n - 1]), (lumas[n - 1], lumas[n]))
            )
            held = self._held(self.frames[n - 1 : n], self.frames[n : n + 1])
            back = torch.where(held, 0, back)
            yield Motion(back.half(), held | _seen_in_both(back, forth), held)

    def _held(self, before: Tensor, now: Tensor) -> Tensor:
        if self.scale > 1:
            return held_pixels(*(frame.float().mean(1, keepdim=True) / UINT8_MAX for frame in (before, now)))[0, 0]
        return (now.int() - before.int()).abs().amax(1)[0] <= STILL


class TemporalMeasures:
    """Measures SR frames, which are added in order.

    All are means over pixels, of pairs of neighbouring frames:

    * warping error: the root of the mean squared difference between a frame and the one before, moved along the flow,
      where both show the same (Lai et al. 2018), in grey levels. It also holds what the flow misses, so HQ has one
      too, and it is smaller for blurred frames.
    * flicker: the mean absolute change where the reference is held, in grey levels.
    * line stability: 1 minus the part of the ink that changes, where ink is how much darker a narrow line is than what
      surrounds it. 1 for lines that move along the flow and change in nothing else. It is a measure of our own: the
      amount of ink divides out, so that blurred lines gain less than in warping error. A clip without lines has none.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._motions = iter(reference.motions)
        self._scale = reference.scale
        self._before: Tensor | None = None
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, frame: Tensor) -> None:
        """Add the next frame.

        Args:
            frame: float32 (1, 3, height, width) in [0, 1].
        """
        if self._before is not None:
            self._compare(self._before, frame, next(self._motions))
        self._before = frame

    def values(self) -> Mapping[str, float]:
        """Return the measures of all frames so far, without those that nothing in the clip is there for."""
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        found: dict[str, float] = {}
        if WARPING in means:
            found[WARPING] = UINT8_MAX * means[WARPING] ** 0.5
        if FLICKER in means:
            found[FLICKER] = UINT8_MAX * means[FLICKER]
        if LINES in means and self._reference.has_lines:
            found[LINES] = 1 - means[LINES]
        return found

    def _compare(self, before: Tensor, now: Tensor, motion: Motion) -> None:
        flow, seen, held = (each.to(now.device) for each in motion)
        flow = flow.float()
        if self._scale > 1:
            flow = self._scale * functional.interpolate(flow[None], scale_factor=self._scale, mode="bilinear")[0]
            seen, held = (enlarge_pixels(each, self._scale) for each in (seen, held))
        moved = warp(before, flow).clamp(0, 1)
        self._add(WARPING, (now - moved).square().mean(1)[0][seen])
        self._add(FLICKER, (now - before).abs().mean(1)[0][held])
        ink, ink_before = find_ink(now), warp(find_ink(before), flow).clamp(min=0)
        changed, total = (ink - ink_before).abs()[0, 0][seen], (ink + ink_before)[0, 0][seen]
        self._add(LINES, changed, float(total.sum(dtype=torch.float64)))

    def _add(self, name: str, values: Tensor, count: float | None = None) -> None:
        total, before = self._sums.get(name, (0.0, 0.0))
        more = float(values.sum(dtype=torch.float64))
        self._sums[name] = total + more, before + (len(values) if count is None else count)


def warp(frame: Tensor, flow: Tensor) -> Tensor:
    """Return a frame whose pixels are taken from where the flow points, by bicubic interpolation.

    Args:
        frame: (1, channels, height, width).
        flow: float32 (2, height, width), as in `Motion`. Outside the frame its edge is taken.
    """
    height, width = flow.shape[-2:]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[1]
    columns = torch.arange(width, device=flow.device) + flow[0]
    grid = torch.stack([2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1], -1)
    return functional.grid_sample(frame, grid[None], mode="bicubic", padding_mode="border", align_corners=True)


def find_ink(frame: Tensor, width: int = LINE) -> Tensor:
    """Return how much darker each pixel is than the surroundings of the narrow line that it is in (a black top-hat).

    Args:
        frame: float32 (1, 3, height, width) in [0, 1].
        width: an odd number of pixels; what is narrower counts as a line.

    Returns:
        (1, 1, height, width), 0 where there is no line.
    """
    grey = frame.mean(1, keepdim=True)
    closed = -_largest_around(-_largest_around(grey, width), width)
    return functional.relu(closed - grey - FAINT)


def _largest_around(values: Tensor, side: int) -> Tensor:
    rows = functional.max_pool2d(values, (side, 1), 1, (side // 2, 0))
    return functional.max_pool2d(rows, (1, side), 1, (0, side // 2))


def _seen_in_both(back: Tensor, forth: Tensor) -> Tensor:
    """Return where a pixel is seen in both frames, bool (height, width). Flows are float32 (2, height, width)."""
    height, width = back.shape[-2:]
    there = warp(forth[None], back)[0]
    limit = CONSISTENT * (back.square().sum(0) + there.square().sum(0)) + TOLERANCE
    rows = torch.arange(height)[:, None] + back[1]
    columns = torch.arange(width) + back[0]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return inside & ((back + there).square().sum(0) < limit)

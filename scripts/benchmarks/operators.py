"""Degraded clips per second with learnable basic operators, beside the same degradation without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from trainer.degradation.draw import drawn
from trainer.degradation.pipeline import degraded
from trainer.degradation.settings import LEARNED, PRESETS, Degradation
from trainer.lbo.degrader import Degrader
from trainer.lbo.operator import FEATURES, NARROW, Operator

from .degrading import CLIPS, FRAMES, SIDE, real_clip
from .processes import shared_out
from .settings import Settings
from .table import Table, verdict

TARGET = 1.3
"""How many times as long as without is allowed."""
PLAIN = "without operators"
WIDTHS = (FEATURES, 16, NARROW)
WAYS = {
    PLAIN: (PRESETS["paper"], 0),
    **{f"paper: after both scalings, {width} features": (LEARNED["paper"], width) for width in WIDTHS},
    **{f"release: in place of half of them, {width} features": (LEARNED["release"], width) for width in WIDTHS},
}
"""The degradation of each, and how wide its operator is."""

_clip: torch.Tensor  # in each process: uint8 (FRAMES, 3, SIDE, SIDE)
_pools: dict[str, list[Degrader]]


def clips(settings: Settings) -> Iterator[Table]:
    """All on all cores, one clip in each process at a time; frames lie ready in memory."""
    samples, how = shared_out({name: partial(_degrade, name) for name in WAYS}, CLIPS, settings, _prepare)

    def row(name: str) -> tuple[str, ...]:
        slower = samples.ratio(name, PLAIN)
        judged = verdict(slower, at_most=TARGET) if name != PLAIN else ""
        return name, f"{1 / samples.median(name):.1f}", f"{1000 * samples.median(name):.1f}", f"{slower:.2f}", judged

    note = f"Clips of {FRAMES} frames of {SIDE}x{SIDE} become {SIDE // 4}x{SIDE // 4}; {how}"
    columns = ("", "clips per s", "ms per clip", "times without", "target")
    yield Table("Degrading clips with operators", columns, [*map(row, WAYS)], note)


def _prepare() -> None:
    global _clip, _pools
    _clip = torch.from_numpy(real_clip()).permute(0, 3, 1, 2).contiguous()
    _pools = {name: _pool(degradation, width) for name, (degradation, width) in WAYS.items()}


def _pool(degradation: Degradation, width: int) -> list[Degrader]:
    if not width:
        return []
    operator = Operator(halves=degradation.down.lbo_mode == "replace", features=width)
    return [Degrader(operator.requires_grad_(False).eval())]


def _degrade(name: str, number: int) -> None:
    degradation, pool = WAYS[name][0], _pools[name]
    degraded(_clip, degradation, drawn(degradation, np.random.default_rng(number), FRAMES, len(pool)), pool)

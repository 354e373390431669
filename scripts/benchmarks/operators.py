"""Degraded clips per second with learnable basic operators, compared with the same degradation without them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.learned.operator import FEATURES, NARROW_FEATURES, Operator
from trainer.degradation.pipeline import degrade
from trainer.degradation.sampling import sample_degradation
from trainer.degradation.settings import LBO_PRESETS, PRESETS, Degradation

from .degrading import CLIPS, FRAMES, SIDE, load_clip
from .processes import time_in_processes
from .settings import Settings
from .table import Table, verdict

TARGET = 1.3
"""Target: most time, compared with no operators."""
PLAIN = "without operators"
WIDTHS = (FEATURES, 16, NARROW_FEATURES)
CONFIGURATIONS = {
    PLAIN: (PRESETS["paper"], 0),
    **{f"paper: after both scalings, {width} features": (LBO_PRESETS["paper"], width) for width in WIDTHS},
    **{f"release: in place of half of them, {width} features": (LBO_PRESETS["release"], width) for width in WIDTHS},
}
"""The degradation settings and the operator's features, by name."""

_clip: torch.Tensor  # of each process: uint8 (FRAMES, 3, SIDE, SIDE)
_pools: dict[str, list[Degrader]]


def measure_operators(settings: Settings) -> Iterator[Table]:
    """Measure all on all cores, one clip at a time in each process. The frames are in memory."""
    tasks = {name: partial(_degrade, name) for name in CONFIGURATIONS}
    results, method = time_in_processes(tasks, CLIPS, settings, _prepare)

    def row(name: str) -> tuple[str, ...]:
        ratio, seconds = results.ratio(name, PLAIN), results.median(name)
        target = verdict(ratio, at_most=TARGET) if name != PLAIN else ""
        return name, f"{1 / seconds:.1f}", f"{1000 * seconds:.1f}", f"{ratio:.2f}", target

    note = f"Clips of {FRAMES} frames of {SIDE}x{SIDE} become {SIDE // 4}x{SIDE // 4}; {method}"
    columns = ("", "clips per s", "ms per clip", "times without", "target")
    yield Table("Degrading clips with operators", columns, [*map(row, CONFIGURATIONS)], note)


def _prepare() -> None:
    global _clip, _pools
    _clip = torch.from_numpy(load_clip()).permute(0, 3, 1, 2).contiguous()
    _pools = {name: _pool(degradation, width) for name, (degradation, width) in CONFIGURATIONS.items()}


def _pool(degradation: Degradation, width: int) -> list[Degrader]:
    if not width:
        return []
    operator = Operator(halves=degradation.down.lbo_mode == "replace", features=width)
    return [Degrader(operator.requires_grad_(False).eval())]


def _degrade(name: str, number: int) -> None:
    degradation, pool = CONFIGURATIONS[name][0], _pools[name]
    degrade(_clip, degradation, sample_degradation(degradation, np.random.default_rng(number), FRAMES, len(pool)), pool)

"""What a pixel costs at different sizes of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .contestants import engine, pictures
from .rounds import Turn, per_frame, taken
from .settings import Settings
from .table import Table, verdict

TARGET = 10.0
"""How many per cent more than the cheapest the dearest pixel may cost."""
SIZES = ((0.5, 0.5), (1, 1), (2, 2), (4, 3))
"""In sides of the size that is asked for: 160x120, 320x240, 640x480, 1280x720."""
ROUNDS = 5
"""At most: a round takes as long as 25 frames."""


def per_pixel(settings: Settings) -> Iterator[Table]:
    """The engine alone at each size; small frames get more of them in a turn."""
    sizes = [
        replace(settings, width=_side(settings.width, wide), height=_side(settings.height, high))
        for wide, high in SIZES
    ]
    rounds = min(settings.rounds, ROUNDS)
    turns: dict[str, Turn] = {}
    for size in sizes:
        few = replace(size, frames=max(2, round(settings.frames * settings.pixels / size.pixels)))
        turns[size.size] = per_frame(engine(pictures(few), "openvino", "auto"), few.frames)
    samples = taken(turns, rounds)
    cost = {size.size: 1e9 * samples.median(size.size) / size.pixels for size in sizes}

    def row(name: str) -> tuple[str, ...]:
        more = 100 * (cost[name] / min(cost.values()) - 1)
        judged = verdict(more, at_most=TARGET, unit=" %") if cost[name] == max(cost.values()) else ""
        return name, f"{1000 * samples.median(name):.1f}", f"{cost[name]:.0f}", f"{more:.1f} %", judged

    columns = ("", "ms per frame", "ns per pixel of it", "more than the cheapest", "target")
    yield Table("Cost per pixel, engine alone, auto", columns, [*map(row, cost)], f"Medians of {rounds} rounds.")


def _side(side: int, factor: float) -> int:
    return max(4, int(side * factor) // 4 * 4)

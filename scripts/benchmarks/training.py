"""A training step: forward and back through a clip, in the ways that the trainer offers; its time and its memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from trainer.losses import l1
from trainer.recurrence import Recurrence
from vsanimesr.torch_network import AnimeSR

from . import runs
from .machine import has_bf16
from .rounds import Turn, per_frame, taken
from .settings import Settings
from .table import Table, verdict

FASTER = 2.0
"""How many times as fast as the plain step the fastest way is wanted."""
LESS = 1 / 3
"""The most of the memory that a step may take when it computes frames again."""
FRAMES, SIDE = 15, 64
"""Of an LR clip (facts 2.1)."""
ROUNDS = 2
"""At most, of memory: it hardly varies."""
MB = 1e6
PLAIN, LAST, FAST = "fp32", "fp32, channels last", "bf16, channels last"
AGAIN = "recompute"

BATCH = 4
"""Clips in the release's step (facts 4.1), where memory is measured."""
TINY, TINY_SIDE = "one small frame", 16

STEP = """
import sys
sys.path[:0] = {path!r}
from benchmarks.training import clips, forward_and_back, recurrence
made = recurrence(channels_last={last}, recompute={again})
forward_and_back(made, clips({frames}, {side}), bf16={bf16})
"""


def step(settings: Settings) -> Iterator[Table]:
    """Seconds of a step for one clip, then the memory of one for a batch."""
    yield _seconds(settings)
    yield _memory(settings)


def recurrence(*, channels_last: bool = False, recompute: bool = False) -> Recurrence:
    """The released network, as it is trained."""
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return Recurrence(AnimeSR().to(memory_format=layout), layout=layout, recompute=recompute)


def clips(frames: int, side: int, batch: int = BATCH) -> tuple[Tensor, Tensor]:
    """LR and HQ."""
    generator = torch.Generator().manual_seed(0)
    lr = torch.rand(batch, frames, 3, side, side, generator=generator)
    return lr, torch.rand(batch, frames, 3, 4 * side, 4 * side, generator=generator)


def forward_and_back(made: Recurrence, given: tuple[Tensor, Tensor], *, bf16: bool) -> None:
    """Gradients of L1."""
    lr, hq = given
    made.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        sr = made(lr)
    l1(sr, hq).backward()  # type: ignore[no-untyped-call]


def _ways() -> dict[str, tuple[bool, bool]]:
    """Whether channels are last, and whether it is bf16."""
    return {PLAIN: (False, False), LAST: (True, False), **({FAST: (True, True)} if has_bf16() else {})}


def _seconds(settings: Settings) -> Table:
    given = clips(FRAMES, SIDE, 1)

    def turn(name: str, recompute: bool) -> Turn:
        last, bf16 = _ways()[name]
        made = recurrence(channels_last=last, recompute=recompute)

        def run(count: int) -> None:
            for _ in range(count):
                forward_and_back(made, given, bf16=bf16)

        return per_frame(run, 1)

    fastest = list(_ways())[-1]
    turns = {name: turn(name, False) for name in _ways()} | {f"{fastest}, {AGAIN}": turn(fastest, True)}
    samples = taken(turns, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        faster = samples.ratio(PLAIN, name)
        judged = verdict(faster, at_least=FASTER) if name == fastest else ""
        return name, f"{1000 * samples.median(name):.0f}", f"{faster:.2f}", judged

    note = f"Medians of {settings.rounds} rounds."
    title = f"Training step, {FRAMES} frames of {SIDE}x{SIDE}, forward and back"
    return Table(title, ("", "ms", f"times {PLAIN}", "target"), [*map(row, turns)], note)


def _memory(settings: Settings) -> Table:
    rows = {name: again for way in _ways() for name, again in ((way, False), (f"{way}, {AGAIN}", True))}

    def peak(name: str, frames: int, side: int) -> Turn:
        last, bf16 = _ways()[name.removesuffix(f", {AGAIN}")]
        step = STEP.format(path=sys.path, last=last, bf16=bf16, again=rows[name], frames=frames, side=side)
        return partial(runs.peak_memory_of, sys.executable, "-P", "-c", step)

    turns = {name: peak(name, FRAMES, SIDE) for name in rows}
    turns |= {f"{name}, {TINY}": peak(name, 1, TINY_SIDE) for name in rows}
    samples = taken(turns, min(settings.rounds, ROUNDS), warm_up=False)

    def more(name: str) -> float:
        return samples.difference(name, f"{name}, {TINY}")

    def row(name: str) -> tuple[str, ...]:
        judged = verdict(more(name) / more(name.removesuffix(f", {AGAIN}")), at_most=LESS) if rows[name] else ""
        return name, f"{samples.median(name) / MB:.0f}", f"{more(name) / MB:.0f}", judged

    title = f"Peak resident memory of a training step, {BATCH} clips of {FRAMES} frames of {SIDE}x{SIDE}"
    note = f"The target is for what a step takes more than {TINY} does, with {AGAIN} beside without."
    return Table(title, ("", "MB", f"more than {TINY}", "target"), [*map(row, rows)], note)

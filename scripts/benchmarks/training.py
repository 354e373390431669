"""Time and memory of a training step, forward and backward through a clip, with the trainer's options."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from trainer.losses.objective import l1
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.torch_network import AnimeSR

from . import runs
from .machine import has_bf16
from .runs import MB
from .settings import Settings
from .table import Table, verdict
from .timing import Candidate, time_interleaved

SPEED_UP = 2.0
"""Target: times the speed of the plain step, for the fastest options."""
MEMORY_SHARE = 1 / 3
"""Target: most share of the step's memory with recompute."""
FRAMES, SIDE = 15, 64
"""Size of an LR clip (docs/paper-and-release.md, 2.1)."""
PLAIN, LAST, FAST = "fp32", "fp32, channels last", "bf16, channels last"
RECOMPUTE = ", recompute"

BATCH = 4
"""Clips in the release's step (docs/paper-and-release.md, 4.1), for measuring memory."""
SMALL, SMALL_SIDE = "one small frame", 16

STEP_PROGRAM = """
from scripts.benchmarks.training import forward_and_backward, make_recurrence, random_clips
recurrence = make_recurrence(channels_last={last}, recompute={recompute})
forward_and_backward(recurrence, random_clips({frames}, {side}), bf16={bf16})
"""


def measure_step(settings: Settings) -> Iterator[Table]:
    """Measure the seconds of a step with one clip, and the memory of a step with a batch."""
    yield _seconds(settings)
    yield _memory(settings)


def make_recurrence(*, channels_last: bool = False, recompute: bool = False) -> Recurrence:
    """Return the released network's architecture, ready for training."""
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return Recurrence(AnimeSR().to(memory_format=layout), layout=layout, recompute=recompute)


def random_clips(frames: int, side: int, batch: int = BATCH) -> tuple[Tensor, Tensor]:
    """Return random LR and HQ clips."""
    generator = torch.Generator().manual_seed(0)
    lr = torch.rand(batch, frames, 3, side, side, generator=generator)
    return lr, torch.rand(batch, frames, 3, 4 * side, 4 * side, generator=generator)


def forward_and_backward(recurrence: Recurrence, clips: tuple[Tensor, Tensor], *, bf16: bool) -> None:
    """Compute the gradients of L1."""
    lr, hq = clips
    recurrence.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        sr = recurrence(lr)
    l1(sr, hq).backward()  # type: ignore[no-untyped-call]


def _options() -> dict[str, tuple[bool, bool]]:
    """Return whether channels are last, and whether bf16 is used, by name."""
    return {PLAIN: (False, False), LAST: (True, False), **({FAST: (True, True)} if has_bf16() else {})}


def _seconds(settings: Settings) -> Table:
    clips = random_clips(FRAMES, SIDE, 1)

    def candidate(name: str, recompute: bool) -> Candidate:
        last, bf16 = _options()[name]
        recurrence = make_recurrence(channels_last=last, recompute=recompute)

        def run(count: int) -> None:
            for _ in range(count):
                forward_and_backward(recurrence, clips, bf16=bf16)

        return run

    fastest = list(_options())[-1]
    candidates = {name: candidate(name, False) for name in _options()}
    candidates[fastest + RECOMPUTE] = candidate(fastest, True)
    results = time_interleaved(candidates, 1, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        speed_up = results.ratio(PLAIN, name)
        target = verdict(speed_up, at_least=SPEED_UP) if name == fastest else ""
        return name, f"{1000 * results.median(name):.0f}", f"{speed_up:.2f}", target

    note = f"Medians of {settings.rounds} rounds."
    title = f"Training step, {FRAMES} frames of {SIDE}x{SIDE}, forward and backward"
    return Table(title, ("", "ms", f"times {PLAIN}", "target"), [*map(row, candidates)], note)


def _memory(settings: Settings) -> Table:
    names = [name + suffix for name in _options() for suffix in ("", RECOMPUTE)]

    def command(name: str, frames: int, side: int) -> runs.Command:
        last, bf16 = _options()[name.removesuffix(RECOMPUTE)]
        recompute = name.endswith(RECOMPUTE)
        return runs.python_command(
            STEP_PROGRAM.format(last=last, bf16=bf16, recompute=recompute, frames=frames, side=side)
        )

    commands = {name: command(name, FRAMES, SIDE) for name in names}
    commands |= {f"{name}, {SMALL}": command(name, 1, SMALL_SIDE) for name in names}
    results = runs.measure_memory(commands, settings)

    def more(name: str) -> float:
        return results.difference(name, f"{name}, {SMALL}")

    def row(name: str) -> tuple[str, ...]:
        share = more(name) / more(name.removesuffix(RECOMPUTE))
        target = verdict(share, at_most=MEMORY_SHARE) if name.endswith(RECOMPUTE) else ""
        return name, f"{results.median(name) / MB:.0f}", f"{more(name) / MB:.0f}", target

    title = f"Peak resident memory of a training step, {BATCH} clips of {FRAMES} frames of {SIDE}x{SIDE}"
    note = f"The target is the memory above that of {SMALL}, with recompute compared with without."
    return Table(title, ("", "MB", f"more than {SMALL}", "target"), [*map(row, names)], note)

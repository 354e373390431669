"""The table that the benchmark prints."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from vsanimesr.machine import cores, load, processor

from .plan import Outcome, Stage

BUSY = 0.3
"""Load of a core from which on figures are too low."""
LONG = 48
"""Hours from which on days are told."""


def format_outcome(outcome: Outcome) -> str:
    """Return what was measured, and hours for each preset, as Markdown."""
    return "\n".join([*_data_lines(outcome), "", *_step_lines(outcome), "", *_preset_lines(outcome)])


def describe_machine(device: torch.device) -> str:
    """Return a line about the machine, and one if it is busy."""
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    line = f"{processor()}, {cores()} cores{gpu}; torch {torch.__version__}"
    busy = load() or 0.0
    if busy > BUSY * cores():
        line += f"\nOther programs are running (load {busy:.1f}): all figures are too low, those of steps by far."
    return line


def _data_lines(outcome: Outcome) -> Iterator[str]:
    yield "| clips a second | paper | release | with operators |"
    yield "|---|---:|---:|---:|"
    columns = [stages[-1].data for stages in outcome.stages.values()]
    found = [each for each in columns if each]
    yield _row("read and crop, one core", [1 / each.read for each in found])
    for names in zip(*(each.parts for each in found), strict=True):
        rates = [1 / each.parts[name] for name, each in zip(names, found, strict=True)]
        yield _row(f"{' or '.join(dict.fromkeys(names))}, one core", rates)
    yield _row("all of it, one core", [1 / each.on_core for each in found])
    yield _row("codec, threads on all cores", [1 / each.encode for each in found])
    if all(each.device for each in found):
        yield _row("all but reading and codec, GPU", [1 / each.device for each in found if each.device])


def _row(name: str, rates: list[float]) -> str:
    return f"| {name} | {' | '.join(_number(rate) for rate in rates)} |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _step_lines(outcome: Outcome) -> Iterator[str]:
    yield "| step | seconds | clips/s | measured |"
    yield "|---|---:|---:|---|"
    shown: dict[str, Stage] = {}
    for stage in (stage for stages in outcome.stages.values() for stage in stages):
        shown.setdefault(stage.name, stage)
    for name, stage in shown.items():
        step = stage.step
        how = f"scaled from {step.measured}" if step.scaled else str(step.whole)
        yield (
            f"| {name} | {'~' if step.scaled else ''}{step.seconds:.3g} | "
            f"{_number(stage.settings.batch / step.seconds)} | {how} |"
        )
    if waiting := outcome.waiting:
        yield ""
        yield (
            f"With clips loaded meanwhile, vsr-l1 runs {waiting.steps_per_second:.3g} steps a second and waits for "
            f"clips {100 * waiting.share:.0f} % of the time."
        )


def _preset_lines(outcome: Outcome) -> Iterator[str]:
    yield "| preset | stage | steps | time | waits for clips | limited by |"
    yield "|---|---|---:|---:|---:|---|"
    for name, stages in outcome.stages.items():
        for stage in stages:
            seconds = stage.seconds(outcome.device)
            limit = max(seconds, key=lambda each: seconds[each])
            waits = 1 - seconds["step"] / seconds[limit]
            hours = stage.hours(outcome.device)
            how = f"{_time(hours)} | {100 * waits:.0f} % | {limit}"
            yield f"| {name} | {stage.name} | {stage.settings.steps:,} | {how} |"
        total = sum(stage.hours(outcome.device) for stage in stages)
        yield f"| {name} | {'all, one episode' if name == 'recipe' else 'all'} | | **{_time(total)}** | | |"


def _time(hours: float) -> str:
    if hours >= LONG:
        return f"{hours / 24:,.0f} days"
    return f"{hours:.2g} h" if hours >= 1 else f"{60 * hours:.0f} min"

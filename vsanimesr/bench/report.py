"""What the benchmark prints, and what it exports."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

from .. import machine
from ..backends import BACKENDS
from ..backends.gpu.cuda import cuda_version
from ..errors import AnimeSRError
from ..installation import DISTRIBUTION
from ..options import Options
from ..progress import format_rate
from .plan import HeldGain, Outcome, Refusal, Row, Size

SCHEMA, SCHEMA_VERSION = "animesr-bench", 1
"""Name and version of the exported format. The version changes when a field gets another meaning or goes."""
EPISODE_FRAMES = math.ceil(24 * 60 * 24000 / 1001)
SCENES = 360
"""Of an episode: one every four seconds on average."""
COLUMNS = ("size", "backend", "precision", "frames/s", "lowest to highest", "24-minute episode")
BUSY = 0.3
"""Load of a core from which on figures are too low."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def episode_seconds(seconds_per_frame: float) -> float:
    """Return the time of an episode: its frames, and the steps of its scenes and segments that show no frame."""
    (length, warmup), preroll = Options().segment, Options().preroll
    seams = expected_cost(length, warmup + preroll, EPISODE_FRAMES / SCENES)
    return (EPISODE_FRAMES * (1 + seams) + SCENES * preroll) * seconds_per_frame


def expected_cost(length: int, extra: int, mean_scene: float) -> float:
    """Return the share of steps that segments add, for scenes whose lengths are exponentially distributed.

    A scene has a seam `length` frames behind its anchor, and one at each multiple of `length` behind that
    (docs/design.md, 2). Of what a scene has more than `length` frames, which is a mean scene again, each frame is a
    multiple of `length` with a probability of 1 / `length`.

    Args:
        length: frames of a segment.
        extra: steps of warm-up and pre-roll at each seam.
        mean_scene: frames of a scene, on average.
    """
    seams = math.exp(-length / mean_scene) * (1 + mean_scene / length)
    return extra * seams / mean_scene


def say_duration(seconds: float) -> str:
    """Return a time in words, as exact as such an estimate is: `about 2 h 10 min`."""
    if seconds < MINUTE:
        return "less than a minute"
    if seconds < 1.5 * HOUR:
        return f"about {round(seconds / MINUTE)} min"
    if seconds < 10 * HOUR:
        tens = round(seconds / (10 * MINUTE))
        return f"about {tens // 6} h" + (f" {tens % 6 * 10} min" if tens % 6 else "")
    return f"about {round(seconds / HOUR)} h" if seconds < 100 * HOUR else f"about {round(seconds / DAY)} days"


def describe_machine(load: float | None) -> str:
    """Return lines: versions, hardware, and whether other programs use it, which `load` tells."""
    return (
        f"AnimeSR {version(DISTRIBUTION)}, VapourSynth {machine.vapoursynth_version()}, "
        f"Python {platform.python_version()}\n"
        f"{platform.system()} {platform.machine()}; {machine.processor()}, {machine.cores()} cores; "
        f"GPU: {machine.describe_gpus()}{_busy(load)}"
    )


def _busy(load: float | None) -> str:
    if load is None or load < BUSY * machine.cores():
        return ""
    return f"\nOther programs use this machine (load {load:.1f}): the figures will be too low."


def format_outcome(outcome: Outcome, size: Size) -> str:
    """Return the tables for people.

    Args:
        size: of the episode that the last lines tell about.
    """
    parts = [_format_table([COLUMNS, *map(_cells, _sorted(outcome.rows))])]
    if any(row.scaled for row in outcome.rows):
        parts.append("~ was not measured: scaled by pixels from a smaller size.")
    parts.append(_format_episode(outcome, size))
    if outcome.refusals:
        parts.append(_format_table([("not measured", "reason"), *_refusal_rows(outcome.refusals)]))
    return "\n\n".join(filter(None, parts))


def export(outcome: Outcome, seconds: float, load: float | None) -> dict[str, Any]:
    """Return everything for a JSON file. It holds no paths, no names of users or hosts, and no texts of errors.

    Args:
        seconds: the time that was allowed.
        load: of the machine before.
    """
    return {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "date": date.today().isoformat(),
        "seconds": seconds,
        "load": load,
        "machine": _export_machine(),
        "devices": outcome.devices,
        "auto": outcome.first._asdict() if outcome.first and outcome.is_auto else None,
        "results": [_export_row(row) for row in _sorted(outcome.rows)],
        "held_skip": _export_held(outcome.held) if outcome.held else None,
        "refused": [_export_refusal(refusal) for refusal in outcome.refusals],
    }


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Sort rows by size, and those of a size by speed."""
    return sorted(rows, key=lambda row: (row.size[0] * row.size[1], row.speed.median))


def _cells(row: Row) -> tuple[str, ...]:
    about = "~" if row.scaled else ""
    median, lowest, highest = map(format_rate, _rates(row))
    spread = f"scaled from {_text(row.measured)}" if row.scaled else f"{lowest} to {highest}"
    episode = say_duration(episode_seconds(row.speed.median))
    return _text(row.size), *row.candidate, f"{about}{median}", spread, episode


def _refusal_rows(refusals: Sequence[Refusal]) -> list[tuple[str, str]]:
    """Return a row for each refusal; precisions that a backend refuses with the same words share one."""
    groups: dict[object, list[Refusal]] = {}
    for refusal in sorted(refusals, key=lambda each: [*BACKENDS].index(each.backend)):
        words = refusal.reason.replace(f"{refusal.precision!r}", "")
        groups.setdefault((refusal.backend, refusal.size, words), []).append(refusal)
    rows = []
    for first, *others in groups.values():
        precisions = ", ".join(each.precision for each in (first, *others) if each.precision)
        what = (first.backend, precisions, first.size and _text(first.size))
        rows.append((" ".join(filter(None, what)), " ".join(first.reason.split())))
    return rows


def _format_episode(outcome: Outcome, size: Size) -> str:
    """Return the estimate for the first backend, or nothing if it was not measured."""
    row = next((row for row in outcome.rows if (row.candidate, row.size) == (outcome.first, size)), None)
    if row is None:
        return ""
    seconds = episode_seconds(row.speed.median)
    how = " in ".join(filter(lambda word: word != "none", row.candidate))
    auto = ', which backend="auto" selects' if outcome.is_auto else ""
    lines = [
        f"An episode of 24 minutes and {_text(size)} ({EPISODE_FRAMES:,} frames, a scene every 4 s) takes "
        f"{say_duration(seconds)} with {how}{auto}."
    ]
    if held := outcome.held:
        lines.append(
            f'Drawn on twos, with held="skip": {say_duration(seconds / held.times)}. That is {held.times:.1f} times '
            f"as fast, measured at {_text(held.size)}."
        )
    return "\n".join(lines)


def _export_machine() -> dict[str, Any]:
    try:
        gpus = machine.nvidia_gpus()
    except AnimeSRError:
        gpus = []
    packages = [entry.package for entry in BACKENDS.values() if entry.package]
    memory = machine.memory()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": machine.processor(),
        "cores": machine.cores(),
        "bf16": machine.bf16_instructions(),
        "memory_gb": memory and round(memory / 1e9, 1),
        "gpus": [
            {"name": gpu.name, "memory_gb": round(gpu.memory / 1e9, 1), "capability": list(gpu.capability)}
            for gpu in gpus
        ],
        "nvidia_driver_cuda": cuda_version(gpus[0].driver) if gpus else None,
        "versions": {
            "animesr": version(DISTRIBUTION),
            "python": platform.python_version(),
            "vapoursynth": machine.vapoursynth_version(),
            **{package: found for package in packages if (found := machine.package_version(package))},
        },
    }


def _export_row(row: Row) -> dict[str, Any]:
    median, lowest, highest = _rates(row)
    return {
        **row.candidate._asdict(),
        "width": row.size[0],
        "height": row.size[1],
        "frames_per_second": median,
        "lowest": lowest,
        "highest": highest,
        "frames": row.speed.frames,
        "scaled_from": list(row.measured) if row.scaled else None,
        "episode_seconds": round(episode_seconds(row.speed.median)),
    }


def _export_held(held: HeldGain) -> dict[str, Any]:
    width, height = held.size
    return {**held.candidate._asdict(), "width": width, "height": height, "times_as_fast": held.times}


def _export_refusal(refusal: Refusal) -> dict[str, Any]:
    width, height = refusal.size or (None, None)
    return {
        "backend": refusal.backend,
        "precision": refusal.precision,
        "width": width,
        "height": height,
        "kind": refusal.kind,
    }


def _rates(row: Row) -> tuple[float, float, float]:
    """Return frames per second: median, lowest, highest."""
    return 1 / row.speed.median, 1 / row.speed.highest, 1 / row.speed.lowest


def _text(size: Size) -> str:
    return "{}x{}".format(*size)


def _format_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

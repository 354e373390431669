"""The tables of the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from scripts.benchmarks.table import Table
from vsanimesr.bench.report import expected_cost

from .clips import RATE
from .cutting import AFTER, AREAS, WARMUPS, Crossing, Seam
from .settling import BEGINNING, Settling
from .steps import Standing

SCENE = 100
"""Frames of a scene, to say what a step of pre-roll costs."""
MEAN_SCENE = 4
"""Seconds of a scene on average: an assumption, that of a 24-minute episode with 360 scenes."""
LENGTHS = (120, 240, 480)
STEP_COLUMNS = (
    *("seams", "step: seam", "uncut", "first of 21", "uncut first", "z"),
    *("largest block: seam", "uncut", "first of 21", "uncut first", "z"),
    *("median pop", "largest pop"),
)
STEP_NOTE = (
    "Steps in grey levels, and z, are medians over the seams. First of 21: share of seams whose step is larger than "
    "all 20 steps beside it; by chance it is 5 %. Uncut first: the same share of these steps where nothing was cut. z: "
    "distance of the seam's step to the mean of the steps beside it, in their standard deviations. Pop: by how much "
    "the seam's step is larger than the uncut one, in the block where it is most."
)
QUALITY_COLUMNS = (
    *("seams", "step's PSNR against uncut, dB", "first frame to uncut, dB", f"frame {AFTER - 1} to uncut, dB"),
    *("PSNR to HQ against uncut, dB", "LPIPS to HQ against uncut"),
)
CLIP_COLUMNS = ("step", "uncut", "largest block", "uncut")


def format_settling(rows: Sequence[Settling]) -> Iterator[Table]:
    """Yield a table of each model and group."""
    for model, group in dict.fromkeys((row.model, row.group) for row in rows):
        own = [row for row in rows if (row.model, row.group) == (model, group)]
        prerolls = dict.fromkeys(row.preroll for row in own)
        columns = (
            *(
                "pre-roll",
                "first to second, dB",
                "worst clip",
                "largest pixel",
                "largest block",
                "first to settled, dB",
            ),
            *(f"frame {n}" for n in range(BEGINNING)),
            "cost",
        )
        lines = [_line([row for row in own if row.preroll == preroll]) for preroll in prerolls]
        note = f"The last row is what stays. Frames 0 to {BEGINNING - 1}: mean PSNR to HQ in dB."
        yield Table(
            f"Pre-roll, {model}, {group}: means of {len({row.clip for row in own})} clips", columns, lines, note
        )


def format_first_steps(rows: Sequence[Settling]) -> Table:
    """Return how near the first output is to the second one, for each clip."""
    prerolls = dict.fromkeys(row.preroll for row in rows)
    lines = [
        (f"{model} {clip}", *(f"{row.psnr:.1f}" for row in rows if (row.model, row.clip) == (model, clip)))
        for model, clip in dict.fromkeys((row.model, row.clip) for row in rows)
    ]
    columns = ("", *(f"pre-roll {preroll}" for preroll in prerolls))
    return Table("First to second output of the same window, dB", columns, lines)


def _line(rows: Sequence[Settling]) -> tuple[str, ...]:
    preroll = rows[0].preroll
    qualities = [row.quality for row in rows if row.quality]
    quality = [f"{fmean(each):.2f}" for each in zip(*qualities, strict=True)] or [""] * BEGINNING
    return (
        *(str(preroll), f"{fmean(row.psnr for row in rows):.1f}", f"{min(row.psnr for row in rows):.1f}"),
        *(f"{max(row.pixel for row in rows):.0f}", f"{max(row.block for row in rows):.1f}"),
        *(f"{fmean(row.to_settled for row in rows):.1f}", *quality, f"{100 * preroll / SCENE:.0f} %"),
    )


def format_seams(seams: Sequence[Seam]) -> Iterator[Table]:
    """Yield the tables of steps, of quality, and of each clip."""
    keys = dict.fromkeys((seam.model, seam.group, seam.warmup) for seam in seams)
    by_key = {key: [seam for seam in seams if (seam.model, seam.group, seam.warmup) == key] for key in keys}
    for area in AREAS:
        rows = [
            (" ".join((model, group, f"warm-up {warmup}")), *_step_cells(own, area))
            for (model, group, warmup), own in by_key.items()
        ]
        yield Table(f"Steps across seams, {area} blocks", ("", *STEP_COLUMNS), rows, STEP_NOTE)
    rows = [
        (" ".join((model, group, f"warm-up {warmup}")), *_quality_cells(own))
        for (model, group, warmup), own in by_key.items()
    ]
    yield Table("Frames after seams", ("", *QUALITY_COLUMNS), rows)
    clips = dict.fromkeys((seam.model, seam.clip, seam.warmup) for seam in seams)
    rows = [
        (
            " ".join((model, clip, f"warm-up {warmup}")),
            *(cell for area in AREAS for cell in _clip_cells(own, area)),
            *_quality_cells(own)[1:],
        )
        for model, clip, warmup in clips
        if (own := [seam for seam in seams if (seam.model, seam.clip, seam.warmup) == (model, clip, warmup)])
    ]
    columns = (*(f"{area}: {each}" for area in AREAS for each in CLIP_COLUMNS), *QUALITY_COLUMNS[1:])
    yield Table("Each clip", ("", *columns), rows, "Mean of each clip's seams.")


def format_costs(preroll: int) -> Table:
    """Return what segments add to an episode, and to a single long scene."""
    rows = [
        (
            f"[{length}, {warmup}]",
            f"{100 * expected_cost(length, warmup + preroll, RATE * MEAN_SCENE):.2f} %",
            f"{100 * (warmup + preroll) / length:.1f} %",
            str(length + warmup + preroll),
        )
        for length in LENGTHS
        for warmup in WARMUPS
    ]
    note = (
        f"Pre-roll {preroll}. Episode: scenes of {MEAN_SCENE} s on average, with exponentially distributed lengths, at "
        f"{RATE} frames per second."
    )
    columns = ("segment", "more steps in an episode", "in one endless scene", "most steps from anywhere")
    return Table("What segments cost", columns, rows, note)


def _crossings(seams: Sequence[Seam], area: str) -> list[Crossing]:
    return [crossing for seam in seams if (crossing := getattr(seam, area)) is not None]


def _step_cells(seams: Sequence[Seam], area: str) -> tuple[str, ...]:
    own = _crossings(seams, area)
    if not own:
        return ("0", *[""] * (len(STEP_COLUMNS) - 1))
    return (
        str(len(own)),
        *(f"{median(each.seam.mean for each in own):.2f}", f"{median(each.uncut.mean for each in own):.2f}"),
        *(_share_first([each.mean for each in own]), _share_first([each.uncut_mean for each in own])),
        f"{median(each.mean.z for each in own):+.1f}",
        *(f"{median(each.seam.largest for each in own):.1f}", f"{median(each.uncut.largest for each in own):.1f}"),
        *(_share_first([each.largest for each in own]), _share_first([each.uncut_largest for each in own])),
        f"{median(each.largest.z for each in own):+.1f}",
        *(f"{median(each.pop for each in own):.1f}", f"{max(each.pop for each in own):.1f}"),
    )


def _share_first(standings: Sequence[Standing]) -> str:
    return f"{100 * fmean(each.place == 1 for each in standings):.0f} %"


def _quality_cells(seams: Sequence[Seam]) -> tuple[str, ...]:
    qualities = [seam.quality for seam in seams if seam.quality is not None]
    distances = [seam.lpips for seam in seams if seam.lpips is not None]
    return (
        *(str(len(seams)), f"{fmean(seam.psnr for seam in seams):+.2f}"),
        *(f"{fmean(seam.to_uncut[n] for seam in seams):.1f}" for n in (0, -1)),
        *(f"{fmean(qualities):+.3f}" if qualities else "", f"{fmean(distances):+.4f}" if distances else ""),
    )


def _clip_cells(seams: Sequence[Seam], area: str) -> tuple[str, ...]:
    own = _crossings(seams, area)
    if not own:
        return ("",) * len(CLIP_COLUMNS)
    return (
        *(f"{fmean(each.seam.mean for each in own):.2f}", f"{fmean(each.uncut.mean for each in own):.2f}"),
        *(f"{fmean(each.seam.largest for each in own):.1f}", f"{fmean(each.uncut.largest for each in own):.1f}"),
    )

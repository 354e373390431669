"""Scores as Markdown: all clips by upscaler, then those of each title, then each clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.table import Table

from trainer.evaluation import Score, means

COLUMNS = ("clip", "", "PSNR-Y, dB", "more than bicubic", "LPIPS")


def written(found: Sequence[Score]) -> str:
    """Three tables. A clip's name begins with its title's."""
    titles = dict.fromkeys(_title(score) for score in found)
    by_title = [
        replace(mean, clip=title)
        for title in titles
        for mean in means([score for score in found if _title(score) == title])
    ]
    tables = (
        Table("Held-out clips, the mean of all", COLUMNS, _rows(means(found))),
        Table("By title", COLUMNS, _rows(by_title)),
        Table("Each clip", COLUMNS, _rows(found)),
    )
    return "\n\n".join(map(str, tables)) + "\n"


def _title(score: Score) -> str:
    return score.clip.partition("-")[0]


def _rows(found: Sequence[Score]) -> list[tuple[str, ...]]:
    bicubic = {score.clip: score.psnr_y for score in found if score.upscaler == "bicubic"}
    return [
        (
            score.clip,
            score.upscaler,
            f"{score.psnr_y:.2f}",
            f"{score.psnr_y - bicubic[score.clip]:+.2f}",
            f"{score.lpips:.4f}",
        )
        for score in found
    ]

"""Scores as Markdown: all clips by upscaler, then each clip."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.table import Table

from trainer.evaluation import Score, means

COLUMNS = ("clip", "", "PSNR-Y, dB", "more than bicubic", "LPIPS")


def written(found: Sequence[Score]) -> str:
    """Two tables."""
    of_all = Table("Held-out clips, the mean of all", COLUMNS, _rows(means(found)))
    of_each = Table("Each of them", COLUMNS, _rows(found))
    return f"{of_all}\n\n{of_each}\n"


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

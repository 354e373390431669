"""Records of a run: metrics.csv, TensorBoard, preview pictures, progress in the terminal."""

from __future__ import annotations

import csv
import io
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vsanimesr.files import write_atomic

from ..errors import CheckpointError
from .forecast import Forecast

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_log = logging.getLogger(__name__)

METRICS_FILE = "metrics.csv"
PREVIEWS, BOARD = "previews", "tensorboard"
"""Folders for pictures, and for TensorBoard."""


class Means:
    """Means of figures between two rows of metrics.csv.

    They are part of a checkpoint, so that a resumed run writes the same rows.
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, figures: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        for name, figure in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + figure
        self._count += 1

    def pop(self) -> dict[str, float]:
        """Return the means since the last call, and start again from zero."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means

    def state_dict(self) -> dict[str, object]:
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        self._sums, self._count = dict(state["sums"]), state["count"]  # type: ignore[call-overload, assignment]


class Records:
    """Writes records into the folder of a run. Used in a `with`.

    Args:
        folder: folder of the run.
        begin: the step at which the run resumes. Rows after it, of a run that was killed, are dropped.
        steps: number of steps of the whole run.

    Raises:
        CheckpointError: metrics.csv of a resumed run cannot be read.
    """

    def __init__(self, folder: Path, *, begin: int, steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here: the import takes a second

        self._file = folder / METRICS_FILE
        self._previews = folder / PREVIEWS
        self._rows = _read_rows(self._file, begin)
        self._board: SummaryWriter = SummaryWriter(str(folder / BOARD), purge_step=begin + 1)
        self._bar = _progress_bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("", total=steps, completed=begin, figures="") if self._bar else None
        self._last = time.monotonic(), begin
        self._forecast = Forecast(str(folder), begin, steps)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()
        if self._bar:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Move the progress bar, and say how long it will take."""
        self._forecast.advance(step)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=step)

    def log(self, step: int, means: Mapping[str, float], scores: Mapping[str, float] | None = None) -> None:
        """Write a row: means of figures since the row before, scores of this step, or both."""
        row = {"step": step, **means, **(scores or {})}
        if means:
            now, (then, before) = time.monotonic(), self._last
            self._last = now, step
            row["steps_per_second"] = (step - before) / (now - then)
        self._rows.append({name: repr(figure) for name, figure in row.items()})
        write_atomic(self._file, _format_csv(self._rows))
        for name, figure in row.items():
            if name != "step":
                self._board.add_scalar(name, figure, step)
        text = "  ".join(f"{name} {figure:.4g}" for name, figure in row.items() if name != "step" and figure)
        if self._bar and self._task is not None:
            self._bar.update(self._task, figures=text)
        else:
            _log.info("step %d  %s", step, text)

    def write_preview(self, step: int, strip: Image.Image) -> None:
        """Write a preview picture."""
        self._previews.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        strip.save(buffer, "png")
        write_atomic(self._previews / f"step-{step:08}.png", buffer.getvalue())
        self._board.add_image("LR, SR, HQ", np.asarray(strip), step, dataformats="HWC")


def _progress_bar() -> Progress:
    columns = (BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"))
    return Progress(*columns, console=Console(stderr=True))


def _read_rows(file: Path, last: int) -> list[dict[str, str]]:
    """Return the rows up to a step; none for a run that starts anew."""
    if not last or not file.exists():
        return []
    try:
        with file.open(newline="") as lines:
            return [row for row in csv.DictReader(lines) if int(row["step"]) <= last]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}); move it elsewhere, and the run writes a new one"
        ) from error


def _format_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()

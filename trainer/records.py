"""What a run writes for its reader: metrics.csv, TensorBoard, strips of pictures, progress in the terminal."""

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

from vsanimesr.files import write_whole

from .errors import CheckpointError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_log = logging.getLogger(__name__)

FILE = "metrics.csv"


class Means:
    """Sums of figures between two rows; part of a checkpoint, so that a resumed run writes the same rows."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, figures: Mapping[str, float]) -> None:
        """Count a step's figures in."""
        for name, figure in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + figure
        self._count += 1

    def taken(self) -> dict[str, float]:
        """The means since the last time."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means

    def state_dict(self) -> dict[str, object]:
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        self._sums, self._count = dict(state["sums"]), state["count"]  # type: ignore[call-overload, assignment]


class Records:
    """Writes into a run's folder; inside a `with`.

    Args:
        folder: of the run.
        begin: the step from which it goes on: rows after it, of a run that was cut off, are dropped.
        steps: of the whole run.
    """

    def __init__(self, folder: Path, *, begin: int, steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here: it takes a second

        self._file = folder / FILE
        self._shown = folder / "shown"
        self._rows = _rows_until(self._file, begin)
        self._board: SummaryWriter = SummaryWriter(str(folder / "tensorboard"), purge_step=begin + 1)
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("", total=steps, completed=begin, said="") if self._bar else None
        self._last = time.monotonic(), begin

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()
        if self._bar:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Move the progress bar."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=step)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """A row after so many steps."""
        now, (then, before) = time.monotonic(), self._last
        self._last = now, step
        row = {"step": step, **figures, "steps_per_second": (step - before) / (now - then)}
        self._rows.append({name: repr(figure) for name, figure in row.items()})
        write_whole(self._file, _csv(self._rows))
        for name, figure in row.items():
            if name != "step":
                self._board.add_scalar(name, figure, step)
        said = "  ".join(f"{name} {figure:.4g}" for name, figure in row.items() if name != "step" and figure)
        if self._bar and self._task is not None:
            self._bar.update(self._task, said=said)
        else:
            _log.info("step %d  %s", step, said)

    def show(self, step: int, strip: Image.Image) -> None:
        """A strip of pictures after so many steps."""
        self._shown.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        strip.save(buffer, "png")
        write_whole(self._shown / f"step-{step:08}.png", buffer.getvalue())
        self._board.add_image("LR, SR, HQ", np.asarray(strip), step, dataformats="HWC")


def _bar() -> Progress:
    columns = (BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[said]}"))
    return Progress(*columns, console=Console(stderr=True))


def _rows_until(file: Path, step: int) -> list[dict[str, str]]:
    if not step or not file.exists():
        return []
    try:
        with file.open(newline="") as lines:
            return [row for row in csv.DictReader(lines) if int(row["step"]) <= step]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}); move it elsewhere, and the run writes it anew"
        ) from error


def _csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[-1]), restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()

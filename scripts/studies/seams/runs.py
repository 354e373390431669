"""Runs of the network: which steps, and their SR frames, kept on disk so that an interrupted study goes on."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsanimesr.backends.base import SCALE, Frame
from vsanimesr.network.graph import VERSION
from vsanimesr.options import Options
from vsanimesr.session import Session

from .clips import Frames

type Outputs = NDArray[np.uint16]
"""SR frames: uint16 (frames, height, width, 3), R, G, B. 65535 is 1.0: rounding is 49 dB below that of 8 bits."""

FULL = 65535


class Step(NamedTuple):
    """Numbers of the frames of a window, and whether its SR frame is kept."""

    prev: int
    cur: int
    next: int
    output: bool


type Schedule = tuple[Step, ...]
"""The steps of one run. It begins with zero state."""


def make_hold(first: int, count: int) -> Schedule:
    """Return steps on one frame that is shown `count` times."""
    return (Step(first, first, first, True),) * count


def make_scene(preroll: int, count: int, length: int) -> Schedule:
    """Return the run of the first `count` frames of a scene of `length` frames."""
    return make_restart(0, preroll, count, length)


def make_restart(start: int, preroll: int, count: int, length: int) -> Schedule:
    """Return a run that starts within a scene: reset and pre-roll at `start`, then `count` frames from there on.

    With a warm-up of w frames, the segment begins at start + w; so one run shows the seams of every warm-up.
    """
    first = (Step(start, start, start, False),) * preroll
    frames = (Step(max(n - 1, 0), n, min(n + 1, length - 1), True) for n in range(start, start + count))
    return (*first, *frames)


@dataclass
class Runner:
    """Runs schedules with one model, or reads what an earlier run kept."""

    model: str
    folder: Path
    """Where outputs are kept, a file for each clip and schedule."""
    only_kept: bool = False
    """Run nothing."""
    steps: int = 0
    """Number of steps that were run, not read."""
    _session: Session | None = None

    def is_kept(self, lr: Frames, schedule: Schedule) -> bool:
        return self._file(lr, schedule).is_file()

    def may_run(self, lr: Frames, schedules: Iterable[Schedule]) -> bool:
        """Return whether schedules may be run, or are kept."""
        return not self.only_kept or all(self.is_kept(lr, each) for each in schedules)

    def run(self, lr: Frames, schedule: Schedule) -> Outputs:
        """Return the outputs of a schedule.

        Raises:
            BackendError: a step failed.
        """
        file = self._file(lr, schedule)
        if not file.is_file():
            outputs = np.stack(list(self._compute(lr, schedule)))
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".tmp.npy")
            np.save(fresh, outputs)
            fresh.replace(file)
        kept: Outputs = np.load(file, mmap_mode="r")
        return kept

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _compute(self, lr: Frames, schedule: Schedule) -> Iterator[Outputs]:
        self.close()  # while a session is open, equal numbers are equal frames
        _, height, width, _ = lr.shape
        self._session = Session(self._options(), width=width, height=height)
        planes = np.empty((3, SCALE * height, SCALE * width), np.float32)
        reset = True
        for step in schedule:
            window = (to_frame(lr, n) for n in step[:3])
            ticket = self._session.step(*window, reset=reset, output=step.output)
            reset = False
            self.steps += 1
            if ticket is not None:
                ticket.wait((planes[0], planes[1], planes[2]))
                yield (planes.clip(0, 1) * FULL).round().astype(np.uint16).transpose(1, 2, 0)

    def _options(self) -> Options:
        return Options(model=self.model, backend="openvino", precision="fp32")

    def _file(self, lr: Frames, schedule: Schedule) -> Path:
        used = sorted({n for step in schedule for n in step[:3]})
        key = hashlib.sha256(repr((self._options(), schedule, lr.shape[1:], VERSION)).encode())
        key.update(lr[used].tobytes())
        return self.folder / f"{self.model}-{key.hexdigest()[:16]}.npy"


def to_frame(lr: Frames, n: int) -> Frame:
    """Return frame n as a backend takes it."""
    red, green, blue = np.ascontiguousarray(lr[n].transpose(2, 0, 1), np.float32) / 255
    return Frame(n, (red, green, blue))


def report_plan(runner: Runner, plan: Iterable[tuple[Frames, Schedule]], seconds: float) -> None:
    """Print how many steps are to be run, and about how long they take."""
    if runner.only_kept:
        return
    steps = sum(len(schedule) for lr, schedule in plan if not runner.is_kept(lr, schedule))
    minutes = steps * seconds / 60
    print(f"seams: {runner.model}: {steps} steps to run, about {minutes:.0f} minutes of one core", file=sys.stderr)


def levels(outputs: Outputs) -> NDArray[np.float32]:
    """Return SR frames in grey levels from 0 to 255."""
    return outputs.astype(np.float32) * np.float32(255 / FULL)


def choose_starts(frames: int) -> Sequence[int]:
    """Return the frames where runs restart: evenly spaced from frame 36 on, two or more, each with 28 frames after."""
    return [int(each) for each in np.linspace(36, frames - 28, max(2, frames // 100))]

"""What is measured, in which order, and how much of the time it may take.

Every backend is measured at a small size first, in every precision. That tells what larger sizes will take. What does
not fit into the time is scaled by pixels from the largest size that was measured.

The backend that `backend="auto"` selects comes first and gets half of the time; the others share what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..backends import AUTO, BACKENDS, FALLBACK, installed_backends
from ..options import Held
from .clip import HOLD
from .worker import BRIEF_SECONDS, FEWEST, SECONDS, WARM_UP, Failure, Job, Speed, Worker

type Size = tuple[int, int]
"""Width and height of LR frames, in pixels."""
type Kind = Literal["not installed", "not usable", "failed", "no time"]

PRECISIONS = ("fp16", "bf16", "fp32", "int8", "fp8")
"""Of `Options`, in the order in which they are measured."""
SMALL, MIDDLE = (160, 120), (320, 240)
"""Sizes that are measured before larger ones, and in place of them."""
SHARE = 0.5
"""Part of the time that is left: most for a backend's first measurement, and for all sizes of the first backend."""
HELD_SHARE = 0.15
"""The same for held frames."""
MARGIN = 1.2
"""How many times as long as expected a measurement must fit into the time to be started."""


class Candidate(NamedTuple):
    """A backend, and what it computes in."""

    backend: str
    precision: str


class Row(NamedTuple):
    """The speed at one size."""

    candidate: Candidate
    size: Size
    speed: Speed
    measured: Size
    """The size that was measured; if it is not `size`, `speed` is scaled from it."""

    @property
    def scaled(self) -> bool:
        return self.size != self.measured


class Refusal(NamedTuple):
    """What was not measured, and why."""

    backend: str
    precision: str | None
    """None for all."""
    size: Size | None
    """None for all."""
    kind: Kind
    reason: str


class HeldGain(NamedTuple):
    """What `held="skip"` gains on the clip that is measured, which is on twos."""

    candidate: Candidate
    size: Size
    times: float
    """Times as fast as `held="off"`."""


@dataclass
class Outcome:
    """All that was found."""

    rows: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    devices: dict[str, str] = field(default_factory=dict)
    """Description of the device of each usable backend."""
    first: Candidate | None = None
    """What `backend="auto"` selects; or, if only some backends were measured, the fastest of them."""
    is_auto: bool = False
    """Whether `first` is what `backend="auto"` selects."""
    held: HeldGain | None = None


class Bench:
    """One benchmark.

    Args:
        sizes: of LR clips.
        backends: names to measure.
        seconds: time for all of it.
        start: starts the worker of a backend.
        say: is called with what is measured next.
        clock: seconds.
    """

    def __init__(
        self,
        sizes: Sequence[Size],
        backends: Sequence[str],
        seconds: float,
        *,
        start: Callable[[str], Worker],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sizes = sorted(dict.fromkeys(sizes), key=_pixels)
        self._backends = sorted(dict.fromkeys(backends), key=[*AUTO, FALLBACK, *BACKENDS].index)
        self._clock, self._end = clock, clock() + seconds
        self._start, self._say = start, say
        self._workers: dict[str, Worker] = {}
        self._gpus: set[str] = set()
        self._speeds: dict[Candidate, dict[Size, Speed]] = {}
        """All measurements, with `held="off"`."""
        self._late: set[str] = set()
        """Backends whose first measurement was not done in time."""
        self._failed: set[tuple[Candidate, Size]] = set()
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Measure, and return what was found."""
        try:
            self._start_workers()
            for backend in sorted(self._workers, key=lambda name: name not in self._tried()):
                self._measure(Candidate(backend, "auto"), SMALL, self._until(SHARE))
            for backend in [*self._workers]:
                self._measure_precisions(backend)
            first = self._choose_first()
            others = [candidate for candidate in self._speeds if candidate != first]
            if first:
                self._measure_sizes(first, self._until(SHARE if others else 1 - HELD_SHARE))
                self._measure_held(first)
            for number, candidate in enumerate(others):
                self._measure_sizes(candidate, self._until(1 / (len(others) - number)))
            if first:
                self._measure_sizes(first, self._end)
        finally:
            for worker in self._workers.values():
                worker.close()
        for candidate, speeds in self._speeds.items():
            self._add_rows(candidate, speeds)
        return self._outcome

    def _start_workers(self) -> None:
        """Start all workers, at once because they import for seconds, and find out which backends work here."""
        for backend in self._backends:
            if backend in installed_backends():
                self._workers[backend] = self._start(backend)
            else:
                entry = BACKENDS[backend]
                self._refuse(backend, "not installed", f"the package {entry.package} is not installed; {entry.install}")
        self._say(", ".join(self._workers))
        until = self._until(SHARE)
        for backend, worker in [*self._workers.items()]:
            state = worker.availability(until)
            if isinstance(state, Failure):
                self._fail(backend, state)
            elif not state.usable:
                self._refuse(backend, "not usable", "; ".join(filter(None, (state.detail, state.remedy))))
                self._stop(backend)
            else:
                self._outcome.devices[backend] = state.detail
                if state.gpu:
                    self._gpus.add(backend)

    def _measure_precisions(self, backend: str) -> None:
        """Measure a backend in the other precisions, at the small size."""
        first = next((candidate for candidate in self._speeds if candidate.backend == backend), None)
        if first is None or first.precision == "none":  # it cannot be opened, or there is no network
            return
        for precision in PRECISIONS:
            until = self._until(SHARE)
            if precision == first.precision:
                continue
            if backend in self._workers and self._expect(first, SMALL) < until:
                self._measure(Candidate(backend, precision), SMALL, until)
            else:
                self._give_up(backend, "there was no time left", precision)

    def _choose_first(self) -> Candidate | None:
        """Choose what `auto` selects; or the fastest, if not all that `auto` knows are to be measured."""
        works = {candidate.backend: candidate for candidate in reversed(self._speeds)}  # the first of each is `auto`'s
        selected = next((works[name] for name in self._tried() if name in works), None)
        if {*AUTO, FALLBACK} <= {*self._backends}:
            late = self._late - works.keys()
            unknown = [name for name in late if name in self._gpus or name not in self._outcome.devices]
            self._outcome.is_auto = selected is not None and not unknown
            self._outcome.first = selected
        else:
            self._outcome.first = min(works.values(), key=lambda each: self._speeds[each][SMALL].median, default=None)
        return self._outcome.first

    def _tried(self) -> list[str]:
        """Return the backends that `auto` tries, in this order."""
        return [name for name in AUTO if name in self._gpus] + [FALLBACK]

    def _measure_sizes(self, candidate: Candidate, until: float) -> None:
        """Measure the sizes that fit into the time, the smallest first; if none does, one that is smaller."""
        for size in self._sizes:
            if size not in self._speeds[candidate] and self._expect(candidate, size) < until:
                self._measure(candidate, size, self._end)
        largest = max(map(_pixels, self._speeds[candidate]))
        if largest < _pixels(MIDDLE) < _pixels(self._sizes[-1]) and self._expect(candidate, MIDDLE) < until:
            self._measure(candidate, MIDDLE, self._end)

    def _measure_held(self, first: Candidate) -> None:
        """Measure held frames, at the largest size that is measured already and leaves time for the rest."""
        speeds, until = self._speeds[first], self._until(HELD_SHARE)
        sizes = [size for size in speeds if self._expect(first, size) < until]
        size = max(sizes, key=lambda size: (size in self._sizes, _pixels(size)), default=SMALL)
        if first.backend not in self._workers or self._expect(first, size) > self._end:
            return
        answer = self._ask(first, size, until=self._end, held="skip")
        if isinstance(answer, Speed):
            gain = speeds[size].median / answer.median
            self._outcome.held = HeldGain(first, size, min(gain, HOLD))  # more is noise: each drawing takes a step
        else:
            self._fail(first.backend, answer, first.precision, size)

    def _measure(self, candidate: Candidate, size: Size, until: float) -> None:
        backend, precision = candidate
        if backend not in self._workers:
            return
        answer = self._ask(candidate, size, until=until)
        if isinstance(answer, Speed):
            self._speeds.setdefault(Candidate(backend, answer.precision), {})[size] = answer
            return
        if answer.in_time:
            self._failed.add((candidate, size))
        self._fail(backend, answer, None if precision == "auto" else precision, None if size == SMALL else size)

    def _ask(self, candidate: Candidate, size: Size, *, until: float, held: Held = "off") -> Speed | Failure:
        backend, precision = candidate
        self._say(f"{backend} {precision}, {_text(size)}" + (', held="skip"' if held == "skip" else ""))
        # A backend without a network has no precision to ask for.
        seconds = SECONDS if size in self._sizes else BRIEF_SECONDS
        job = Job("auto" if precision == "none" else precision, *size, held=held, seconds=seconds)
        return self._workers[backend].measure(job, until)

    def _fail(self, backend: str, failure: Failure, precision: str | None = None, size: Size | None = None) -> None:
        if failure.in_time:
            self._refuse(backend, "failed", failure.reason, precision, size)
        else:
            self._stop(backend)
            if size is None:  # a larger size is scaled
                self._late.add(backend)
                self._give_up(backend, failure.reason, precision)

    def _give_up(self, backend: str, reason: str, precision: str | None) -> None:
        """Say that more time was needed."""
        self._refuse(backend, "no time", f"{reason}; use --backend {backend} and a longer --time", precision)

    def _refuse(
        self, backend: str, kind: Kind, reason: str, precision: str | None = None, size: Size | None = None
    ) -> None:
        self._outcome.refusals.append(Refusal(backend, precision, size, kind, reason))

    def _stop(self, backend: str) -> None:
        self._workers.pop(backend).close()

    def _add_rows(self, candidate: Candidate, speeds: dict[Size, Speed]) -> None:
        largest = max(speeds, key=_pixels)
        for size in self._sizes:
            if size in speeds:
                self._outcome.rows.append(Row(candidate, size, speeds[size], size))
            elif (candidate, size) not in self._failed:
                self._outcome.rows.append(Row(candidate, size, _scale(speeds[largest], largest, size), largest))

    def _until(self, share: float) -> float:
        """Return the time when this share of what is left will have passed."""
        now = self._clock()
        return now + share * (self._end - now)

    def _expect(self, candidate: Candidate, size: Size) -> float:
        """Return the time when a measurement that starts now will have ended, with a margin."""
        speeds = self._speeds[candidate]
        largest = max(speeds, key=_pixels)
        step = _scale(speeds[largest], largest, size).median
        return self._clock() + MARGIN * (speeds[largest].opening + WARM_UP * step + max(FEWEST * step, SECONDS))


def _scale(speed: Speed, measured: Size, size: Size) -> Speed:
    """Return the speed at another size, if a pixel costs the same there."""
    times = _pixels(size) / _pixels(measured)
    median, lowest, highest = (times * seconds for seconds in (speed.median, speed.lowest, speed.highest))
    return speed._replace(median=median, lowest=lowest, highest=highest)


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _text(size: Size) -> str:
    return "{}x{}".format(*size)

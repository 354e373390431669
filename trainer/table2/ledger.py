"""Jobs, what is done of them, how long they took, and whether another fits the time."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from vsanimesr.files import file_lock, write_atomic
from vsanimesr.progress import format_time

from ..errors import TrainerError
from ..origin import digest_files, digest_texts

_log = logging.getLogger(__name__)


class StoppedError(TrainerError):
    """A job was stopped before its end. It resumes when it is run again."""


@dataclass(frozen=True)
class Job:
    """Something to make. To run it again resumes it, or does nothing."""

    name: str
    estimate: float
    """Seconds, by a first guess. The ledger corrects it by the jobs that are done."""
    made_of: tuple[str, ...]
    """Texts that decide the result: settings, digests."""
    inputs: tuple[Path, ...]
    """Files and folders that decide it, made by earlier jobs."""
    result: Path
    """A file, or the folder of a run."""
    run: Callable[[], None]
    is_finished: Callable[[Path], bool] = Path.exists
    """Whether a result is whole."""
    kind: str = ""
    """Jobs of one kind are alike in how their time differs from the estimate."""


@dataclass(frozen=True)
class Entry:
    """A job that was begun."""

    made_of: str
    result: str
    """Digest of the result; empty if the job was stopped before its end."""
    seconds: float
    estimate: float
    kind: str = ""


class Ledger:
    """What is done, in a file. A job is done if it was made of the same, and its result is what it was.

    Several processes may work by one file.

    Args:
        code: text that tells the code that trains and measures from others.
    """

    def __init__(self, file: Path, code: str) -> None:
        self._file = file
        self._code = code
        self._entries: dict[str, Entry] = {}
        self.read()

    def read(self) -> None:
        """See what other processes have done. If the file is damaged, it is nothing: results are made or found anew."""
        if self._file.is_file():
            try:
                self._entries = {name: Entry(**each) for name, each in json.loads(self._file.read_text()).items()}
            except (ValueError, TypeError, AttributeError) as error:
                _log.warning("%s is damaged (%s): each job is begun again, and keeps what it finds", self._file, error)
                self._entries = {}

    def is_done(self, job: Job) -> bool:
        """Return whether the result of a job is there, and is that of this job."""
        entry = self._entries.get(job.name)
        if entry is None or not all(path.exists() for path in (job.result, *job.inputs)):
            return False
        if not job.is_finished(job.result):
            return False
        return (entry.made_of, entry.result) == (self._digest(job), digest_path(job.result))

    def work(self, job: Job) -> None:
        """Run a job, and remember it. Raises StoppedError if its result is not there afterwards."""
        begin = time.monotonic()
        before = self._entries.get(job.name)
        resumed = before.seconds if before and not before.result else 0.0
        finished = False
        try:
            job.run()
            finished = job.is_finished(job.result)
        finally:  # after an error too: what is there then is of something else
            result = digest_path(job.result) if finished else ""
            seconds = resumed + time.monotonic() - begin
            self._write(job.name, Entry(self._digest(job), result, seconds, job.estimate, job.kind))
        if not finished:
            raise StoppedError(f"{job.name} was stopped; start the same command again to resume it")

    @contextmanager
    def held(self, job: Job) -> Iterator[None]:
        """Keep other processes from a job. Waits while one is at it, and sees what it has done."""
        with file_lock(self._file.parent, f".{job.name}.lock"):
            self.read()
            yield

    def expected(self, jobs: Iterable[Job]) -> float:
        """Return the seconds that jobs will take, by how long others of their kind took; by all, if there are none."""
        return sum(job.estimate * self._ratio(job.kind) for job in jobs)

    def _ratio(self, kind: str) -> float:
        """Return the time of the jobs that are done, relative to their estimates."""
        done = [entry for entry in self._entries.values() if entry.estimate and entry.result]
        alike = [entry for entry in done if entry.kind == kind] or done
        return sum(entry.seconds for entry in alike) / sum(entry.estimate for entry in alike) if alike else 1.0

    def _write(self, name: str, entry: Entry) -> None:
        with file_lock(self._file.parent, f".{self._file.name}.lock"):
            self.read()
            self._entries[name] = entry
            content = {each: asdict(entry) for each, entry in self._entries.items()}
            write_atomic(self._file, json.dumps(content, indent=1).encode())

    def _digest(self, job: Job) -> str:
        return digest_texts([self._code, *job.made_of, *map(digest_path, job.inputs)])


def digest_code(*modules: ModuleType) -> str:
    """Return a digest of the code of the trainer, and of a study's modules that decide results.

    Commands and data are part of what each job is made of.
    """
    own = [Path(str(module.__file__)) for module in modules]
    return digest_files([*sorted(Path(__file__).parents[1].rglob("*.py")), *own])


def digest_path(path: Path) -> str:
    """Return a digest of a file; of a run's folder, that of its checkpoints; of another folder, of all its files."""
    if path.is_file():
        return digest_files([path])
    checkpoints = sorted(path.glob("checkpoint-*.pt"))
    return digest_files(checkpoints or sorted(each for each in path.rglob("*") if each.is_file()))


def work_off(jobs: Sequence[Job], ledger: Ledger, budget: float | None, say: Callable[[str], None]) -> bool:
    """Run the jobs that are not done, in order. Return whether all are done now.

    What another process is at is waited for.

    Args:
        budget: seconds from now. A job that would not fit is not begun. None: there is no limit.
        say: takes a line of progress.
    """
    begin = time.monotonic()
    for number, job in enumerate(jobs, 1):
        if ledger.is_done(job):
            continue
        with ledger.held(job):
            if ledger.is_done(job):  # by another process
                continue
            left = [each for each in jobs[number:] if not ledger.is_done(each)]
            own, others = ledger.expected([job]), ledger.expected(left)
            spent = time.monotonic() - begin
            if budget is not None and spent + own > budget:
                rest = format_time(max(budget - spent, 0))
                say(f"{job.name} takes about {format_time(own)}, and {rest} are left: stopped")
                return False
            times = f"about {format_time(own)}; all that is left {format_time(own + others)}"
            say(f"{number} of {len(jobs)}: {job.name}, {times}")
            ledger.work(job)
    return True

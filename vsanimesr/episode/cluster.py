"""Workers of a Dask cluster that make chunks: many GPUs, many machines.

Dask chooses the worker of each chunk, gives a chunk to another one if a worker dies, and shows both on its dashboard. A
worker leaves a file in the work folder, and the job, which holds the folder, enters it: what a worker makes that was
given up cannot get into a result.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import AnimeSRError, JobError, MissingDependencyError
from ..identity import fingerprint
from ..progress import count
from ..quiet import stdout_to_stderr
from . import worker
from .manifest import Folder, Record
from .pool import ATTEMPTS, POLL, ChunkError

if TYPE_CHECKING:
    from distributed import Client, Future

RESOURCE = "GPU"
"""What a worker of the cluster must have, as its command line says; a chunk takes one unit."""
CONNECT = 10.0  # seconds that a scheduler has to answer
PATIENCE = 60.0
"""Seconds that a scheduler may be away, or all workers, while the work is on."""
AT_HAND = 2
"""Tasks for each worker: one in work, and the next, so that it does not wait for this process or the scheduler."""
FETCH = 5.0  # seconds that the result of a task may take to come; meanwhile no other task is handed out
LOOK = 1.0  # seconds between two looks at which workers there are
LAG = 70
"""Seconds that a shared folder may show a file as it was: NFS keeps for up to a minute what it knows of a folder."""


@dataclass(frozen=True)
class Proof:
    """What a worker must have to make the same frames."""

    run_file: str
    """A file that is only in the work folder, and only during this run."""
    inputs: Mapping[str, str]
    """Fingerprints of the files that are read, by path."""
    versions: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.run_file)


@dataclass
class Task:
    """A call of a function on a worker."""

    number: int
    name: str
    """What the dashboard shows."""
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    priority: int = 0
    failed_at: set[str] = field(default_factory=set)
    """Addresses of workers."""


class WorkerError(JobError):
    """What a worker could not do."""

    def __init__(self, address: str, name: str, reason: str, unfit: bool) -> None:
        super().__init__(address, name, reason, unfit)
        self.address = address
        self.name = name
        self.reason = reason
        self.unfit = unfit
        """Whether the worker cannot do anything for this job."""


_alone = threading.Lock()


def run_here[T](proof: Proof, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in this process, which is a worker of a cluster: one at a time, with nothing on stdout.

    Raises:
        WorkerError: this worker is unfit, or the function failed.
    """
    from distributed import get_worker

    here = get_worker()
    with _alone, stdout_to_stderr():
        try:
            _check(proof)
            return function(*arguments)
        except Exception as error:
            reason = str(error) if isinstance(error, AnimeSRError) else f"{type(error).__name__}: {error}"
            failed = WorkerError(here.address, str(here.name), reason, isinstance(error, worker.UnfitError))
    raise failed  # out here it does not carry the other one along, which may not be sent


@lru_cache(maxsize=1)  # once for each run
def _check(proof: Proof) -> None:
    folder = Path(proof.run_file).parent
    if not Path(proof.run_file).is_file():
        raise worker.UnfitError(f"it does not see the job in {folder}; share it, under the same path everywhere")
    for path, expected in proof.inputs.items():
        try:
            found = fingerprint(Path(path))
        except OSError as error:
            raise worker.UnfitError(
                f"{path} cannot be read there ({error.strerror or error}); share it, under the same path everywhere"
            ) from None
        if found != expected:
            raise worker.UnfitError(f"{path} is another file there ({found}, not {expected}); share the same one")
    if proof.versions:
        worker.check_versions(proof.versions)


def make_chunk(folder_path: str, number: int, digest: str) -> worker.Made:
    """Make a chunk of the job whose manifest and scenes have this hash.

    Raises:
        JobError: as from `worker.make_chunk`.
    """
    folder = Folder(Path(folder_path))
    deadline = time.monotonic() + LAG
    while _digest(folder) != digest:
        if time.monotonic() > deadline:
            raise worker.UnfitError(f"{folder.manifest_path} is another one there; share the folder {folder.path}")
        time.sleep(1)
    return worker.make_chunk(folder_path, number)


def _digest(folder: Folder) -> str | None:
    try:
        return folder.digest()
    except OSError:
        return None


class Cluster:
    """The workers of a Dask cluster that have a resource. Each makes one chunk at a time.

    Args:
        address: of the scheduler.
        inputs: files that workers read.
        tell: called with what a user should know.
    """

    def __init__(
        self,
        address: str,
        resource: str,
        folder: Folder,
        *,
        inputs: Iterable[Path] = (),
        versions: Mapping[str, str] | None = None,
        tell: Callable[[str], None],
    ) -> None:
        self._address = address
        self._resource = resource
        self._folder = folder
        self._inputs = list(inputs)
        self._versions = worker.versions() if versions is None else versions
        self._tell = tell
        self._workers: dict[str, str] = {}  # names by address
        self._refused: dict[str, str] = {}  # reasons by address
        self._proved = False  # whether a worker has done something
        self._looked = self._seen = 0.0
        self._busy: dict[Future[Any], tuple[Task, Sequence[str]]] = {}
        self._lost: list[Task] = []  # with a scheduler

    def __enter__(self) -> Self:
        self._client = _connect(self._address, CONNECT)
        self._run_file = self._folder.run_path(secrets.token_hex(4))
        try:
            self._proof = Proof(
                str(self._run_file), {str(path): fingerprint(path) for path in self._inputs}, self._versions
            )
            self._run_file.touch()
            self._look()
            if not self._workers:
                raise JobError(self._describe_nobody())
            names = ", ".join(sorted(self._workers.values()))
            self._tell(f"{self._address}: {count(len(self._workers), 'worker')} ({names})")
            self._tell(f"its dashboard, if bokeh is installed there: {self._client.dashboard_link}")
        except OSError as error:
            self.__exit__()
            raise worker.explain(error, self._folder) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, CancelledError):
            if self._busy:
                self._client.cancel(list(self._busy), force=True)
                self._folder.remove_parts()  # a worker that is at one stops
        self._busy.clear()
        with suppress(OSError, CancelledError):
            self._client.close(timeout=CONNECT)
        with suppress(OSError):
            self._run_file.unlink(missing_ok=True)

    @property
    def size(self) -> int:
        """The number of chunks that are made at once, as it is now."""
        return max(1, len(self._fit()))

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function on one of the workers, and wait for what it returns.

        Raises:
            JobError: it failed.
        """
        results: list[T] = []
        task = Task(0, f"{self._folder.path.stem}-{function.__name__}", function, arguments)
        try:
            self.work([task], finish=lambda _, result: results.append(result), poll=lambda _: None)
        except ChunkError as error:
            raise JobError(str(error)) from None
        return results[0]

    def run(
        self,
        folder: str,
        numbers: Iterable[int],
        *,
        finish: Callable[[int, Record], None],
        poll: Callable[[Iterable[int]], None],
        tell: Callable[[str], None],
    ) -> None:
        """Make chunks, as `Pool.run` does."""
        self._tell = tell
        digest = self._folder.digest()
        chunks = self._folder.manifest.chunks
        name = self._folder.path.stem

        def enter(number: int, made: worker.Made) -> None:
            try:
                self._folder.enter(number, made.part, made.record)
            except OSError as error:
                raise worker.explain(error, self._folder) from None
            finish(number, made.record)

        self.work(
            [
                Task(number, f"{name}-chunk-{number:05}", make_chunk, (folder, number, digest), len(chunks[number]))
                for number in numbers
            ],
            finish=enter,
            poll=poll,
        )

    def work(
        self, tasks: Iterable[Task], *, finish: Callable[[int, Any], None], poll: Callable[[Iterable[int]], None]
    ) -> None:
        """Do tasks in this order, each worker one at a time.

        Dask could hold them all, but would deal them out in advance, by a guess of how long they take; and to take a
        worker into account that came later, or was refused, they would have to be withdrawn. So it is given a few.

        Args:
            finish: called with the number of each task that is finished, and what it returned.
            poll: called several times a second with the numbers of tasks in work.

        Raises:
            ChunkError: a task failed. Those that were handed out with it are finished, if they could be.
            JobError: nobody is left to do them.
        """
        left = list(tasks)
        failure: ChunkError | None = None
        done: dict[Future[Any], tuple[Task, Sequence[str]]] = {}
        while (left and failure is None) or self._busy or done:
            self._look()
            left[:0] = self._take_back()
            while left and failure is None and len(self._busy) < AT_HAND * len(self._fit()):
                self._submit(left.pop(0))
            for future, (task, allowed) in done.items():
                try:
                    if not self._collect(future, task, finish):
                        left.insert(0, task)
                except TimeoutError:  # look again, after the others
                    self._busy[future] = (task, allowed)
                except AnimeSRError as error:
                    failure = failure or ChunkError(task.number, error)
            self._wait()
            done = {future: self._busy.pop(future) for future in [*self._busy] if future.done()}
            poll([task.number for task, _ in self._busy.values()])
        if failure is not None:
            raise failure

    def _submit(self, task: Task) -> None:
        fit = self._fit()
        allowed = [address for address in fit if address not in task.failed_at] or fit
        allowed = allowed if len(allowed) < len(self._workers) else []  # anyone, also who comes later
        future = self._client.submit(
            run_here,
            self._proof,
            task.function,
            *task.arguments,
            key=f"{task.name}-{secrets.token_hex(4)}",
            resources={self._resource: 1},
            workers=allowed or None,
            priority=task.priority,
        )
        self._busy[future] = (task, allowed)

    def _wait(self) -> None:
        """Wait until a task is done, or for a moment."""
        from distributed import wait

        if not self._busy:
            time.sleep(POLL if not self._fit() else 0)
            return
        with suppress(TimeoutError, CancelledError):
            wait(list(self._busy), timeout=POLL, return_when="FIRST_COMPLETED")

    def _collect(self, future: Future[Any], task: Task, finish: Callable[[int, Any], None]) -> bool:
        """Return whether a task is finished. If not, it has to be done again.

        Raises:
            TimeoutError: its result has not come yet.
            JobError: it cannot be done.
        """
        from distributed.scheduler import KilledWorker

        if future.client is not self._client:  # it went with a scheduler
            return False
        try:
            result = future.result(timeout=FETCH)
        except WorkerError as error:
            where = f"worker {error.name} ({error.address})"
            if error.unfit:
                if error.address not in self._refused:
                    self._tell(f"{where} is not used: {error.reason}")
                self._refused[error.address] = f"{error.name}: {error.reason}"
                return False
            task.failed_at.add(error.address)
            if len(task.failed_at) >= ATTEMPTS or not set(self._fit()) - task.failed_at:
                raise JobError(f"{error.reason} (at {where})") from None
            self._tell(f"{task.name} failed at {where}: {error.reason}; another worker tries it")
            return False
        except KilledWorker as error:
            raise JobError(
                f"{error.allowed_failures + 1} workers died at it, the last at {error.last_worker.address}; see what "
                "they printed"
            ) from None
        except TimeoutError:
            raise
        except (OSError, CancelledError):  # the scheduler or the worker is gone
            return False
        except Exception as error:  # it did not get as far as `run_here`
            raise JobError(
                f"{type(error).__name__}: {error}; install the same vapoursynth-animesr[upscale,cluster] wherever "
                f"{self._address} and its workers run"
            ) from None
        self._proved = True
        finish(task.number, result)
        return True

    def _take_back(self) -> list[Task]:
        """Return tasks that went with a scheduler, and those that wait for workers that are gone."""
        stale = [future for future, (_, allowed) in self._busy.items() if allowed and not {*allowed} & {*self._workers}]
        if stale:
            self._client.cancel(stale)
        back = [*self._lost, *(self._busy.pop(future)[0] for future in stale)]
        self._lost.clear()
        return back

    def _fit(self) -> list[str]:
        return [address for address in self._workers if address not in self._refused]

    def _look(self) -> None:
        """See which workers there are, and tell what has changed.

        Raises:
            JobError: nobody is left.
        """
        now = time.monotonic()
        if now - self._looked < LOOK and self._client.status == "running":
            return
        self._looked = now
        try:
            found = self._client.scheduler_info(n_workers=-1)["workers"] if self._client.status == "running" else None
        except (OSError, CancelledError):
            found = None
        if found is None:
            self._reconnect()
            return
        before = self._workers
        self._workers = {
            address: str(each["name"])
            for address, each in found.items()
            if each["resources"].get(self._resource, 0) >= 1 and each.get("status") in {"running", "paused"}
        }
        if self._seen:  # the first ones are told of together
            for address in before.keys() ^ self._workers.keys():
                name = before.get(address) or self._workers.get(address)
                self._tell(f"worker {name} ({address}) {'is gone' if address in before else 'has joined'}")
        if self._fit():
            self._seen = now
        elif self._workers and not self._proved:
            reasons = "; ".join(self._refused[address] for address in self._workers)
            raise JobError(f"no worker of {self._address} can make these frames: {reasons}")
        elif self._seen and now - self._seen > PATIENCE:
            raise JobError(f"all workers that were fit are gone, for {PATIENCE:.0f} s; {self._describe_command()}")

    def _reconnect(self) -> None:
        """Wait for the scheduler; what was in work is begun again."""
        self._tell(f"the connection to {self._address} is lost; waiting up to {PATIENCE:.0f} s for the scheduler")
        self._lost += [task for task, _ in self._busy.values()]
        self._busy.clear()
        self._workers = {}
        with suppress(OSError, CancelledError):
            self._client.close(timeout=1)
        try:
            self._client = _connect(self._address, PATIENCE)
        except JobError:
            raise JobError(
                f"the scheduler at {self._address} is gone; start it and its workers again, or leave --scheduler out"
            ) from None
        self._tell(f"{self._address} is there again")

    def _describe_nobody(self) -> str:
        others = len(self._client.scheduler_info(n_workers=-1)["workers"])
        who = f"none of the {count(others, 'worker')}" if others else "no worker"
        return f"{who} at {self._address} has the resource {self._resource}; {self._describe_command()}"

    def _describe_command(self) -> str:
        return (
            f"start one for each GPU: dask worker {self._address} --nthreads 1 --memory-limit 0 "
            f"--resources {self._resource}=1"
        )


def _connect(address: str, timeout: float) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            f"--scheduler needs Dask, which cannot be imported ({error}): pip install 'vapoursynth-animesr[cluster]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told
    try:
        return Client(address, timeout=timeout, name="animesr")
    except (OSError, ValueError) as error:
        raise JobError(
            f"--scheduler {address} does not answer ({str(error).splitlines()[0] if str(error) else 'no connection'}); "
            "start it with: dask scheduler"
        ) from None

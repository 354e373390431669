"""Processes that measure: none is left behind, and Ctrl-C ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from trainer.dataset.workers import Advance, Failure, Workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

PROGRAM = """
import sys
from pathlib import Path
from tests.trainer.dataset.test_workers import note_and_wait
from trainer.dataset.workers import Workers
from vsanimesr.cli.program import exit_code

def run() -> int:
    with Workers(2) as workers:
        print("starting", flush=True)
        workers.run_all(note_and_wait, [Path(sys.argv[1]) / str(n) for n in range(4)], print)
    return 0

if __name__ == "__main__":
    sys.exit(exit_code(run))
"""
PATIENCE = 40
"""Seconds for all processes to start or to end, on a machine with other work."""
ENDLESS = 600


def note_and_wait(file: Path, advance: Advance) -> int:
    """Write the number of this process to a file, and wait."""
    advance(1)
    file.write_text(str(os.getpid()))
    time.sleep(ENDLESS)
    return os.getpid()


def get_pid(task: int, advance: Advance) -> int:
    if task == 1:
        raise ValueError("no")
    return os.getpid()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, with its processes in a group of their own."""
    script, notes = tmp_path / "program.py", tmp_path / "notes"
    script.write_text(PROGRAM)
    notes.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[3])])}
    environment.pop("PYTHONSAFEPATH", None)
    with subprocess.Popen(
        [sys.executable, str(script), str(notes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as program:
        try:
            yield program
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


def wait_for_workers(folder: Path) -> list[int]:
    """Return the numbers of both processes once they work."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = [int(each.read_text()) for each in (folder / "notes").iterdir() if each.read_text()]
        if len(found) == 2:
            return found
        time.sleep(0.05)
    pytest.fail("the processes do not start")


def are_gone(numbers: list[int]) -> bool:
    """Wait until no process has one of these numbers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not any(Path(f"/proc/{number}").exists() and not _is_zombie(number) for number in numbers):
            return True
        time.sleep(0.05)
    return False


def _is_zombie(number: int) -> bool:
    """Return whether a process has ended, and waits for its parent to notice."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_no_process(
    number: signal.Signals, program: subprocess.Popen[str], tmp_path: Path
) -> None:
    workers = wait_for_workers(tmp_path)

    program.send_signal(number)

    assert program.wait(PATIENCE) == -number
    assert are_gone(workers)


@needs_proc
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_ctrl_c_ends_the_processes_at_once(
    send: Callable[[int, int], None], program: subprocess.Popen[str], tmp_path: Path
) -> None:
    workers = wait_for_workers(tmp_path)

    send(program.pid, signal.SIGINT)

    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (130, "cancelled\n")
    assert are_gone(workers)


def test_ctrl_c_while_processes_start_prints_nothing_else(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    program.stdout.readline()
    time.sleep(0.4)  # both are importing

    os.killpg(program.pid, signal.SIGINT)

    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (130, "cancelled\n")


def test_tasks_are_done_elsewhere_and_one_that_fails_stops_no_other() -> None:
    with Workers(2) as workers:
        for _ in range(2):  # the processes are kept
            one, failure, other = workers.run_all(get_pid, [0, 1, 2], lambda _: None)
            assert isinstance(failure, Failure)
            assert os.getpid() not in (one, other)

"""The program as a user runs it: killed, stopped, started twice, and with a worker that dies."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.episode.jobs import CHUNKS, needs_episodes, start_program, write_slow_script
from vsanimesr.episode.manifest import Folder
from vsanimesr.episode.pool import Pool

pytestmark = [needs_episodes, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

WAIT = """
import os
from pathlib import Path

def wait():
    Path(f"waits-{os.getpid()}").touch()
    time.sleep(600)
"""
LIMIT = 200  # seconds: a hang ends


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_script(tmp_path_factory.mktemp("slow"), 0.02)


@pytest.fixture(scope="module")
def expected(script: Path) -> list[list[object]]:
    """The chunks of a run that was not stopped."""
    program = start(script, script.parent)
    _, said = program.communicate(timeout=LIMIT)
    assert program.returncode == 0, said
    return chunks_of(script.parent)


def start(script: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start the program in a folder: with a chunk every four frames."""
    options = ["--encoder", "ffv1", "--chunk", "4", "--streams-from", str(script.with_name("episode.mkv"))]
    return start_program("upscale", script, "-o", "new.mkv", *options, *more, folder=folder)


def chunks_of(folder: Path) -> list[list[object]]:
    chunks: list[list[object]] = json.loads((folder / "new.mkv.animesr.json").read_text())["chunks"]
    return chunks


def finished(folder: Path) -> int:
    """Return the number of finished chunks."""
    return len(list(Folder.of(folder / "new.mkv").path.glob("chunk-?????.json")))


def wait_for(condition: Callable[[], bool], seconds: float = LIMIT) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(program: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a program has started to make chunks."""
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def all_dead(pids: list[int]) -> bool:
    """Whether these processes have ended."""
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            return False
    return True


def test_killed_at_random_moments_it_goes_on_and_gives_the_same(
    script: Path, expected: list[list[object]], tmp_path: Path
) -> None:
    moments = random.Random(3)
    for kills in range(3):
        before = finished(tmp_path)
        program = start(script, tmp_path)
        while finished(tmp_path) == before and program.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        workers = workers_of(program)
        program.kill()
        program.wait(LIMIT)
        assert finished(tmp_path) > before, kills
        wait_for(partial(all_dead, workers), 20)
        program.communicate(timeout=LIMIT)  # closes its pipes
    assert finished(tmp_path) < CHUNKS, "it was killed too late to say anything"

    kept = finished(tmp_path)  # a chunk that is killed before its record is written is none
    program = start(script, tmp_path)
    _, said = program.communicate(timeout=LIMIT)

    assert program.returncode == 0, said
    assert f"{kept} of {CHUNKS} chunks are finished already" in said
    assert chunks_of(tmp_path) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mkv", "new.mkv.animesr.json"]


def test_a_worker_that_dies_costs_one_chunk(script: Path, expected: list[list[object]], tmp_path: Path) -> None:
    program = start(script, tmp_path, "--workers", "2")
    wait_for(lambda: finished(tmp_path) >= 2)
    workers = workers_of(program)
    os.kill(workers[0], signal.SIGKILL)
    _, said = program.communicate(timeout=LIMIT)

    assert program.returncode == 0, said
    assert len(workers) == 2
    assert said.count("a worker process died") == 1
    assert "it is made again" in said
    assert chunks_of(tmp_path) == expected


def test_a_worker_that_dies_while_it_waits_is_replaced(tmp_path: Path) -> None:
    with Pool(1, tmp_path / "workers.txt") as pool:
        process = pool.processes[0]
        first = process.call(os.getpid)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: bool(process._executor and process._executor._broken), 20)

        assert process.submit(os.getpid).result() != first


def test_ctrl_c_ends_the_workers_at_once_and_says_what_is_kept(script: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slower.vpy"
    slow.write_text(script.read_text().replace("time.sleep(0.02)", "n >= 4 and wait()") + WAIT)
    shutil.copy(script.with_name("episode.mkv"), tmp_path)
    program = start(slow, tmp_path, "--workers", "2")
    wait_for(lambda: len(list(tmp_path.glob("waits-*"))) == 2)  # so one has finished a chunk, and both have one in work
    workers = workers_of(program)
    program.send_signal(signal.SIGINT)
    try:
        _, said = program.communicate(timeout=60)  # a program that lets its workers finish waits for minutes
    except subprocess.TimeoutExpired:
        program.kill()  # and its workers end too
        raise

    assert len(workers) == 2
    assert program.returncode == 130
    assert f"stopped; 1 of {CHUNKS} chunks are finished and kept; run the same command again" in said
    assert "Traceback" not in said
    wait_for(partial(all_dead, workers), 20)


def test_two_programs_do_not_work_on_one_result(script: Path, tmp_path: Path) -> None:
    program = start(script, tmp_path)
    wait_for(lambda: finished(tmp_path) >= 1)
    second = start(script, tmp_path)
    _, said = second.communicate(timeout=LIMIT)
    program.kill()
    program.communicate()

    assert second.returncode == 1
    assert "another process works in" in said

"""Turns through VapourSynth: whatever fails, and whatever becomes known meanwhile, they pass on.

Each test is a process of its own, because one that waits for ever cannot be ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.compiler import COMPILER
from tests.video import write_script

PREVIEWS = """
import random
import sys

rng = random.Random(int(sys.argv[1]))
for _ in range(12):
    frames, threads = rng.choice([30, 90, 200]), rng.choice([1, 2, 4, 8, 16])
    core.num_threads = threads
    cuts = {n for n in range(frames) if rng.random() < rng.choice([0, 0.02, 0.1])}
    pictures = [n // rng.choice([1, 2]) for n in range(frames)]
    upscaled = core.animesr.Upscale(
        add_jitter(numbered_clip(frames, 8, 4, cuts, pictures)),
        backend="null",
        seek="preview",
        warmup=rng.choice([0, 2, 8]),
        held=rng.choice(["off", "skip"]),
        segment=rng.choice([[0, 0], [20, 4]]),
        cache=rng.choice([0, 1, 64]),
    )
    futures = [upscaled.get_frame_async(rng.randrange(frames)) for _ in range(60)]
    for future in futures:
        future.result().close()
print("done")
"""

HELD = """
import time
from vsanimesr.backends.null import NullBackend

submit = NullBackend.submit

def slow(*arguments, **keywords):
    time.sleep(0.001)
    return submit(*arguments, **keywords)

NullBackend.submit = slow
core.num_threads = 4
clip = numbered_clip(500, 8, 4, (), [n // 2 for n in range(500)])
upscaled = core.animesr.Upscale(clip, backend="null", held="skip", segment=[0, 0])
for n in range(0, 480, 8):
    for future in [upscaled.get_frame_async(k) for k in (n + 6, n, n + 1)]:
        future.result().close()
print("done")
"""

SCARCE = """
import ctypes
import os
from vsanimesr.backends.null import NullBackend, _Copy

library = ctypes.CDLL(os.environ["LD_PRELOAD"].split()[-1])
submit, wait = NullBackend.submit, _Copy.wait
allocation, unfinished = 0, set()

def arm(self, *arguments, **keywords):
    library.scarce_memory_fail_at(allocation)  # from here on, in the thread that has the turn
    ticket = submit(self, *arguments, **keywords)
    unfinished.update([] if ticket is None else [ticket])
    return ticket

def count(self, out):
    unfinished.remove(self)
    wait(self, out)

NullBackend.submit, _Copy.wait = arm, count
core.num_threads = 2
for at in range(1, 25):
    upscaled = core.animesr.Upscale(numbered_clip(60, 8, 4), backend="null", segment=[0, 0], cache=1)
    allocation = 0
    upscaled.get_frame(30).close()
    allocation = at
    futures = [(n, upscaled.get_frame_async(n)) for n in (32, 5, 45)]
    for _, future in futures:
        try:
            future.result().close()
        except vs.Error as error:
            assert "bad_alloc" in str(error), error
    allocation = 0
    library.scarce_memory_fail_at(0)
    for n, got in get_frames(upscaled, (33, 5, 46, 32), at_once=2):
        assert got == expected_frame(n, 60, (), 8, 4), f"frame {n} after allocation {at} failed"

unfinished.clear()
upscaled = core.animesr.Upscale(numbered_clip(60, 8, 4), backend="null", segment=[0, 0])
for n in range(60):
    allocation = 1 + n % 12
    try:
        upscaled.get_frame(n).close()
    except vs.Error as error:
        assert "bad_alloc" in str(error), error
    allocation = 0
    library.scarce_memory_fail_at(0)
    assert len(unfinished) <= NullBackend.depth, f"tickets are lost, frame {n}"
print("failed", library.scarce_memory_failed())
"""


def run(script: Path, *arguments: str, seconds: int, preload: Path | None = None) -> str:
    """Run a script. Return what it prints; fail if it takes too long."""
    environment = dict(os.environ)
    if preload:
        environment["LD_PRELOAD"] = " ".join([*os.environ.get("LD_PRELOAD", "").split(), str(preload)])
    try:
        done = subprocess.run(
            [sys.executable, script, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.fail("requests wait for each other for ever")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("seed", ["1", "2"])
def test_concurrent_preview_requests_never_wait_for_each_other(tmp_path: Path, seed: str) -> None:
    assert run(write_script(tmp_path, PREVIEWS), seed, seconds=240) == "done\n"


def test_requests_that_share_a_result_never_wait_for_each_other(tmp_path: Path) -> None:
    assert run(write_script(tmp_path, HELD), seconds=120) == "done\n"


@pytest.mark.skipif(sys.platform != "linux", reason="replaces operator new with LD_PRELOAD")
@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer has an operator new of its own")
def test_a_scarce_memory_fails_a_request_and_no_other(tmp_path: Path) -> None:
    library = tmp_path / "scarce_memory.so"
    source = Path(__file__).with_name("scarce_memory.cpp")
    subprocess.run([COMPILER, "-std=c++20", "-O1", "-fPIC", "-shared", "-o", library, source], check=True)

    printed = run(write_script(tmp_path, SCARCE), seconds=240, preload=library)

    assert int(printed.split()[-1]) >= 10

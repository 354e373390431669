"""Whole runs of vspipe, as users start them, on scripts that differ in nothing but the call of `Upscale`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import fetch_data

from tests.video import SCRIPTS, environment
from vsanimesr.options import Options

from . import peak, timeline
from .settings import Settings

VSPIPE = (sys.executable, str(SCRIPTS / "vspipe"), "-c", "y4m")
FRAMES = 24
SOURCE = "source alone"
"""The name of a script without `Upscale`."""
LAST = f"{Options().preroll} steps of pre-roll, the first step, output"
"""What happens after the script, until the first byte of video."""


class RunError(Exception):
    """vspipe failed; the message is what it said."""


def scripts(folder: Path, settings: Settings, upscales: Mapping[str, str | None]) -> dict[str, Path]:
    """Write a script for each name, with these arguments of `Upscale`, or without it where they are None.

    The index of the clip lies in `folder` from the first run on.
    """
    source = f"core.bs.VideoSource({str(fetch_data.fetch())!r}, cachemode=4, cachepath={str(folder / 'index')!r}"
    written = {name: folder / f"{name}.vpy" for name in upscales}
    for name, path in written.items():
        path.write_text(f"""\
import vapoursynth as vs
core = vs.core
clip = {source}, showprogress=False)[:{FRAMES}]
clip = clip.resize.Bicubic({settings.width}, {settings.height}, matrix_in_s="709")
{"clip" if upscales[name] is None else f"core.animesr.Upscale(clip, {upscales[name]})"}.set_output()
""")
    return written


def seconds_to_first_byte(script: Path) -> float:
    """From the start of vspipe to the first byte of video."""
    with tempfile.TemporaryFile() as said:
        start, first_byte = _started(script, said)
    return first_byte - start


def seconds_by_part(script: Path) -> dict[str, float]:
    """What the time until the first byte of video goes to, in order."""
    timed = script.with_name(f"{script.stem}-timed.vpy")
    timed.write_text(timeline.script(script))
    with tempfile.TemporaryFile() as said:
        start, first_byte = _started(timed, said)
        said.seek(0)
        ends = {**timeline.read(said.read().decode()), LAST: first_byte}
    starts = [start, *ends.values()]
    return {part: end - begin for (part, end), begin in zip(ends.items(), starts, strict=False)}


def peak_memory(script: Path) -> float:
    """The most memory that a whole run keeps resident, in bytes."""
    return peak_memory_of(*VSPIPE, str(script), "-")


def peak_memory_of(*command: str) -> float:
    """The most memory that a command keeps resident, in bytes."""
    watched = (sys.executable, peak.__file__, *command)
    done = subprocess.run(watched, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise RunError(done.stderr)
    return float(done.stdout)


def _started(script: Path, said: IO[bytes]) -> tuple[float, float]:
    """When vspipe was started and when the first byte of video came, on the clock of `time.monotonic`."""
    start = time.monotonic()
    process = subprocess.Popen(
        (*VSPIPE, script, "-"), env=_environment(), stdout=subprocess.PIPE, stderr=said, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        try:
            process.stdout.readline()  # YUV4MPEG2 ...
            process.stdout.readline()  # FRAME
            came = process.stdout.read(1)
            first_byte = time.monotonic()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # vspipe is a child of what was started
            process.stdout.read()  # until it has freed its memory: the next run is not to meet it
    if not came:
        said.seek(0)
        raise RunError(said.read().decode())
    return start, first_byte


def _environment() -> dict[str, str]:
    """For processes that are to find the installed package, not the checkout."""
    return {**environment(), "PYTHONSAFEPATH": "1"}

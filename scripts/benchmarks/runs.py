"""Whole runs of vspipe, as users start them. The scripts differ only in the call of `Upscale`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from scripts import fetch_data
from scripts.vspipe import SCRIPTS, environment
from vsanimesr.options import Options

from . import peak, timeline
from .settings import Settings
from .timing import Results, measure_interleaved

FRAMES = 24
SOURCE = "source alone"
"""Name of a script without `Upscale`."""
LAST = f"{Options().preroll} steps of pre-roll, the first step, output"
"""The part between the end of the script and the first byte of video."""
MB = 1e6
MEMORY_ROUNDS = 2
"""Most rounds of a measurement of memory: it hardly varies."""

type Command = Sequence[str]


class RunError(Exception):
    """The command failed. The message is its stderr."""


def write_scripts(folder: Path, settings: Settings, upscales: Mapping[str, str | None]) -> dict[str, Path]:
    """Write a script for each name. The first run writes the index of the clip to `folder`.

    Args:
        upscales: the arguments of `Upscale` by name; None leaves the call out.
    """
    source = f"core.bs.VideoSource({str(fetch_data.fetch())!r}, cachemode=4, cachepath={str(folder / 'index')!r}"
    scripts = {name: folder / f"{name}.vpy" for name in upscales}
    for name, path in scripts.items():
        path.write_text(f"""\
import vapoursynth as vs
core = vs.core
clip = {source}, showprogress=False)[:{FRAMES}]
clip = clip.resize.Bicubic({settings.width}, {settings.height}, matrix_in_s="709")
{"clip" if upscales[name] is None else f"core.animesr.Upscale(clip, {upscales[name]})"}.set_output()
""")
    return scripts


def vspipe_command(script: Path) -> Command:
    return (sys.executable, str(SCRIPTS / "vspipe"), "-c", "y4m", str(script), "-")


def python_command(program: str) -> Command:
    return (sys.executable, "-P", "-c", program)


def time_to_first_byte(script: Path) -> float:
    """Return the seconds from the start of vspipe to the first byte of video."""
    with tempfile.TemporaryFile() as stderr:
        start, first_byte = _run_to_first_byte(script, stderr)
    return first_byte - start


def time_by_part(script: Path) -> dict[str, float]:
    """Return the parts of the time to the first byte of video, in order, in seconds."""
    wrapper = script.with_name(f"{script.stem}-timeline.vpy")
    wrapper.write_text(timeline.wrap(script))
    with tempfile.TemporaryFile() as stderr:
        start, first_byte = _run_to_first_byte(wrapper, stderr)
        stderr.seek(0)
        ends = {**timeline.parse(stderr.read().decode()), LAST: first_byte}
    starts = [start, *ends.values()]
    return {part: end - begin for (part, end), begin in zip(ends.items(), starts, strict=False)}


def peak_memory(command: Command) -> float:
    """Run a command. Return its peak resident memory in bytes."""
    watched = (sys.executable, peak.__file__, *command)
    result = subprocess.run(watched, env=_environment(), capture_output=True, text=True)
    if result.returncode:
        raise RunError(result.stderr)
    return float(result.stdout)


def measure_memory(commands: Mapping[str, Command], settings: Settings) -> Results:
    """Measure the peak resident memory of commands, in bytes."""
    measures = {name: partial(peak_memory, command) for name, command in commands.items()}
    return measure_interleaved(measures, min(settings.rounds, MEMORY_ROUNDS), warm_up=False)


def _run_to_first_byte(script: Path, stderr: IO[bytes]) -> tuple[float, float]:
    """Return when vspipe was started and when the first byte of video came, on the clock of `time.monotonic`."""
    start = time.monotonic()
    process = subprocess.Popen(
        vspipe_command(script), env=_environment(), stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        try:
            process.stdout.readline()  # YUV4MPEG2 ...
            process.stdout.readline()  # FRAME
            video = process.stdout.read(1)
            first_byte = time.monotonic()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # vspipe is a child of this process's child
            process.stdout.read()  # wait until its memory is free, before the next run starts
    if not video:
        stderr.seek(0)
        raise RunError(stderr.read().decode())
    return start, first_byte


def _environment() -> dict[str, str]:
    """Return environment variables with which Python imports the installed package, not the checkout."""
    return {**environment(), "PYTHONSAFEPATH": "1"}

"""Test and measure the GPU backends of this machine, and write one report in Markdown.

Each section runs in a process of its own, because an error of a GPU can make it unusable for the process, and gets a
share of the time. The report is written section by section, so what was measured stays if a later one fails.

Examples:
  ./scripts/test-gpu
  ./scripts/test-gpu --minutes 10 --section machine speed
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vsanimesr.errors import AnimeSRError
from vsanimesr.machine import nvidia_gpus

from . import copies, machine, speed, starts

LEAST = 60.0
"""Seconds that a section may take even if its share is less."""


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    command: Sequence[str]
    """What to run. Its stdout is Markdown if `markdown`, else text for a code block."""
    share: float
    """Largest part of the whole time that it may take."""
    markdown: bool = True
    needs_gpu: bool = True


def _part(name: str) -> Sequence[str]:
    return sys.executable, "-m", "scripts.gpu", "--part", name


PARTS: dict[str, Callable[[], None]] = {
    "machine": machine.report,
    "copies": copies.report,
    "speed": speed.report,
    "starts": starts.report,
}

PYTEST = (
    *(sys.executable, "-m", "pytest", "--import-mode=append", "-m", "gpu", "-q", "-rs", "--durations=8"),
    *("--continue-on-collection-errors", "tests"),  # those of the backends run without the trainer's packages
)

SECTIONS = {
    "machine": Section("Machine", _part("machine"), 0.05, needs_gpu=False),
    "doctor": Section("Backends", (sys.executable, "-m", "vsanimesr", "doctor"), 0.05, False, needs_gpu=False),
    "copies": Section("Copies and empty steps", _part("copies"), 0.1),
    "tests": Section("Tests", PYTEST, 0.35, False),
    "starts": Section("First and second start", _part("starts"), 0.15),
    "training": Section("Training", (sys.executable, "-m", "trainer", "bench"), 0.1),
    "speed": Section("Speed", _part("speed"), 0.45),
}
"""In the order in which they run: what others build on first, and speed last, which takes what time is left."""


def run_section(section: Section, seconds: float) -> tuple[str, bool]:
    """Run a section for at most `seconds`.

    Returns:
        Its text for the report, and whether it succeeded.
    """
    # Its own process group, so that what it started ends with it.
    process = subprocess.Popen(
        section.command,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # what a section printed stays, however it ends
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=os.name == "posix",
    )
    problem = ""
    try:
        output, _ = process.communicate(timeout=seconds)
        if process.returncode:
            problem = f"**Failed**: exit status {process.returncode}."
    except subprocess.TimeoutExpired:
        _kill(process)
        output, _ = process.communicate()
        problem = f"**Stopped** after {seconds:.0f} s, its share of the time."
    except BaseException:
        _kill(process)
        raise
    body = output.strip() if section.markdown else f"```\n{output.strip()}\n```"
    return "\n\n".join(filter(None, (body, problem))), not problem


def _kill(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def find_gpu_problem() -> str:
    """Return why CUDA finds no GPU here that some backend can use, or nothing if it finds one."""
    try:
        nvidia_gpus()
    except AnimeSRError as error:
        return str(error)
    return ""


def write_report(names: Sequence[str], minutes: float, path: Path) -> bool:
    """Run sections and write the report.

    Returns:
        Whether all succeeded.
    """
    begin, passed = time.monotonic(), True
    no_gpu = find_gpu_problem()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as report:

        def write(text: str) -> None:
            report.write(f"{text}\n")
            report.flush()
            print(text, flush=True)

        write(f"# AnimeSR on a GPU, {datetime.now(UTC):%Y-%m-%d}, {_commit()}")
        for name in names:
            section = SECTIONS[name]
            left = 60 * minutes - (time.monotonic() - begin)
            write(f"\n## {section.title}\n")
            if no_gpu and section.needs_gpu:
                write(f"Skipped: {no_gpu}.")
                passed = False
                continue
            print(f"test-gpu: {name}, {left / 60:.0f} min left", file=sys.stderr)
            text, succeeded = run_section(section, max(1.0, min(left, max(LEAST, 60 * minutes * section.share))))
            write(text)
            passed = passed and succeeded
    print(f"test-gpu: the report is {path}", file=sys.stderr)
    return passed


def _commit() -> str:
    try:
        command = ("git", "rev-parse", "--short", "HEAD")
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown commit"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./scripts/test-gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    parser.add_argument("--minutes", type=float, default=30, help="for all sections together (default: 30)")
    parser.add_argument("--output", "-o", type=Path, help="default: out/gpu.md in the checkout")
    parser.add_argument("--folder", type=Path, default=Path(), help=argparse.SUPPRESS)  # what --output is relative to
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error(f"--minutes {options.minutes:g} leaves no time; give more than 0")
    if options.part:
        PARTS[options.part]()
        return 0
    path = options.folder / options.output if options.output else Path("out/gpu.md")
    return 0 if write_report(options.section, options.minutes, path) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Kill `animesr upscale` at random moments, run it again, and compare the frames with those of a run left alone.

The clip is cut to some seconds, scaled down, and given a tone. The backend is null; x265 encodes. A kill waits for
something that is chosen at random, and then a random time.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scripts.benchmarks.table import print_rows
from scripts.studies.commands import make_parser
from vsanimesr.episode.manifest import Folder

OPTIONS = ["--backend", "null", "--held", "skip", "--segment", "24,4", "--chunk", "24", "--preset", "ultrafast"]
DELAY = 0.5
"""Seconds that pass at most between what a kill waits for and the kill."""


def _finished(output: Path) -> set[str]:
    """Return the finished chunks, each with its hash, so that one that was made again otherwise counts as lost."""
    return {path.name + path.read_text() for path in Folder.of(output).path.glob("chunk-?????.json")}


EVENTS: dict[str, Callable[[Path, set[str]], bool]] = {
    "the start": lambda output, before: True,
    "its folder is there": lambda output, before: Folder.of(output).path.exists(),
    "a chunk is begun": lambda output, before: any(Folder.of(output).path.glob("*.part*")),
    "a chunk is finished": lambda output, before: len(_finished(output)) > len(before),
    "two chunks are finished": lambda output, before: len(_finished(output)) > len(before) + 1,
    "the result is begun": lambda output, before: output.with_name(f"{output.name}.part").exists(),
}
"""What a kill waits for."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its tables."""
    parser = make_parser("resume", __doc__ or "")
    parser.add_argument("clip", type=Path, help="a video file")
    parser.add_argument("--kills", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=5, help="of the clip (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        _study(args.clip, Path(name), args.kills, args.seconds, random.Random(args.seed))


def _study(clip: Path, folder: Path, kills: int, seconds: float, moments: random.Random) -> None:
    source = folder / "source.mkv"
    _cut(clip, source, seconds)
    began = time.monotonic()
    _start(source, folder / "whole.mkv").communicate()
    print(f"A run left alone takes {time.monotonic() - began:.0f} s.\n", flush=True)
    expected = _chunks(folder / "whole.mkv")
    results: list[bool] = []
    output = folder / "new.mkv"
    columns = ["kill", "after", "then", "finished before", "finished then", "finished chunks lost"]
    print_rows(columns, _kill(source, output, kills, moments, expected, results))
    _start(source, output).communicate()
    results.append(_chunks(output) == expected)
    print(f"\n{len(results)} results of {len(expected)} chunks, {sum(results)} with the frames of the run left alone.")


def _kill(
    source: Path,
    output: Path,
    kills: int,
    moments: random.Random,
    expected: list[list[object]],
    results: list[bool],
) -> Iterator[list[str]]:
    """Start the program and kill it, again and again. Append to `results` whether a finished result is as expected."""
    number = 0
    while number < kills:
        before = _finished(output)
        event = moments.choice(list(EVENTS))
        program = _start(source, output)
        while not EVENTS[event](output, before) and program.poll() is None:
            time.sleep(0.005)
        delay = moments.uniform(0, DELAY)
        try:
            program.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
        else:  # it was faster; begin the next result
            results.append(_chunks(output) == expected)
            _remove(output)
            continue
        number += 1
        now = _finished(output)
        is_there = output.exists() and not Folder.of(output).manifest_path.exists()
        then, lost = ("the result is there", "0") if is_there else (f"{len(now)}", f"{len(before - now)}")
        yield [f"{number}", event, f"{delay:.2f} s", f"{len(before)}", then, lost]


def _cut(clip: Path, source: Path, seconds: float) -> None:
    inputs = ["-i", str(clip), "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    outputs = ["-t", str(seconds), "-map", "0:v", "-map", "1", "-vf", "scale=96:-2", "-c:v", "libx264", "-c:a", "ac3"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *outputs, str(source)], check=True)


def _start(source: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vsanimesr", "upscale", str(source), "-o", str(output), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _chunks(output: Path) -> list[list[object]]:
    chunks: list[list[object]] = json.loads(output.with_name(f"{output.name}.animesr.json").read_text())["chunks"]
    return chunks


def _remove(output: Path) -> None:
    for path in output.parent.glob(f"{output.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()

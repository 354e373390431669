"""Kill `animesr upscale` at random moments, run it again, and compare the frames with those of a run left alone.

The clip is cut to some seconds, scaled down, and given a tone. Without the network (backend null), so the same frames
do not depend on it; encoded by x265.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.benchmarks.table import print_rows
from scripts.studies.commands import make_parser
from vsanimesr.episode.manifest import Folder

OPTIONS = ["--backend", "null", "--held", "skip", "--segment", "24,4", "--chunk", "24", "--preset", "ultrafast"]
LONGEST = 0.8
"""When a run is killed at the latest, as a share of the time that a run left alone takes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its tables."""
    parser = make_parser("resume", __doc__ or "")
    parser.add_argument("clip", type=Path, help="a video file")
    parser.add_argument("--kills", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=12, help="of the clip (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        _study(args.clip, Path(name), args.kills, args.seconds, random.Random(args.seed))


def _study(clip: Path, folder: Path, kills: int, seconds: float, moments: random.Random) -> None:
    source = folder / "source.mkv"
    _cut(clip, source, seconds)
    began = time.monotonic()
    _start(source, folder / "whole.mkv").communicate()
    took = time.monotonic() - began
    print(f"A run left alone takes {took:.1f} s.\n", flush=True)
    expected = _chunks(folder / "whole.mkv")
    results: list[bool] = []
    output = folder / "new.mkv"
    columns = ["kill", "after", "it was", "finished before", "finished then", "finished chunks lost"]
    print_rows(columns, _kill(source, output, kills, took, moments, expected, results))
    _start(source, output).communicate()
    results.append(_chunks(output) == expected)
    print(f"\n{len(results)} results of {len(expected)} chunks, {sum(results)} with the frames of the run left alone.")


def _kill(
    source: Path,
    output: Path,
    kills: int,
    took: float,
    moments: random.Random,
    expected: list[list[object]],
    results: list[bool],
) -> Iterator[list[str]]:
    """Start the program and kill it, again and again. Append to `results` whether a finished result is as expected."""
    number = 0
    while number < kills:
        before, after = _finished(output), moments.uniform(0, LONGEST * took)
        program = _start(source, output)
        try:
            program.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
        else:  # it was faster; begin the next result
            results.append(_chunks(output) == expected)
            _remove(output)
            continue
        number += 1
        state, now = _state(output, before, len(expected)), _finished(output)
        yield [f"{number}", f"{after:.2f} s", state, f"{len(before)}", f"{len(now)}", f"{len(before - now)}"]


def _cut(clip: Path, source: Path, seconds: float) -> None:
    inputs = ["-i", str(clip), "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    outputs = ["-t", str(seconds), "-map", "0:v", "-map", "1", "-vf", "scale=160:-2", "-c:v", "libx264", "-c:a", "ac3"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *outputs, str(source)], check=True)


def _start(source: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vsanimesr", "upscale", str(source), "-o", str(output), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _chunks(output: Path) -> list[list[object]]:
    chunks: list[list[object]] = json.loads(output.with_name(f"{output.name}.animesr.json").read_text())["chunks"]
    return chunks


def _finished(output: Path) -> set[str]:
    """Return the finished chunks, each with its hash, so that one that was made again otherwise counts as lost."""
    return {path.name + path.read_text() for path in Folder.of(output).path.glob("chunk-?????.json")}


def _state(output: Path, before: set[str], chunks: int) -> str:
    """Return what a program did when it was killed."""
    folder = Folder.of(output)
    if not folder.manifest_path.exists():
        return "before the manifest"
    now = _finished(output)
    if len(now) == chunks:
        return "writing the result"
    return "encoding" if now != before or list(folder.path.glob("*.part*")) else "starting"


def _remove(output: Path) -> None:
    for path in output.parent.glob(f"{output.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()

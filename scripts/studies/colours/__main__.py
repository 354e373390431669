"""Measure what `colour="source"` does, and what its lowpass should be: on one core in twenty minutes.

LQ is made of drawn clips, by x264 and by MPEG-2. Corrections with lowpasses of several widths, with one pass and two,
are compared with `colour="network"`. The parts:

    choose      three train clips, to choose on
    residue     the same clips: where the shift comes from that is left
    judge       the held-out clips
    night       a drawn moon and windows on a dark sky: means of rings around them, and pictures

Each part writes a table, PART.md, into the folder, and prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scripts.benchmarks.table import Table
from vsanimesr.backends.base import SCALE

from ..commands import parse_arguments, report
from . import measures, night
from .correction import Correction
from .encoding import ENCODINGS, Encoding
from .pictures import draw_versions
from .versions import FIRST, MODELS, STEPS, Part, Version, make_versions, read_hq

CHOSEN = ("evening-2-street-talk", "school-1-classroom-talk", "green-3-uni-enter")
"""Train clips to choose on."""
CORRECTIONS = [Correction(sigma, passes) for passes in (1, 2) for sigma in (1, 2, 4)]
RESIDUE = [
    Correction(2, 1),
    Correction(2, 1, wide=True),
    Correction(2, 2),
    Correction(2, 4),
    Correction(0, 1),
    Correction(0, 4),
]
UNCLAMPED = [Correction(2, 1, clamped=False), Correction(2, 2, clamped=False)]
WHOLE = Part(0, 0, night.WIDTH // SCALE, night.HEIGHT // SCALE)
"""All of the drawn night."""
MOON, MOON_PART, MOON_AT = "city-1-night-talk", Part(16, 0), (72, 0)
"""A held-out clip, a part with its moon, and where to look in the part's SR frame."""


@dataclass(frozen=True)
class Study:
    """Data and options of all parts."""

    clips: Path
    out: Path
    quick: bool

    @property
    def corrections(self) -> Sequence[Correction]:
        return [Correction()] if self.quick else CORRECTIONS

    @property
    def encodings(self) -> Sequence[Encoding]:
        return ENCODINGS[:1] if self.quick else ENCODINGS


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments("colours", __doc__ or "", PARTS, "one clip, one encoding, one correction", arguments)
    study = Study(options.clips, options.out, options.quick)
    study.out.mkdir(parents=True, exist_ok=True)
    for name in options.part:
        report(PARTS[name](study), study.out / f"{name}.md")
    return 0


def choose(study: Study) -> list[Table]:
    """Compare corrections of train clips."""
    return compare(study, "Train clips", [study.clips / "train" / name for name in CHOSEN], study.corrections)


def judge(study: Study) -> list[Table]:
    """Compare held-out clips with one pass and with what was chosen."""
    folders = sorted((study.clips / "held-out").iterdir())
    return compare(study, "Held-out clips", folders, [Correction(passes=1), Correction()])


def compare(study: Study, title: str, folders: Sequence[Path], corrections: Sequence[Correction]) -> list[Table]:
    """Return a table of measures for each model, and one of PSNR by clip."""
    rows = Rows()
    by_clip: list[list[str]] = []
    for name, model, versions in upscale_all(study, folders, corrections):
        found = rows.add(model, versions)
        by_clip.append([name, *(f"{score.psnr:.2f}" for score in found.values())])
    return [*rows.tables(title), Table(f"{title}: PSNR to HQ", ["clip", *found], by_clip)]


def find_residue(study: Study) -> list[Table]:
    """Measure train clips with wider bands, with no lowpass, with 8 bits, and as if nothing were clamped."""
    rows = Rows()
    folders = [study.clips / "train" / name for name in CHOSEN]
    for _, model, versions in upscale_all(study, folders, [*RESIDUE, *UNCLAMPED]):
        shown = versions[: -len(UNCLAMPED)]
        (twice,) = (version for version in shown if version.name == str(Correction()))
        rounded = (np.rint(255 * twice.sr.clip(0, 1)) / 255).astype(np.float32)
        shown.append(replace(twice, name=f"{twice.name}, 8 bits", sr=rounded))
        rows.add(model, shown)
        rows.add(model, versions[-len(UNCLAMPED) :], clamped=False)
    return rows.tables("What is left, train clips")


class Rows:
    """Scores by model and version."""

    def __init__(self) -> None:
        self._scores: Mapping[str, dict[str, list[measures.Score]]] = {model: {} for model in MODELS}

    def add(self, model: str, versions: Sequence[Version], *, clamped: bool = True) -> dict[str, measures.Score]:
        """Measure versions of a clip, and return their scores by name."""
        measure = measures.Judge(versions[0].lq, versions[0].hq, clamped=clamped)
        found = {version.name: measure.score(version.sr) for version in versions}
        for name, score in found.items():
            self._scores[model].setdefault(name, []).append(score)
        return found

    def tables(self, title: str) -> list[Table]:
        """Return a table for each model."""
        return [
            Table(
                f"{title}, {model}",
                ["", *measures.COLUMNS],
                [[name, *measures.combine(each)] for name, each in scores.items()],
            )
            for model, scores in self._scores.items()
        ]


def upscale_all(
    study: Study, folders: Sequence[Path], corrections: Sequence[Correction]
) -> Iterator[tuple[str, str, list[Version]]]:
    """Yield each clip from each encoding with each model: what it is, the model, and all versions."""
    for folder in folders[:1] if study.quick else folders:
        hq = read_hq(folder)
        for encoding in study.encodings:
            lq = encoding.degrade(hq)
            for model in MODELS:
                name = f"{folder.name}, {encoding.name}, {model}"
                yield name, model, list(make_versions(lq, hq, model, corrections))


def look_at_nights(study: Study) -> list[Table]:
    """Measure rings around a drawn moon, and draw pictures of it and of a held-out one."""
    drawn = night.draw_night(FIRST + STEPS)
    tables = []
    for encoding in study.encodings:
        lq = encoding.degrade(drawn)
        for model in MODELS:
            versions = list(make_versions(lq, drawn, model, study.corrections, WHOLE))
            rows = [[version.name, *night.ring_means(version.sr[-1], version.hq[-1])] for version in versions]
            tables.append(Table(f"Night, {encoding.name}, {model}", ["", *night.COLUMNS], rows))
            draw_versions(versions, night.LOOK_AT).save(study.out / f"night-{encoding.name}-{model}.png")
    hq = read_hq(study.clips / "held-out" / MOON)
    lq = study.encodings[0].degrade(hq)
    for model in MODELS:
        versions = list(make_versions(lq, hq, model, study.corrections, MOON_PART))
        draw_versions(versions, MOON_AT).save(study.out / f"moon-{model}.png")
    return tables


PARTS: Mapping[str, Callable[[Study], list[Table]]] = {
    "choose": choose,
    "residue": find_residue,
    "judge": judge,
    "night": look_at_nights,
}

if __name__ == "__main__":
    sys.exit(main())

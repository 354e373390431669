"""Measure what `colour="source"` does, and how wide its lowpass should be: on one core in a quarter of an hour.

LQ is made of drawn clips, by x264 and by MPEG-2. Each width is compared with `colour="network"`. The parts:

    choose      three train clips, to choose the width on
    judge       the held-out clips
    night       a drawn moon and windows on a dark sky: means of rings around them, and pictures

Each part writes a table, PART.md, into the folder, and prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.table import Table
from vsanimesr.backends.base import SCALE

from ..commands import parse_arguments, report
from . import measures, night
from .encoding import ENCODINGS, Encoding
from .pictures import draw_versions
from .versions import FIRST, MODELS, STEPS, Part, make_versions, read_hq

CHOSEN = ("evening-2-street-talk", "school-1-classroom-talk", "green-3-uni-enter")
"""Train clips to choose the width on."""
SIGMAS = (1, 2, 4, 8, 16)
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
    def sigmas(self) -> Sequence[float]:
        return SIGMAS[1:2] if self.quick else SIGMAS

    @property
    def encodings(self) -> Sequence[Encoding]:
        return ENCODINGS[:1] if self.quick else ENCODINGS


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments("colours", __doc__ or "", PARTS, "one clip, one encoding, one width", arguments)
    study = Study(options.clips, options.out, options.quick)
    study.out.mkdir(parents=True, exist_ok=True)
    for name in options.part:
        report(PARTS[name](study), study.out / f"{name}.md")
    return 0


def choose(study: Study) -> list[Table]:
    """Compare widths on train clips."""
    return compare(study, "Train clips", [study.clips / "train" / name for name in CHOSEN])


def judge(study: Study) -> list[Table]:
    """Compare widths on held-out clips."""
    return compare(study, "Held-out clips", sorted((study.clips / "held-out").iterdir()))


def compare(study: Study, title: str, folders: Sequence[Path]) -> list[Table]:
    """Return a table of measures for each model, and one of PSNR by clip."""
    scores: Mapping[str, dict[str, list[measures.Score]]] = {model: {} for model in MODELS}
    by_clip: list[list[str]] = []
    for folder in folders[:1] if study.quick else folders:
        hq = read_hq(folder)
        for encoding in study.encodings:
            lq = encoding.degrade(hq)
            for model in MODELS:
                versions = list(make_versions(lq, hq, model, study.sigmas))
                measure = measures.Judge(versions[0].lq, versions[0].hq)
                found = {version.name: measure.score(version.sr) for version in versions}
                for name, score in found.items():
                    scores[model].setdefault(name, []).append(score)
                psnrs = [f"{score.psnr:.2f}" for score in found.values()]
                by_clip.append([f"{folder.name}, {encoding.name}, {model}", *psnrs])
    tables = []
    for model, of_model in scores.items():
        rows = [[name, *measures.combine(each)] for name, each in of_model.items()]
        tables.append(Table(f"{title}, {model}", ["", *measures.COLUMNS], rows))
    return [*tables, Table(f"{title}: PSNR to HQ", ["clip", *scores[MODELS[0]]], by_clip)]


def look_at_nights(study: Study) -> list[Table]:
    """Measure rings around a drawn moon, and draw pictures of it and of a held-out one."""
    drawn = night.draw_night(FIRST + STEPS)
    tables = []
    for encoding in study.encodings:
        lq = encoding.degrade(drawn)
        for model in MODELS:
            versions = list(make_versions(lq, drawn, model, study.sigmas, WHOLE))
            rows = [[version.name, *night.ring_means(version.sr[-1], version.hq[-1])] for version in versions]
            tables.append(Table(f"Night, {encoding.name}, {model}", ["", *night.COLUMNS], rows))
            draw_versions(versions, night.LOOK_AT).save(study.out / f"night-{encoding.name}-{model}.png")
    hq = read_hq(study.clips / "held-out" / MOON)
    lq = study.encodings[0].degrade(hq)
    for model in MODELS:
        versions = list(make_versions(lq, hq, model, study.sigmas, MOON_PART))
        draw_versions(versions, MOON_AT).save(study.out / f"moon-{model}.png")
    return tables


PARTS: Mapping[str, Callable[[Study], list[Table]]] = {"choose": choose, "judge": judge, "night": look_at_nights}

if __name__ == "__main__":
    sys.exit(main())

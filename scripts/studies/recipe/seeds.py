"""Finished seeds, as files: all that the report needs of them. They can be kept where the runs cannot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trainer.errors import PairError
from trainer.origin import differences
from trainer.table2.orders import Scores
from vsanimesr.files import write_atomic

from .best_factor import FactorScore
from .tables import Results

type Rows = dict[str, dict[str, list[float]]]
"""Scores of clips by measure and fault."""


@dataclass(frozen=True)
class Seed:
    """What is known of a seed."""

    number: int
    precision: str
    """Of training and scores."""
    made_of: dict[str, str]
    """What all seeds of a report must share: reductions, scenes, what is measured."""
    scores: dict[str, Rows]
    """By network."""
    factors: dict[str, list[FactorScore]]
    """Of each episode."""
    suggested: dict[str, float]
    """The factor that recipe took for each episode."""

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"seed-{self.number}.json", json.dumps(asdict(self)).encode())


def read_seeds(folder: Path, made_of: Mapping[str, str], names: Collection[str]) -> list[Seed]:
    """Read the seeds of a folder that have the scores of some networks, in order.

    Raises:
        PairError: one is of another study.
    """
    found = []
    for path in sorted(folder.glob("seed-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        factors = {name: [FactorScore(**each) for each in own] for name, own in content.pop("factors").items()}
        seed = Seed(**content, factors=factors)
        if difference := differences(seed.made_of, made_of):
            raise PairError(f"{path} is of another study ({difference}); move it out of {folder}")
        if seed.scores.keys() >= set(names):
            found.append(seed)
    return found


def to_rows(scores: Mapping[str, Mapping[str, Scores]]) -> Rows:
    """Return the only row of scores, (1, clips), by measure and fault."""
    return {measure: {fault: own[0].tolist() for fault, own in each.items()} for measure, each in scores.items()}


def to_results(seeds: Iterable[Seed], names: Iterable[str]) -> Results:
    """Return the scores of networks, a row for each seed."""
    rows = [seed.scores for seed in seeds]
    return {
        name: {
            measure: {fault: np.array([each[name][measure][fault] for each in rows]) for fault in by_fault}
            for measure, by_fault in rows[0][name].items()
        }
        for name in names
    }

"""Files of the study: the only place that knows how the trainer names what it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.degradation.learned.pool import OPERATOR_FILE
from trainer.lbo.config import STAGES as OPERATOR_STAGES
from trainer.lbo.factor import read_choice
from trainer.recipe import MODEL_FILE, STAGE

SETTINGS_FILE = "settings.json"
NAMES_OF_PLACES = ("stage", "data", "start", "lbo_pool")
"""Settings that a command or a folder gives."""


@dataclass(frozen=True)
class Layout:
    """The folder of the study. Runs of another precision have another folder, so that results never mix."""

    out: Path
    precision: str

    @property
    def root(self) -> Path:
        return self.out / self.precision

    @property
    def data(self) -> Path:
        return self.out / "data"

    @property
    def ledger(self) -> Path:
        return self.root / "done.json"

    @property
    def seeds(self) -> Path:
        """Where files of finished seeds are: those of all precisions."""
        return self.out / "seeds"

    @property
    def factors(self) -> Path:
        return self.root / "factors.json"

    @property
    def scores(self) -> Path:
        return self.root / "scores"

    def run(self, name: str, seed: int) -> Path:
        """Return the folder of a run, or of a recipe with all its runs."""
        return self.root / "runs" / f"{name}-{seed}"

    def nn_only(self, seed: int) -> Path:
        return self.root / "runs" / f"nn-only-network-{seed}.safetensors"


def model(recipe: Path) -> Path:
    """Return the model file of a recipe."""
    return recipe / MODEL_FILE


def final_settings(recipe: Path) -> Path:
    """Return the settings of a recipe's last training of the network."""
    return recipe / STAGE / SETTINGS_FILE


def operator(recipe: Path, number: int) -> Path:
    """Return the folder of the operator of a recipe's episode, from 1."""
    return recipe / f"lbo{number}"


def operator_file(folder: Path) -> Path:
    return folder / OPERATOR_FILE


def operator_runs(folder: Path) -> list[Path]:
    """Return the folders of an operator's stages, in order."""
    return [folder / stage for stage in OPERATOR_STAGES]


def operator_settings(folder: Path) -> dict[str, Path]:
    """Return the settings of an operator's stages, by stage, in order."""
    return {run.name: run / SETTINGS_FILE for run in operator_runs(folder)}


def chosen_factor(folder: Path) -> float:
    """Return the factor of the pairs in the folder of an operator."""
    choice = read_choice(folder)
    assert choice is not None, f"{folder} has no choice of a factor"
    return choice.factor


def assignments(settings: Path, without: Sequence[str] = NAMES_OF_PLACES) -> list[str]:
    """Return the settings of a run as texts `name=value`, to train another run with the same ones.

    Args:
        without: names, with dots, of settings to leave out.
    """
    values = json.loads(settings.read_text(encoding="utf-8"))
    return [f"{name}={value}" for name, value in _flatten(values, "") if name not in without]


def _flatten(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

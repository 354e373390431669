"""Operators with random weights for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from trainer.degradation.learned.operator import Operator
from trainer.degradation.learned.pool import OPERATOR_FILE, save_operator


def random_operator(*, halves: bool, features: int, seed: int = 0) -> Operator:
    torch.manual_seed(seed)
    return Operator(halves=halves, features=features).eval().requires_grad_(False)


def save_random_operator(folder: Path, *, halves: bool, seed: int = 0) -> Path:
    """Save an operator in a new folder, as `lbo train` does, and return the folder."""
    folder.mkdir(parents=True)
    save_operator(folder / OPERATOR_FILE, random_operator(halves=halves, features=4, seed=seed))
    return folder

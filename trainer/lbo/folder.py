"""What lies where in the folder of an operator: one for each episode."""

from __future__ import annotations

from pathlib import Path

OPERATOR = "operator.safetensors"
"""What `lbo train` makes: the operator."""
PATCHES = "patches.png"
"""What it does to patches, to look at."""
CHOICE = "choice.json"
"""Which factor was chosen, how, and by what."""
WINDOWS = "windows.json"
"""Which parts of the episode the pairs are of."""


def lq(folder: Path) -> Path:
    """Clips of the episode."""
    return folder / "pairs" / "lq"


def hq(folder: Path) -> Path:
    """The same clips as pseudo-HQ, exactly twice as large."""
    return folder / "pairs" / "hq"


def scenes(folder: Path) -> Path:
    """Pictures of a few scenes at each factor, to choose by."""
    return folder / "scenes"


def run(folder: Path, stage: str) -> Path:
    """Of a stage of training."""
    return folder / stage

"""Files and folders in the folder of an operator. Each episode has one such folder."""

from __future__ import annotations

from pathlib import Path

from ..degradation.learned.pool import pairs_folder

PATCHES_FILE = "patches.png"
"""A page that shows the operator's effect."""
EFFECT_FILE = "effect.json"
"""How near the operator comes to its episode."""
CHOICE_FILE = "choice.json"
"""The factor of the pairs, and how it was chosen."""
WINDOWS_FILE = "windows.json"
"""The windows of the episode that became pairs, and what they were found by."""
CLIPS = "clips"
"""Name, in the origin of pairs, of the number of clips when they are complete."""


def pairs(folder: Path) -> Path:
    """Return the folder of pairs, where their origin is."""
    return pairs_folder(folder)


def lq(folder: Path) -> Path:
    """Return the folder of LQ clips."""
    return pairs(folder) / "lq"


def hq(folder: Path) -> Path:
    """Return the folder of the same clips as pseudo-HQ, twice as large."""
    return pairs(folder) / "hq"


def scenes(folder: Path) -> Path:
    """Return the folder of pictures that show a few scenes at each factor."""
    return folder / "scenes"


def run(folder: Path, stage: str) -> Path:
    """Return the folder of a stage's training run."""
    return folder / stage

"""A small random network as weights that are shipped, and the change of the sources that ships it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from vsanimesr.network.shapes import Shape
from vsanimesr.weights.release import Release

SHAPE = Shape(12, (2, 1, 0), 20)
TABLE_END = "    )\n}\n"
"""What follows the last entry of the table in weights/release.py."""


def make_stand_in(model: str = "stand-in", seed: int = 0) -> tuple[Release, bytes]:
    """Return the entry of the table, and the bytes of the file: float16, as ours are."""
    random = np.random.default_rng(seed)
    tensors = {key: random.normal(0, 0.05, sides).astype(np.float16) for key, sides in SHAPE.tensors().items()}
    data = save(tensors)
    return (
        Release(
            model=model,
            file=f"{model}.safetensors",
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            recipe=f"random numbers of seed {seed}",
            licence="CC0-1.0",
        ),
        data,
    )


def ship(package: Path, release: Release, data: bytes) -> None:
    """Change a copy of the package `vsanimesr` as a commit does that ships weights: add a file and an entry."""
    table = package / "weights" / "release.py"
    head, end, tail = table.read_text(encoding="utf-8").partition(TABLE_END)
    assert end, "the table of weights ends otherwise; change TABLE_END"
    table.write_text(f"{head}        {release!r},\n{TABLE_END}{tail}", encoding="utf-8")
    folder = package / "weights" / "shipped"
    folder.mkdir(exist_ok=True)
    (folder / release.file).write_bytes(data)

"""The clips of a half: rendered and encoded once, then kept in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import encodings, scenes
from .encodings import ENCODINGS, Encoding
from .scenes import Half


def prepare(half: Half, folder: Path, art: Path) -> None:
    """Write what is missing: the source of all scenes in a row, and its encodings."""
    folder.mkdir(parents=True, exist_ok=True)
    if not source_file(folder).exists():
        frames = []
        for scene in scenes.scenes(half):
            print(f"holds: drawing {half.name}/{scene.name}", file=sys.stderr)
            frames += [encodings.to_yuv(picture) for picture in scenes.render(scene, art)]
        np.save(source_file(folder), np.stack(frames))
    source = read_source(folder)
    for encoding in ENCODINGS:
        if not (file := encoded_file(folder, encoding)).exists():
            print(f"holds: encoding {half.name}, {encoding.name}", file=sys.stderr)
            data = encodings.encode(source, encoding)
            file.write_bytes(data)


def source_file(folder: Path) -> Path:
    return folder / "source.npy"


def encoded_file(folder: Path, encoding: Encoding) -> Path:
    words = "".join(letter if letter.isalnum() else " " for letter in encoding.name).split()
    return folder / f"{'-'.join(words)}.mkv"


def read_source(folder: Path) -> NDArray[np.uint8]:
    """Return all frames: (frames, HEIGHT * 3 / 2, WIDTH)."""
    frames: NDArray[np.uint8] = np.load(source_file(folder), mmap_mode="r")
    return frames


def read(folder: Path, encoding: Encoding) -> NDArray[np.uint8]:
    """Return all frames of an encoding."""
    return np.stack(list(encodings.decode(encoded_file(folder, encoding).read_bytes())))

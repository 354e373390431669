"""Texts that a command writes into the folder that the user has named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vsanimesr.files import write_atomic

from ..errors import TrainerError


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names into the folder of -o, which is created if missing.

    Raises:
        TrainerError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomic(folder / name, text.encode())
    except OSError as error:
        raise TrainerError(f"-o {folder}: {error.strerror or error}; use another folder, or make room") from error

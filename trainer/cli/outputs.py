"""Texts that a command writes into the folder that the user has named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vsanimesr.files import write_atomic

from ..errors import TrainerError


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names into the folder of -o, which is created if missing.

    Raises:
        TrainerError: a file cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomic(folder / name, text.encode())


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell what to do if the folder of -o cannot be written.

    Raises:
        TrainerError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise TrainerError(f"-o {folder}: {error.strerror or error}; use another folder, or make room") from error

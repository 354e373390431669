"""Which factor pseudo-HQ is made with, who chose it, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from vsanimesr.files import write_whole

from ..errors import PairError
from ..settings import Settings
from . import folder

type By = Literal["argument", "suggestion", "page"]


class Hint(Settings):
    """What a factor measures (see `measures`)."""

    factor: float
    sharpness: float
    artefacts: float


class Choice(Settings):
    """A factor."""

    factor: float
    by: By
    model: str
    """What upscaled."""
    suggested: float | None = None
    hints: tuple[Hint, ...] = Field(default=(), strict=False)

    def save(self, path: Path) -> None:
        """Write it into the folder of an operator."""
        write_whole(path / folder.CHOICE, self.model_dump_json(indent=2).encode())


def read_choice(path: Path) -> Choice | None:
    """What was chosen for the folder of an operator; None where nothing was.

    Raises:
        PairError: the file cannot be read.
    """
    file = path / folder.CHOICE
    try:
        return Choice.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise PairError(f"{file} cannot be read ({error}); delete it, and choose again") from error

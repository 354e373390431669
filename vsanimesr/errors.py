"""Errors that a user can do something about, as a tree.

    AnimeSRError
    ├── OptionError             an argument has a value that cannot be used
    ├── MissingDependencyError  a package that is needed here is not installed
    ├── InstallationError       files of another package lie over ours, or ours are missing
    ├── WeightsError            weights are missing, damaged, or of another network
    ├── BackendError            a backend cannot be opened, or failed at a step
    │   └── TooLittleMemoryError  because there is too little memory
    ├── NotFiniteError          an SR frame holds NaN or infinity
    ├── MediaError              a file cannot be read, encoded or written
    ├── JobError                the work on a whole file cannot start, or had to stop; what is finished is kept
    └── TrainerError            base of the trainer's errors, in `trainer.errors`
        ├── SettingError        a setting is unknown, of the wrong type, or out of its range
        ├── ClipError           a clip cannot be read, or is too short or too small
        ├── DatasetError        a set of clips cannot be built, or is not what its manifest says
        ├── EpisodeError        an episode holds nothing to learn from
        ├── PairError           pairs to learn an operator from are missing, or do not fit
        ├── PickerError         the page to choose a factor on cannot be served
        ├── OperatorError       a file holds no operator, or one of the wrong kind
        ├── CodecError          a codec did not return the frames that it was given
        ├── LossError           a loss or a metric cannot be computed
        ├── BaselineError       a network of others is unknown, or its weights cannot be read
        ├── CheckpointError     a checkpoint cannot be read or written, or belongs to another run
        ├── DivergedError       a loss or a gradient is no longer finite
        └── ExportError         a network cannot be written in the requested form

Every message names the argument or file, its value, and the remedy. Two modules catch these errors: `bridge` turns them
into VapourSynth errors, and `cli` into a line on stderr and an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AnimeSRError(Exception):
    """Base of every error that a user can do something about."""


class OptionError(AnimeSRError):
    """An argument has a value that cannot be used."""


class MissingDependencyError(AnimeSRError):
    """A package that is needed here is not installed."""


class InstallationError(AnimeSRError):
    """Files of another package lie over ours, or ours are missing."""


class WeightsError(AnimeSRError):
    """Weights are missing, damaged, or belong to another network."""


class BackendError(AnimeSRError):
    """A backend cannot be opened, or failed at a step."""


class TooLittleMemoryError(BackendError):
    """A backend found too little memory. What it read from disk may be sound."""


class NotFiniteError(AnimeSRError):
    """An SR frame holds NaN or infinity. The step itself has run, and later steps can run."""


class MediaError(AnimeSRError):
    """A media file cannot be read, encoded or written."""


class JobError(AnimeSRError):
    """The work on a whole file cannot start, or had to stop. What is finished is kept."""


def last_line(error: Exception) -> str:
    """Return the last line of an error. Those of VapourSynth may hold the traceback of a script."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def suggestion(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return "did you mean '...'?" with the known name closest to a misspelt one, or "" if none is close.

    Args:
        prefix: text in front of the suggested name, such as the section of a setting.
    """
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {prefix + close[0]!r}?" if close else ""

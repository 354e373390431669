"""What can go wrong, as a tree. The message names the setting or file, its value, and the remedy."""

from __future__ import annotations


class TrainerError(Exception):
    """Base of every error that is meant for the user."""


class SettingError(TrainerError):
    """A setting is unknown, of the wrong type, or out of its range."""


class ClipError(TrainerError):
    """A clip cannot be read, or is too short or too small."""


class EpisodeError(TrainerError):
    """An episode holds nothing to learn from."""


class PairError(TrainerError):
    """Pairs to learn an operator from are missing, or do not fit."""


class PickerError(TrainerError):
    """The page to choose on cannot be served."""


class OperatorError(TrainerError):
    """A file is no operator, or not one of the kind that is wanted."""


class CodecError(TrainerError):
    """A codec did not give back the frames that went in."""


class LossError(TrainerError):
    """A loss or a measure cannot be computed: its weights cannot be had, or frames are of the wrong shape."""


class CheckpointError(TrainerError):
    """A checkpoint cannot be read or written, or is of another run."""


class DivergedError(TrainerError):
    """A loss or a gradient is no longer finite."""


class ExportError(TrainerError):
    """A network cannot be written as asked."""

"""The trainer's errors. `vsanimesr.errors` shows the whole tree.

Every message names the setting or file, its value, and the remedy.
"""

from __future__ import annotations

from vsanimesr.errors import AnimeSRError


class TrainerError(AnimeSRError):
    """Base of the trainer's errors."""


class SettingError(TrainerError):
    """A setting is unknown, of the wrong type, or out of its range."""


class ClipError(TrainerError):
    """A clip cannot be read, or is too short or too small."""


class SourceError(TrainerError):
    """A source cannot be learned from as it is: it is combed or anamorphic."""


class DatasetError(TrainerError):
    """A set of clips cannot be built, or is not what its manifest says."""


class EpisodeError(TrainerError):
    """An episode holds nothing to learn from."""


class PairError(TrainerError):
    """Pairs to learn an operator from are missing, or do not fit."""


class PickerError(TrainerError):
    """The page to choose a factor on cannot be served."""


class OperatorError(TrainerError):
    """A file holds no operator, or one of the wrong kind."""


class CodecError(TrainerError):
    """A codec did not return the frames that it was given."""


class LossError(TrainerError):
    """A loss or a metric cannot be computed: its weights are missing, or frames have the wrong shape."""


class BaselineError(TrainerError):
    """A network of others is unknown, or its weights cannot be read."""


class CheckpointError(TrainerError):
    """A checkpoint cannot be read or written, or belongs to another run."""


class DivergedError(TrainerError):
    """A loss or a gradient is no longer finite."""


class ExportError(TrainerError):
    """A network cannot be written in the requested form."""

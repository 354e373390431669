"""What can go wrong at run time, as a tree.

    AnimeSRError
    ├── OptionError             an argument has a value that cannot be used
    ├── MissingDependencyError  a package that the chosen engine needs is not installed
    ├── WeightsError            weights are missing, damaged, or of another network
    └── EngineError             an engine cannot be opened, or failed at a step

Every message names the argument or file, the value found, and what to do about it. Two borders turn these errors
into something else: `bridge` (into a VapourSynth error) and `cli` (into a line on stderr and an exit code).
"""

from __future__ import annotations


class AnimeSRError(Exception):
    """The base of every error that a user can do something about."""


class OptionError(AnimeSRError):
    """An argument has a value that cannot be used."""


class MissingDependencyError(AnimeSRError):
    """A package that the chosen engine needs is not installed."""


class WeightsError(AnimeSRError):
    """Weights are missing, damaged, or belong to another network."""


class EngineError(AnimeSRError):
    """An engine cannot be opened, or failed at a step."""

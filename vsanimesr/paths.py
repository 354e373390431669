"""Folders of weights, engines and the cache. Only this module reads the `ANIMESR_*` environment variables.

`ANIMESR_WEIGHTS` folder with released weights, searched first; for machines without a network
`ANIMESR_ENGINES` folder with engines that were built elsewhere, searched first
`ANIMESR_CACHE`   folder for fetched weights and built engines, instead of the per-user cache folder
"""

from __future__ import annotations

import os
from pathlib import Path

from .errors import AnimeSRError, BackendError, WeightsError


def user_weights_folder() -> Path | None:
    """Return the folder that `ANIMESR_WEIGHTS` names, or None if the variable is not set or empty.

    Raises:
        WeightsError: the variable names no folder, or one that cannot be reached.
    """
    return _user_folder("ANIMESR_WEIGHTS", "weights", WeightsError)


def user_engines_folder() -> Path | None:
    """Return the folder that `ANIMESR_ENGINES` names, or None if the variable is not set or empty.

    Raises:
        BackendError: the variable names no folder, or one that cannot be reached.
    """
    return _user_folder("ANIMESR_ENGINES", "engines", BackendError)


def cache_folder() -> Path:
    """Return the folder for fetched weights and built engines: `ANIMESR_CACHE`, or the system's per-user cache folder.

    It may not exist yet.
    """
    folder = _read_variable("ANIMESR_CACHE")
    if folder is not None:
        return folder
    import platformdirs  # not at the top: not needed if the variable is set

    return platformdirs.user_cache_path("animesr", appauthor=False)


def user_path(text: str) -> Path:
    """Return a path from user input; a leading `~` stands for the home folder, as in a shell."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user or no home folder: an ordinary file name
        return Path(text)


def _read_variable(variable: str) -> Path | None:
    text = os.environ.get(variable)
    return user_path(text) if text else None


def _user_folder(variable: str, what: str, error: type[AnimeSRError]) -> Path | None:
    folder = _read_variable(variable)
    if folder is None:
        return None
    try:
        fault = "" if folder.is_dir() else "is not a folder"
    except OSError as failure:  # it is in a folder that may not be entered, or its name is too long
        fault = f"cannot be used ({failure.strerror or failure})"
    if fault:
        raise error(f"{variable}={folder} {fault}; set it to a folder that holds {what}, or unset it")
    return folder

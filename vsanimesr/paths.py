"""Where things lie on this machine, and the only reader of the `ANIMESR_*` environment variables.

`ANIMESR_WEIGHTS` a folder with released weights, looked into first: for machines without network
`ANIMESR_ENGINES` a folder with engines that were built elsewhere, looked into first
`ANIMESR_CACHE`   the folder for what can be fetched or built again, in place of the per-user one
"""

from __future__ import annotations

import os
from pathlib import Path

from .errors import AnimeSRError, EngineError, WeightsError


def given_weights_folder() -> Path | None:
    """The folder that `ANIMESR_WEIGHTS` names, or None where the variable is not set or empty.

    Raises:
        WeightsError: it names something that is not a folder.
    """
    return _given_folder("ANIMESR_WEIGHTS", "weights", WeightsError)


def given_engines_folder() -> Path | None:
    """The folder that `ANIMESR_ENGINES` names, or None where the variable is not set or empty.

    Raises:
        EngineError: it names something that is not a folder.
    """
    return _given_folder("ANIMESR_ENGINES", "engines", EngineError)


def cache_folder() -> Path:
    """The folder for what can be fetched or built again: `ANIMESR_CACHE`, or the system's per-user cache folder.

    It need not exist yet.
    """
    given = _folder_from("ANIMESR_CACHE")
    if given is not None:
        return given
    import platformdirs  # here, since it is not needed where the variable is set

    return platformdirs.user_cache_path("animesr", appauthor=False)


def user_path(text: str) -> Path:
    """The path that a user wrote; a leading `~` stands for the home folder, as in a shell."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user, or no home: then it is a name like any other
        return Path(text)


def _folder_from(variable: str) -> Path | None:
    text = os.environ.get(variable)
    return user_path(text) if text else None


def _given_folder(variable: str, what: str, error: type[AnimeSRError]) -> Path | None:
    folder = _folder_from(variable)
    if folder is not None and not folder.is_dir():
        raise error(f"{variable}={folder} is not a folder; set it to a folder that holds {what}, or unset it")
    return folder

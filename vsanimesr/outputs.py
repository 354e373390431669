"""Checks of the paths that a user gives for results, before the work starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .errors import OptionError


def check_output(output: Path, inputs: Iterable[Path] = (), *, argument: str = "-o", suffix: str = ".part") -> None:
    """Check that a file can be written, and that it is none of the input.

    Args:
        inputs: files that exist, and folders of files.
        argument: what names the path on the command line.
        suffix: the longest text that is put behind the name, for files beside it.

    Raises:
        OptionError: the path cannot be used.
    """
    folder = output.parent
    try:
        if not folder.is_dir():
            raise OptionError(
                f"{argument} {output}: the folder {folder} does not exist; create it, or use another path"
            )
        if output.is_dir():
            raise OptionError(f"{argument} {output} is a folder; name a file in it")
        for path in inputs:
            if output.exists() and (output.samefile(path) or (path.is_dir() and folder.samefile(path))):
                what = f"a file in {path}" if path.is_dir() else path
                raise OptionError(f"{argument} {output} would overwrite {what}; use another path")
        if not os.access(folder, os.W_OK):
            raise OptionError(f"{argument} {output}: nothing can be written to the folder {folder}; use another path")
        if (excess := _excess(output.name + suffix, folder)) > 0:
            raise OptionError(f"{argument} {output}: the name is {excess} bytes too long; use a shorter one")
    except OSError as error:  # in a folder that may not be entered, or a name that no file can have
        raise OptionError(
            f"{error.filename or output} cannot be used ({error.strerror or error}); use another path"
        ) from None


def _excess(name: str, folder: Path) -> int:
    """Return by how many bytes the name of a file in this folder is too long, as far as the system tells."""
    return len(os.fsencode(name)) - os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 0

"""Folders of clips that we wrote: numbered frames and an origin. What else lies in one is the user's, and stays."""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from pathlib import Path

from ..origin import ORIGIN_FILE

_OWN = re.compile(rf"\d{{8}}\.png|{re.escape(ORIGIN_FILE)}")


def others_in(folder: Path) -> list[Path]:
    """Return what lies in the folder of a clip and is not of the clip, by its name; nothing if there is no folder.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(each for each in folder.iterdir() if not _OWN.fullmatch(each.name)) if folder.is_dir() else []


def remove_clip(folder: Path) -> None:
    """Remove a clip, and its folder if nothing else is in it.

    Raises:
        OSError: the folder cannot be read, or a file cannot be removed.
    """
    for file in [each for each in folder.iterdir() if _OWN.fullmatch(each.name)]:
        file.unlink()
    with suppress(OSError):  # it holds files of the user
        folder.rmdir()


def remedy_for(error: OSError) -> str:
    """Return what to do about a folder that cannot be written."""
    return "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "use another folder"

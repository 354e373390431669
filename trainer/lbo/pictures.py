"""Folders of pictures that are made from an episode: each is complete or missing, and made of what its origin says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from PIL import Image

from ..origin import ORIGIN_FILE, Origin, differences, read_origin, write_origin

_log = logging.getLogger(__name__)


def renew_clips(folder: Path, parts: Sequence[Path], origin: Origin, notes: Origin | None = None) -> None:
    """Remove folders of pictures that are made of something else than `origin`, and write the origin.

    Args:
        folder: where the origin is kept.
        parts: folders that hold the folders of pictures.
        notes: more to write into the origin, which does not matter for these pictures.
    """
    before = read_origin(folder)
    notes = notes or {}
    if difference := differences({name: before[name] for name in before if name not in notes}, origin):
        found = [clip for part in parts if part.is_dir() for clip in part.iterdir() if clip.is_dir()]
        if found:
            _log.info("%s is made again: %s", folder, difference)
        # Without an origin nothing counts as complete, so a stop in the middle does no harm.
        (folder / ORIGIN_FILE).unlink(missing_ok=True)
        for clip in found:
            shutil.rmtree(clip)
    if before != origin | notes:
        write_origin(folder, origin | notes)


def keep_only(part: Path, names: Collection[str]) -> None:
    """Remove all folders of pictures but those of these names."""
    for clip in part.iterdir() if part.is_dir() else ():
        if clip.is_dir() and clip.name not in names:
            shutil.rmtree(clip.rename(_work_folder(clip)))


def write_pictures(folder: Path, pictures: Mapping[str, Image.Image]) -> None:
    """Write pictures by name as a folder, atomically: it appears when it is complete."""
    work = _work_folder(folder)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name, picture in pictures.items():
        picture.save(work / name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    work.rename(folder)


def _work_folder(folder: Path) -> Path:
    return folder.parents[1] / f".{folder.parent.name}-{folder.name}"

"""Compares a set with its manifest: what is missing, changed, damaged, or not of the set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vsanimesr.files import is_hidden
from vsanimesr.progress import show_progress

from ..data.clips import open_clip
from ..errors import ClipError
from .clips import hash_file, images_of
from .folders import others_in
from .manifest import ClipEntry, Manifest, require_manifest
from .sources import show


def check_set(folder: Path) -> Iterator[str]:
    """Yield the faults of a set, one a line; none if it is as its manifest says.

    Raises:
        DatasetError: there is no manifest, or it cannot be read.
    """
    manifest = require_manifest(folder)
    done = 0
    with show_progress(sum(clip.frames for clip in manifest.clips), "checking: ") as show_done:
        for clip in manifest.clips:
            yield from (f"{show(clip.name)}: {fault}" for fault in _check_clip(folder / clip.name, clip))
            done += clip.frames
            show_done(done)
    yield from _foreign(folder, manifest)


def _check_clip(folder: Path, clip: ClipEntry) -> Iterator[str]:
    if not folder.is_dir():
        yield "its folder is missing; build again"
        return
    images = images_of(folder)
    wanted = [f"{number:08}.png" for number in range(clip.frames)]
    names = [image.name for image in images]
    yield from (f"{name} is missing; remove the folder, and build again" for name in wanted if name not in names)
    yield from (f"{show(name)} is no frame of it; remove it" for name in names if name not in wanted)
    others = [each.name for each in others_in(folder) if each not in images and not is_hidden(each)]
    yield from (f"{show(name)} is not of it; move it elsewhere" for name in others)
    hashes = dict(zip(wanted, clip.files, strict=False))
    for image in images:
        try:
            if image.name in hashes and hash_file(image) != hashes[image.name]:
                yield f"{image.name} has changed; remove the folder, and build again"
        except OSError as error:
            yield f"{image.name} cannot be read ({error.strerror or error}); check its disk"
    try:
        opened = open_clip(folder)
        if opened and (size := opened.check()) != (clip.width, clip.height):
            yield f"its frames have {size[0]}x{size[1]} pixels, and not {clip.width}x{clip.height}"
    except (ClipError, OSError) as error:
        yield show(str(error))


def _foreign(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what training would take for clips, and the manifest does not name."""
    known = {clip.name for clip in manifest.clips}
    for entry in sorted(folder.iterdir()):
        if entry.name not in known and not is_hidden(entry) and open_clip(entry):
            yield f"{show(entry.name)}: is not of this set, but training would take it; move it elsewhere"

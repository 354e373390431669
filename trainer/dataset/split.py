"""Holds clips out by title: all clips of a show are on the same side."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsanimesr.files import file_lock
from vsanimesr.progress import count

from ..errors import DatasetError
from .check import check_set
from .folders import remedy_for
from .manifest import WORK_FOLDER, ClipEntry, Manifest, read_manifest, require_manifest, write_manifest
from .page import write_page
from .sources import show

_log = logging.getLogger(__name__)

PAPERS_SHARE = 30 / 583
"""Share of the clips that the paper holds out."""


@dataclass(frozen=True)
class Split:
    """What was held out."""

    titles: Sequence[str]
    clips: Sequence[str]


def split_set(folder: Path, to: Path, *, clips: int | None = None, titles: Sequence[str] = (), seed: int = 0) -> Split:
    """Move the clips of some titles into another folder, which becomes a set of its own.

    They are copied first, by links where the disk has them, then both manifests are written, then the originals go. So
    a stop loses nothing, and the same command goes on. Once it is done, the same command finds nothing to do; after the
    set has grown, it holds out more.

    Args:
        clips: least number of the set's clips that `to` holds afterwards, of titles that are drawn by `seed`; None:
            the paper's share.
        titles: titles to hold out; none are drawn then.

    Returns:
        What `to` holds of these titles, also by earlier calls.

    Raises:
        DatasetError: the set is not as its manifest says, there are too few titles, or a folder cannot be written.
    """
    require_manifest(folder)  # before a lock makes the folder
    if folder.resolve() == to.resolve():
        raise DatasetError(f"-o {show(to)} is the set itself; use another folder")
    with file_lock(folder / WORK_FOLDER):
        manifest = require_manifest(folder)
        there = read_manifest(to) or Manifest()
        _finish(folder, to, manifest, there)
        titles_of = {video.digest: video.title for video in manifest.videos}
        by_title = _by_title([*there.clips, *manifest.clips], titles_of)
        held = {titles_of[clip.video] for clip in there.clips if clip.video in titles_of}
        chosen = list(titles) if titles else _draw(by_title, held, clips, seed)
        _require(by_title, chosen, {titles_of[clip.video] for clip in manifest.clips})
        names = {clip.name for title in chosen for clip in by_title[title]}
        moved = [clip for clip in manifest.clips if clip.name in names]
        if moved:
            _move(folder, to, manifest, there, moved)
        what = f"{count(len(names), 'clip')} of {count(len(chosen), 'title')}"
        _log.info("%s: %s held out, %d of them now", show(to), what, len(moved))
        return Split(chosen, sorted(names))


def _move(folder: Path, to: Path, manifest: Manifest, there: Manifest, moved: Sequence[ClipEntry]) -> None:
    """Move clips and what the manifest says of them."""
    if fault := next(iter(check_set(folder)), None):
        raise DatasetError(f"{show(folder)} is not as its manifest says ({fault}); see dataset check")
    try:
        _copy(folder, to, moved)
    except OSError as error:
        raise DatasetError(
            f"{show(to)} cannot be written ({error.strerror or error}); the set is unchanged: {remedy_for(error)}, and "
            "split again"
        ) from error
    names, titles = {clip.name for clip in moved}, {manifest.video_of(clip).title for clip in moved}
    _write(to, _joined(there, manifest, moved))
    stay = [clip for clip in manifest.clips if clip.name not in names]
    _write(folder, manifest.model_copy(update={"clips": stay, "held_out": sorted({*manifest.held_out, *titles})}))
    for clip in moved:
        _remove(folder / clip.name)


def _finish(folder: Path, to: Path, manifest: Manifest, there: Manifest) -> None:
    """Remove what a stop has left: folders of clips that are in the held-out set already."""
    names = {clip.name for clip in manifest.clips}
    for clip in there.clips:
        left, copy = folder / clip.name, to / clip.name
        moved = clip.name not in names and there.video_of(clip).title in manifest.held_out
        if moved and left.is_dir() and copy.is_dir() and _names(left) == _names(copy):
            _remove(left)


def _remove(clip: Path) -> None:
    """Remove the folder of a clip that was copied. If it stayed, training would see it."""
    try:
        shutil.rmtree(clip)
    except OSError as error:
        raise DatasetError(
            f"{show(clip)} is held out, and cannot be removed ({error.strerror or error}); remove it"
        ) from error


def _write(folder: Path, manifest: Manifest) -> None:
    write_manifest(folder, manifest)
    write_page(folder, manifest)


def _by_title(clips: Sequence[ClipEntry], titles: Mapping[str, str]) -> dict[str, list[ClipEntry]]:
    """Return the clips of each title, each once.

    Args:
        titles: of the set's videos, by their digests. Clips of other videos are left out.
    """
    found: dict[str, list[ClipEntry]] = {}
    for clip in {clip.name: clip for clip in clips if clip.video in titles}.values():
        found.setdefault(titles[clip.video], []).append(clip)
    return found


def _draw(by_title: Mapping[str, Sequence[ClipEntry]], held: Set[str], clips: int | None, seed: int) -> list[str]:
    """Return the titles that are held out, and draw others until they have enough clips."""
    total = sum(map(len, by_title.values()))
    least = max(round(total * PAPERS_SHARE), 1) if clips is None else clips
    if not 1 <= least < total:
        raise DatasetError(f"--clips {least} is refused; the set has {count(total, 'clip')}, hold out 1 to {total - 1}")
    chosen, others = sorted(held), sorted({*by_title} - held)
    for n in np.random.default_rng(seed).permutation(len(others)).tolist():
        if sum(len(by_title[title]) for title in chosen) < least:
            chosen.append(others[n])
    return chosen


def _require(by_title: Mapping[str, Sequence[ClipEntry]], chosen: Sequence[str], there: Set[str]) -> None:
    """Check that titles exist, and that some of those that are there are left to train with."""
    for title in chosen:
        if title not in by_title:
            raise DatasetError(f"--title {title!r} has no clips; those of the set are {', '.join(sorted(by_title))}")
    if there <= {*chosen}:
        raise DatasetError(
            f"all titles would be held out ({', '.join(sorted(by_title))}), and no clip would be left; hold out fewer "
            "clips, or correct the titles in manifest.json"
        )


def _copy(folder: Path, to: Path, clips: Sequence[ClipEntry]) -> None:
    """Copy folders of clips; each appears when it is complete."""
    work = to / WORK_FOLDER / "clips"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for clip in clips:
        if (to / clip.name).exists():
            if _names(to / clip.name) != _names(folder / clip.name):
                raise DatasetError(f"{show(to / clip.name)} is there and is another clip; use another folder for -o")
            continue
        shutil.copytree(folder / clip.name, work / clip.name, copy_function=_link)
        (work / clip.name).rename(to / clip.name)


def _names(folder: Path) -> list[tuple[str, int]]:
    """Return the names and sizes of the files of a folder."""
    return sorted((each.name, each.stat().st_size) for each in folder.iterdir())


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
    return target


def _joined(there: Manifest, manifest: Manifest, moved: Sequence[ClipEntry]) -> Manifest:
    """Return the manifest of the held-out set."""
    videos = {video.digest: video for video in [*there.videos, *manifest.videos]}
    clips = {clip.name: clip for clip in [*there.clips, *moved]}
    used = {clip.video for clip in clips.values()}
    return manifest.model_copy(
        update={
            "videos": [video for digest, video in videos.items() if digest in used],
            "clips": sorted(clips.values(), key=lambda clip: clip.name),
            "failed": [],
            "held_out": there.held_out,
        }
    )

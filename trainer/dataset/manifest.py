"""What a set says of itself: videos, clips, scores, hashes, and why each was taken or dropped."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from vsanimesr.files import write_atomic
from vsanimesr.installation import DISTRIBUTION

from ..errors import DatasetError
from .repeats import Hashes
from .sources import show

FORMAT = 1
MANIFEST_FILE, PAGE_FILE, WORK_FOLDER = "manifest.json", "report.html", ".work"
PACKAGES = DISTRIBUTION, "av", "numpy", "opencv-python-headless", "pyiqa"
"""Packages whose versions can change a set."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClipEntry(_Entry):
    """A clip of the set."""

    name: str
    """Of its folder."""
    video: str
    """Digest of its video."""
    first: int
    """Number of its first frame in the video."""
    frames: int
    width: int
    height: int
    score: float
    quality: float
    motion: float
    why: str
    files: list[str]
    """The first digits of the SHA-256 of each file."""
    pictures: str
    """What its frames look like, for `repeats`, in hexadecimal."""


class DroppedEntry(_Entry):
    """Frames of a video that became no clip."""

    first: int
    frames: int
    reason: str
    score: float | None = None
    quality: float | None = None
    motion: float | None = None


class VideoEntry(_Entry):
    """A video that could be read."""

    name: str
    path: str
    digest: str
    title: str
    """Of the show, by which clips are held out. May be changed by hand."""
    width: int
    """With square pixels."""
    height: int
    sample_aspect: str
    rate: str
    frames: int
    shots: int
    faults: dict[str, int]
    """How many frames have each fault."""
    dropped: list[DroppedEntry]
    reason: str = ""
    """Why it gave no clip; empty if it gave one."""
    repeats: dict[str, int] = {}
    """How many of its frames other videos have shown before, by their names."""


class FailedEntry(_Entry):
    """A video that could not be used, or a clip. It stays until a call names its video again."""

    name: str
    reason: str
    video: str = ""
    """Path of the video."""


class Manifest(_Entry):
    """A set."""

    format: int = FORMAT
    versions: dict[str, str] = {}
    scorer: str = "edges"
    """Key of what measured quality."""
    quality_note: str = ""
    rules: dict[str, float] = {}
    """Of the last build."""
    videos: list[VideoEntry] = []
    clips: list[ClipEntry] = []
    failed: list[FailedEntry] = []
    held_out: list[str] = []
    """Titles that were split off. Their videos give no clips any more."""

    def video_of(self, clip: ClipEntry) -> VideoEntry:
        """Return the video of a clip."""
        return next(each for each in self.videos if each.digest == clip.video)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a set; None if the folder has none.

    Raises:
        DatasetError: it cannot be read.
    """
    file = folder / MANIFEST_FILE
    try:
        if not file.exists():
            return None
        manifest = Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged, or of another version"
        raise DatasetError(f"{show(file)} cannot be read ({reason}); bring it back, or use another folder") from error
    known = {video.digest for video in manifest.videos}
    if manifest.format != FORMAT or any(clip.video not in known for clip in manifest.clips):
        raise DatasetError(f"{show(file)} is damaged, or of another version; bring it back, or use another folder")
    return manifest


def require_manifest(folder: Path) -> Manifest:
    """Return the manifest of a set.

    Raises:
        DatasetError: there is none, or it cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DatasetError(f"{show(folder)} has no {MANIFEST_FILE}; name a folder that dataset build has made")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest.

    Raises:
        DatasetError: it cannot be written; the one before is unchanged.
    """
    try:
        write_atomic(folder / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())
    except OSError as error:
        raise DatasetError(
            f"{show(folder / MANIFEST_FILE)} cannot be written ({error.strerror or error}); free some space, and run "
            "the same command again: what is done is kept"
        ) from error


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def pack(hashes: Hashes) -> str:
    """Return hashes as text."""
    return np.ascontiguousarray(hashes).tobytes().hex()


def unpack(text: str) -> Hashes:
    """Return hashes from text."""
    return np.frombuffer(bytes.fromhex(text), np.uint64).reshape(-1, 2)

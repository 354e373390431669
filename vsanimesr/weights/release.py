"""The weights that have a name, and the search for local copies of them.

The released weights of AnimeSR are fetched. Copies are searched in the folder that `ANIMESR_WEIGHTS` names, then in the
cache folder. Missing ones are fetched into the cache. Weights of our own are shipped: they are files of this package,
read from nowhere else. All are verified each time they are read, on the same bytes that are returned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from ..files import read_at_most


@dataclass(frozen=True, kw_only=True)
class Release:
    """A file of weights under a name: a released one (docs/paper-and-release.md, 1.8), or one that is shipped."""

    model: str
    file: str
    size: int
    """Size in bytes."""
    sha256: str
    aliases: tuple[str, ...] = ()
    """Other names under which the same file is published."""
    recipe: str = ""
    """Of shipped weights: what they were made of, and how. Empty for weights that are fetched."""
    licence: str = ""
    """Of shipped weights: their licence."""

    @property
    def shipped(self) -> bool:
        """Whether the file is a part of this package."""
        return bool(self.recipe)


RELEASES = {
    release.model: release
    for release in (
        Release(
            model="v1",
            file="AnimeSR_v1.pth",
            size=6_000_015,
            sha256="915ef7f0f7067f04219516b50e88c362581300e48902e3b7f540650e32a20c10",
            aliases=("AnimeSR_v1-PaperModel.pth",),
        ),
        Release(
            model="v2",
            file="AnimeSR_v2.pth",
            size=5_996_559,
            sha256="d0f29c8966b53718828bd424bbdc306e7ff0cbf6350beadaf8b5b2500b108548",
        ),
        Release(
            model="v2-fast",
            file="v2-fast.safetensors",
            size=822_304,
            sha256="d95727034b94375f4118a93b3659103d5de60e325d0dcda0da03a8bb7477e5f4",
            recipe="distilled from v2, docs/reports/fast.md",
            licence="Apache-2.0",
        ),
    )
}
"""The one table of models. Every list of names, check and error follows from it. To ship weights, put the file into
`SHIPPED_FOLDER` and describe it here."""

MODEL_NAMES = RELEASES.keys()

SHIPPED_FOLDER = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class LocalCopy:
    """A local copy of a release, valid or not."""

    path: Path
    data: bytes = b""
    fault: str = ""
    """Reason why the copy cannot be used; empty if it is valid."""
    read_only: bool = False
    """The copy is in the folder that `ANIMESR_WEIGHTS` names, or in this package, where nothing is ever written."""


def find_copy(release: Release) -> LocalCopy | None:
    """Find the copy of a release to use, valid or not; None if there is none. Nothing replaces shipped weights.

    Raises:
        WeightsError: `ANIMESR_WEIGHTS` names no folder.
    """
    if release.shipped:
        return check_copy(release, SHIPPED_FOLDER / release.file, read_only=True)
    folder = paths.user_weights_folder()
    if folder is not None:
        for name in (release.file, *release.aliases):
            if copy := check_copy(release, folder / name, read_only=True):
                return copy
    return check_copy(release, cache_folder() / release.file)


def cache_folder() -> Path:
    """Return the folder for fetched weights."""
    return paths.cache_folder() / "weights"


def fault_of(release: Release, data: bytes) -> str:
    """Return the reason why `data` is not the release; empty if it is."""
    if len(data) != release.size:
        return f"its size is not the {release.size} bytes of the release"
    found = hashlib.sha256(data).hexdigest()
    return "" if found == release.sha256 else f"sha256 {found} instead of {release.sha256}"


def check_copy(release: Release, path: Path, *, read_only: bool = False) -> LocalCopy | None:
    """Read and verify a copy; None if there is no file."""
    try:
        data = read_at_most(path, release.size + 1)  # one byte more, to detect a longer file
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return LocalCopy(path, fault=f"cannot be read: {error.strerror or error}", read_only=read_only)
    return LocalCopy(path, data, fault_of(release, data), read_only)

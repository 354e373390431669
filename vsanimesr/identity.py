"""What a result was made of: names and texts, of which each tells one thing from another by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

PIECES, PIECE_BYTES = 16, 1 << 20  # of a large file that are hashed to tell it from others


def describe_difference(before: Mapping[str, str], now: Mapping[str, str], most: int | None = None) -> str:
    """Return what two results differ in, or "" if they are made of the same.

    Args:
        most: number of differences that are named; None for all.
    """
    differences = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name) or "nothing", now.get(name) or "nothing"
        if old != new:
            old, new = _first_different_lines(old, new)
            differences.append(f"{name} was {old}, now {new}")
    left = len(differences) - (len(differences) if most is None else most)
    return "; ".join([*differences[:most], *([f"{left} more"] if left > 0 else [])])


def fingerprint(path: Path) -> str:
    """Return the size of a file and a hash: of all of it, or of the head, the tail and pieces of a large one."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= PIECES * PIECE_BYTES:
            digest.update(file.read())
        else:
            for piece in range(PIECES):
                file.seek((size - PIECE_BYTES) * piece // (PIECES - 1))
                digest.update(file.read(PIECE_BYTES))
    return f"{size} bytes, {digest.hexdigest()[:16]}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_different_lines(old: str, new: str) -> tuple[str, str]:
    """Return what differs in two texts of many lines."""
    if "\n" not in old + new:
        return old, new
    lines = [(a, b) for a, b in zip([*old.splitlines(), ""], [*new.splitlines(), ""], strict=False) if a != b]
    return (repr(lines[0][0]), repr(lines[0][1])) if lines else (f"{len(old)} characters", f"{len(new)} characters")

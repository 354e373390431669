"""Checks a result, or what is finished of it, against the hashes of the frames that were encoded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import JobError, MediaError
from ..progress import Display, Rate
from .chunks import Chunk
from .encoding import decode_digests, digest
from .job import sidecar_path
from .manifest import Folder, Record


@dataclass(frozen=True)
class Finding:
    """What was found of a result."""

    frames: int
    """In the chunks that were looked at."""
    chunks: int
    of: int
    """The number of chunks that the result has or will have."""
    different: Sequence[Chunk]
    """Chunks whose frames are not those that were encoded."""


def verify(output: Path, display: Display) -> Finding:
    """Decode a result, or the chunks of it that are finished, and compare the frames with those that were encoded.

    Raises:
        JobError: there is nothing to compare.
        MediaError: the result cannot be decoded, or has another number of frames.
    """
    folder = Folder.of(output)
    if folder.manifest_path.exists():
        return _verify_chunks(folder, display)
    path = sidecar_path(output)
    if not output.is_file() or not path.is_file():
        missing = output if not output.is_file() else path
        raise JobError(f"{missing} does not exist; give the OUT of `animesr upscale`, with the files beside it")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["chunks"]
        chunks = [Chunk(start, end) for start, end, _ in entries]
        expected = [digest for _, _, digest in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} cannot be read ({error}); without it nothing can be compared") from None
    rate = Rate(sum(map(len, chunks)))
    try:
        found = decode_digests(
            output,
            [len(chunk) for chunk in chunks],
            advance=lambda done: display.show(lambda: rate.describe(done)),
        )
    finally:
        display.clear()
    different = [chunk for chunk, a, b in zip(chunks, expected, found, strict=True) if a != b]
    return Finding(sum(map(len, chunks)), len(chunks), len(chunks), different)


def _verify_chunks(folder: Folder, display: Display) -> Finding:
    """Check the finished chunks of a job in work."""
    chunks = folder.manifest.chunks
    records = {number: record for number in range(len(chunks)) if (record := folder.read_record(number))}
    rate, done, different = Rate(sum(record.frames for record in records.values())), 0, []
    for number, record in records.items():
        if not _holds(folder.chunk_path(number), record):
            different.append(chunks[number])
        done += record.frames
        display.show(lambda done=done: rate.describe(done))  # type: ignore[misc]
    display.clear()
    return Finding(done, len(records), len(chunks), different)


def _holds(chunk: Path, record: Record) -> bool:
    """Return whether the file of a chunk has the frames of its record. One that is missing or damaged has not."""
    try:
        return digest(chunk) == (record.frames, record.digest)
    except MediaError:
        return False

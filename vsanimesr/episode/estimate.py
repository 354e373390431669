"""What a job will take: time, bytes, and room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import JobError
from .chunks import count_steps
from .manifest import Manifest, Record
from .progress import format_bytes, format_time
from .worker import Sample

SHORT = 100
"""Frames of a job for which nothing is measured."""
MARGIN = 1 << 26  # bytes that should stay free


@dataclass(frozen=True)
class Estimate:
    """What the rest of a job will take."""

    seconds: float
    chunk_seconds: float
    """Of a chunk of middling length."""
    result_bytes: float
    """Size of the whole result."""
    needed_bytes: float
    """What is still written until the result is there: the chunks that are left, and the result beside them."""

    def describe(self, free: int) -> str:
        """Return the estimate as a line, with what is free on the disk."""
        return (
            f"about {format_time(self.seconds)}, {format_bytes(self.result_bytes)}; needs "
            f"{format_bytes(self.needed_bytes)} of disk until it is finished, {format_bytes(free)} are free. A chunk "
            f"takes about {format_time(self.chunk_seconds)}"
        )


def from_sample(manifest: Manifest, sample: Sample, workers: int, others: float) -> Estimate:
    """Return the estimate for a job of which nothing is finished.

    Args:
        sample: the first frames of a chunk.
        others: bytes of the streams that are copied.
    """
    later = (sample.bytes - sample.first_bytes) / max(1, sample.frames - 1)
    video = len(manifest.chunks) * sample.first_bytes + (manifest.frames - len(manifest.chunks)) * later
    # Steps before a chunk's first frame are not in the sample's time.
    step = sample.seconds / max(1, sample.frames - 1)
    return _estimate(manifest, {}, step, video, workers, others)


def from_records(manifest: Manifest, records: Mapping[int, Record], workers: int, others: float) -> Estimate:
    """Return the estimate for the rest of a job, by the chunks that are finished.

    Args:
        others: bytes of the streams that are copied.
    """
    frames = sum(record.frames for record in records.values())
    step = sum(record.seconds for record in records.values()) / sum(_steps(manifest, number) for number in records)
    video = sum(record.bytes for record in records.values()) * manifest.frames / frames
    return _estimate(manifest, records, step, video, workers, others)


def _estimate(
    manifest: Manifest, records: Mapping[int, Record], step: float, video: float, workers: int, others: float
) -> Estimate:
    left = [number for number in range(len(manifest.chunks)) if number not in records]
    steps = sum(_steps(manifest, number) for number in left)
    chunks_left = video - sum(record.bytes for record in records.values())
    return Estimate(
        seconds=steps * step / min(workers, max(1, len(left))),
        chunk_seconds=steps * step / max(1, len(left)),
        result_bytes=video + others,
        needed_bytes=chunks_left + video + others,
    )


def check_disk(estimate: Estimate, output: Path) -> int:
    """Return how many bytes are free where the result goes.

    Raises:
        JobError: they are not enough.
    """
    free = shutil.disk_usage(output.parent).free
    if free < estimate.needed_bytes + MARGIN:
        raise JobError(
            f"{output.parent} has {format_bytes(free)} free, but until {output.name} is finished about "
            f"{format_bytes(estimate.needed_bytes)} are needed; make room, use another path, or begin without an "
            "estimate: --no-estimate"
        )
    return free


def _steps(manifest: Manifest, number: int) -> int:
    if not manifest.script.is_made_here:
        return len(manifest.chunks[number])
    options = manifest.script.options
    return count_steps(manifest.scenes, manifest.chunks[number], options.segment, options.preroll)

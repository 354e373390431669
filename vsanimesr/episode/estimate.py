"""What a job will take: time, bytes, and room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from ..errors import JobError
from ..progress import format_bytes, format_time
from . import libav
from .chunks import count_steps
from .manifest import Manifest, Record
from .media import Media

SHORT = 100
"""Frames of a job for which nothing is measured."""
NOTABLE = 2.0
"""Seconds from which on opening the network is told."""
MARGIN = 1 << 26  # bytes that should stay free


LOOKED_AT = 10.0  # seconds of a file in which the bytes of its streams are counted


@dataclass(frozen=True)
class Sample:
    """What the first frames of a chunk took."""

    frames: int
    seconds: float
    """From the first frame to the last byte, and to decode them."""
    first_bytes: int
    """Of the key frame."""
    bytes: int
    """Of all frames."""


@dataclass(frozen=True)
class Estimate:
    """What the rest of a job will take."""

    seconds: float
    opening: float
    """Seconds that it took to open the network, before the estimate."""
    chunk_seconds: float
    """Of a chunk of middling length."""
    result_bytes: float
    """Size of the whole result."""
    needed_bytes: float
    """What is still written until the result is there: the chunks that are left, and the result beside them."""

    def describe(self, free: int) -> str:
        """Return the estimate as a line, with what is free on the disk."""
        opened = f" more (opening took {format_time(self.opening)})" if self.opening >= NOTABLE else ""
        # Of one chunk it is the same.
        chunk = f". A chunk takes about {format_time(self.chunk_seconds)}" if self.chunk_seconds < self.seconds else ""
        return (
            f"about {format_time(self.seconds)}{opened}, {format_bytes(self.result_bytes)}; needs "
            f"{format_bytes(self.needed_bytes)} of disk until it is finished, {format_bytes(free)} are free{chunk}"
        )


def from_sample(manifest: Manifest, sample: Sample, workers: int, opening: float, others: float) -> Estimate:
    """Return the estimate for a job of which nothing is finished.

    Args:
        sample: the first frames of a chunk.
        opening: seconds that it took to open the network in one worker.
        others: bytes of the streams that are copied.
    """
    later = (sample.bytes - sample.first_bytes) / max(1, sample.frames - 1)
    video = len(manifest.chunks) * sample.first_bytes + (manifest.frames - len(manifest.chunks)) * later
    # Steps before a chunk's first frame are not in the sample's time.
    step = sample.seconds / max(1, sample.frames - 1)
    return _estimate(manifest, {}, step, video, workers, opening, others)


def from_records(
    manifest: Manifest, records: Mapping[int, Record], workers: int, opening: float, others: float
) -> Estimate:
    """Return the estimate for the rest of a job, by the chunks that are finished.

    Args:
        opening: seconds that it took to open the network in one worker.
        others: bytes of the streams that are copied.
    """
    frames = sum(record.frames for record in records.values())
    step = sum(record.seconds for record in records.values()) / sum(_steps(manifest, number) for number in records)
    video = sum(record.bytes for record in records.values()) * manifest.frames / frames
    return _estimate(manifest, records, step, video, workers, opening, others)


def _estimate(
    manifest: Manifest,
    records: Mapping[int, Record],
    step: float,
    video: float,
    workers: int,
    opening: float,
    others: float,
) -> Estimate:
    left = [number for number in range(len(manifest.chunks)) if number not in records]
    steps = sum(_steps(manifest, number) for number in left)
    chunks_left = video - sum(record.bytes for record in records.values())
    at_once = max(1, min(workers, len(left)))
    return Estimate(
        seconds=steps * step / at_once + (opening if at_once > 1 else 0),  # the other workers open it at the same time
        opening=opening,
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


def packet_sizes(path: Path) -> list[int]:
    """Return the bytes of each frame of a chunk, in the order of the file."""
    with libav.opened(path) as container:
        return [packet.size for packet in container.demux(video=0) if packet.size]


def copied_bytes(media: Media, times: Sequence[Fraction]) -> float:
    """Return about how many bytes the streams have that are copied from a file, by a piece of it.

    Args:
        times: when the frames of the result are shown, in seconds.
    """
    av = libav.load()
    middle = times[len(times) // 2] + media.origin
    attached = 0
    with libav.opened(media.path) as container:
        for stream in container.streams:
            attached += len(stream.data) if stream.type == "attachment" else 0
        container.seek(int(middle * av.time_base))
        packets = (packet for packet in container.demux() if packet.size and packet.dts is not None)
        first = next(packets, None)
        if first is None:
            return attached
        begin = first.dts * first.time_base
        counted, end = 0, begin
        for packet in takewhile(lambda packet: packet.dts * packet.time_base < begin + LOOKED_AT, packets):
            end = max(end, packet.dts * packet.time_base)
            counted += packet.size if packet.stream.index != media.video else 0
    return attached + counted * float((times[-1] - times[0]) / (end - begin) if end > begin else 1)


def _steps(manifest: Manifest, number: int) -> int:
    if not manifest.script.is_made_here:
        return len(manifest.chunks[number])
    options = manifest.script.options
    return count_steps(manifest.scenes, manifest.chunks[number], options.segment, options.preroll)

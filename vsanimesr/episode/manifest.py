"""The work folder of a job: what the job is made of, and what is finished.

    OUT.animesr/
        manifest.json       what the job is made of, and its chunks
        scenes.txt          where scenes start, for Upscale
        chunk-00012.mkv     a finished chunk
        chunk-00012.json    its record, written after it
        chunk-00012.state   how far a chunk in work is
        log.txt             what was said; workers.txt: what libraries said
        run-8f03c2d1        by which workers of a cluster see that this is the folder

A chunk is finished if it has a record, so a job can be killed anywhere. When the result is written, its manifest is
`OUT.animesr.json`, and the folder is removed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ..errors import JobError
from ..files import replace, write_atomic
from .chunks import Chunk
from .script import Script

FORMAT = 1
"""Number of the layout of the folder, for versions to come."""


@dataclass(frozen=True)
class Record:
    """A finished chunk."""

    frames: int
    digest: str
    """Hash of the decoded frames."""
    bytes: int
    """Size of the file."""
    file_digest: str
    """SHA-256 of the file."""
    held: int
    """Frames that repeat another one."""
    seconds: float
    """Time that the chunk took."""


@dataclass(frozen=True)
class Manifest:
    """What a job is made of."""

    identity: Mapping[str, str]
    """Everything that the result depends on, each under a name that a user knows."""
    script: Script
    chunks: tuple[Chunk, ...]
    scenes: tuple[int, ...]
    times: tuple[Fraction, ...]
    """When each frame of all chunks is shown, in seconds."""
    end: Fraction
    """When the last frame ends."""
    is_part: bool
    """Whether the source has more frames."""
    encoder: Mapping[str, Any]
    """Format of the frames and settings of the encoder, see `settings`."""

    @property
    def first(self) -> int:
        """The first frame of the first chunk."""
        return self.chunks[0].start

    @property
    def frames(self) -> int:
        """The number of frames of all chunks."""
        return self.chunks[-1].end - self.first

    @property
    def scene_count(self) -> int:
        """The number of scenes that the chunks have frames of. `scenes` holds some behind the last chunk too."""
        return bisect_left(self.scenes, self.chunks[-1].end)

    def to_json(self) -> str:
        """Return the content of the file."""
        content = asdict(self) | {"format": FORMAT, "times": [str(time) for time in self.times]}
        content["end"] = str(self.end)
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the content of the file.

        Raises:
            ValueError: it is damaged, or of another version.
        """
        try:
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                raise ValueError("another version of this program wrote it")
            return cls(
                **{
                    **content,
                    "script": Script(**content["script"]),
                    "chunks": tuple(Chunk(*chunk) for chunk in content["chunks"]),
                    "scenes": tuple(content["scenes"]),
                    "times": tuple(map(Fraction, content["times"])),
                    "end": Fraction(content["end"]),
                }
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from None


@dataclass(frozen=True)
class Folder:
    """The work folder of a job."""

    path: Path

    @classmethod
    def of(cls, output: Path) -> Self:
        """Return the work folder for a result. It may not exist."""
        return cls(output.with_name(f"{output.name}.animesr"))

    @property
    def manifest_path(self) -> Path:
        """The manifest's path."""
        return self.path / "manifest.json"

    @property
    def scenes_path(self) -> Path:
        """The scene file's path."""
        return self.path / "scenes.txt"

    def chunk_path(self, number: int) -> Path:
        """Return the path of a finished chunk."""
        return self.path / f"chunk-{number:05}.mkv"

    def part_path(self, number: int) -> Path:
        """Return a path for a chunk in work, which no other process uses, on no machine."""
        return self.path / f"chunk-{number:05}.{secrets.token_hex(4)}.part.mkv"

    def run_path(self, token: str) -> Path:
        """Return the path of a file that tells this folder from others."""
        return self.path / f"run-{token}"

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest.

        Raises:
            JobError: it cannot be read.
        """
        try:
            return Manifest.from_json(self.manifest_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise JobError(f"{self.manifest_path} cannot be read ({reason}); --restart begins anew") from None

    def digest(self) -> str:
        """Return a hash of what workers read.

        Raises:
            OSError: it cannot be read.
        """
        return hashlib.sha256(self.manifest_path.read_bytes() + self.scenes_path.read_bytes()).hexdigest()

    def enter(self, number: int, part: Path, record: Record) -> None:
        """Enter a finished chunk that lies at `part`."""
        replace(part, self.chunk_path(number))
        self.write_record(number, record)

    def write_record(self, number: int, record: Record) -> None:
        """Write the record of a finished chunk."""
        write_atomic(self._record_path(number), json.dumps(asdict(record)).encode())
        with suppress(OSError):
            self._state_path(number).unlink()

    def read_record(self, number: int) -> Record | None:
        """Return the record of a chunk, or None if it is not finished."""
        try:
            return Record(**json.loads(self._record_path(number).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def write_state(self, number: int, frames: int, held: int) -> None:
        """Say how far a chunk in work is."""
        with suppress(OSError):  # it only serves the display
            self._state_path(number).write_text(f"{frames} {held}\n")

    def read_state(self, number: int) -> tuple[int, int] | None:
        """Return how many frames of a chunk in work are done, and how many of them were held; None if it cannot be read
        just now.
        """
        try:
            text = self._state_path(number).read_text()
            frames, held = map(int, text.split()) if text.endswith("\n") else (0, 0)
        except (OSError, ValueError):
            return None
        return (frames, held) if frames else None

    def take_out(self, number: int) -> None:
        """Remove a chunk, its record first."""
        for path in (self._record_path(number), self._state_path(number), self.chunk_path(number)):
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the job, the manifest first. Logs, the lock and files that are not ours stay."""
        for path in [self.manifest_path, self.scenes_path]:
            path.unlink(missing_ok=True)
        for pattern in ("chunk-*", "*.part", "run-*"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def remove_parts(self) -> None:
        """Remove what processes that were killed have left. One that is still at work stops."""
        for pattern in ("*.part*", "chunk-*.state"):
            for path in self.path.glob(pattern):
                with suppress(OSError):  # Windows removes no file that a worker of a cluster still writes
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything that is ours, and the folder, if nothing else is in it."""
        self.clear()
        with suppress(OSError):  # Windows removes no file that a process still holds
            for name in ("log.txt", "workers.txt", "lock"):
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()

    def _record_path(self, number: int) -> Path:
        return self.chunk_path(number).with_suffix(".json")

    def _state_path(self, number: int) -> Path:
        return self.chunk_path(number).with_suffix(".state")

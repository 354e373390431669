"""The work on one chunk: a plain function of a folder and a number, for a process here or anywhere."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import AnimeSRError, JobError, last_line
from ..identity import describe_difference, file_digest
from ..installation import DISTRIBUTION
from . import encoding, settings
from .estimate import Sample, packet_sizes
from .manifest import Folder, Manifest, Record
from .script import PACKAGES, Script

if TYPE_CHECKING:
    import vapoursynth

MADE_BY = ("AnimeSRModel", "AnimeSRBackend", "AnimeSRPrecision")
"""Properties of frames that say what made them."""
HELD = "AnimeSRHeld"
SAID_BY = "Upscale: "
"""How a message of Upscale in VapourSynth's log begins."""
STATE_INTERVAL = 0.25  # seconds between two notes of how far a chunk is
SAMPLE_FRAMES, SAMPLE_SECONDS, SAMPLE_LEAST = 48, 15.0, 3
"""A sample ends with this many frames, or after this time if it has the least number."""


class UnfitError(JobError):
    """This process would make other frames than the job has, or none: another one may be fit."""


@dataclass(frozen=True)
class Made:
    """A finished chunk that is not entered yet."""

    part: Path
    record: Record


@dataclass(frozen=True)
class Output:
    """What a script gives."""

    video: encoding.VideoFormat
    frames: int
    rate: Fraction
    """Frames a second; 0 if it changes."""
    props: Mapping[str, object]
    """Properties of the first frame."""
    made_by: str
    """Model, backend and precision, as the first frame tells; "" if it does not."""
    notes: tuple[str, ...] = ()
    """What Upscale said of the clip and of the backend."""


def start(log: str, gpu: str | None = None) -> None:
    """Prepare a process of its own for chunks: it ends with the one that started it, and what it prints is logged.

    Args:
        gpu: the GPU that it sees, by its number or name for CUDA; None: all of them.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # read when a library first looks for GPUs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that shows the progress
    with open(log, "ab", buffering=0) as file:  # noqa: PTH123  # a path that may be gone is an error of the caller
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if parent := parent_process():
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def inspect(script: Script) -> Output:
    """Open a script, and make its first frame.

    Raises:
        AnimeSRError: the script fails, or the frame cannot be made.
    """
    import vapoursynth as vs

    with _notes() as notes:
        clip = script.open()
        if clip.format is None or not clip.width:
            raise JobError(f"{script.path}: output 0 changes its format or size; an encoder takes one of each")
        try:
            with clip.get_frame(0) as frame:
                props = {name: value for name, value in frame.props.items() if isinstance(value, int | str | bytes)}
                made_by = _made_by(frame)
        except vs.Error as error:
            raise JobError(f"{script.path}: frame 0 cannot be made: {_cause(error)}") from None
    return Output(encoding.VideoFormat.of(clip), len(clip), Fraction(clip.fps), props, made_by, tuple(notes))


@contextmanager
def _notes() -> Iterator[list[str]]:
    """Collect what Upscale writes to VapourSynth's log."""
    notes: list[str] = []
    log, handler = logging.getLogger("vapoursynth"), logging.Handler()
    handler.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(lambda record: record.getMessage().startswith(SAID_BY))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


def encode_chunk(folder_path: str, number: int) -> Record:
    """Make a chunk, and enter it. If it is finished, only return its record.

    Args:
        folder_path: the work folder.

    Raises:
        JobError: a frame cannot be made, the disk is full, or this process makes other frames than the job has.
    """
    folder = Folder(Path(folder_path))
    if record := folder.read_record(number):
        return record
    made = make_chunk(folder_path, number)
    try:
        folder.enter(number, made.part, made.record)
    except OSError as error:
        raise explain(error, folder) from None
    finally:
        with suppress(OSError):
            made.part.unlink(missing_ok=True)
    return made.record


def make_chunk(folder_path: str, number: int) -> Made:
    """Make a chunk, and leave it to the caller to enter it.

    It stops if its file is removed meanwhile: nobody waits for it any more.

    Args:
        folder_path: the work folder.

    Raises:
        JobError: as from `encode_chunk`.
    """
    folder = Folder(Path(folder_path))
    manifest, clip = _open(folder_path)
    chunk = manifest.chunks[number]
    part = folder.part_path(number)
    began = time.monotonic()

    def note(done: int, held: int) -> None:
        if not part.exists():
            raise JobError(f"{part} was removed, so the chunk is not wanted any more")
        folder.write_state(number, done, held)

    frames = _Frames(clip, manifest, number, note)
    finished = False
    try:
        encoding.encode(iter(frames), *settings.from_json(manifest.encoder), part)
        count, digest = encoding.digest(part)
        if count != len(chunk) or frames.done != len(chunk):
            raise JobError(f"{part} holds {count} of {len(chunk)} frames; run the same command again")
        record = Record(
            frames=count,
            digest=digest,
            bytes=part.stat().st_size,
            file_digest=file_digest(part),
            held=frames.held,
            seconds=time.monotonic() - began,
        )
        finished = True
    except OSError as error:
        raise explain(error, folder) from None
    finally:
        if not finished:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return Made(part, record)


def measure(folder_path: str, number: int) -> Sample:
    """Encode the first frames of a chunk, and throw them away.

    Raises:
        JobError: as from `encode_chunk`.
    """
    folder = Folder(Path(folder_path))
    manifest, clip = _open(folder_path)
    part = folder.part_path(number)
    frames = _Frames(clip, manifest, number, lambda done, held: None)
    try:
        encoding.encode(frames.sample(), *settings.from_json(manifest.encoder), part)
        encoding.digest(part)
        ended = time.monotonic()
        sizes = packet_sizes(part)
    except OSError as error:
        raise explain(error, folder) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Sample(frames.done, ended - frames.first_at, sizes[0], sum(sizes))


class _Frames:
    """The frames of a chunk on their way to the encoder, and what they tell."""

    def __init__(
        self, clip: vapoursynth.VideoNode, manifest: Manifest, number: int, note: Callable[[int, int], None]
    ) -> None:
        self._clip = clip
        self._chunk = manifest.chunks[number]
        self._expected = manifest.identity["filter"]
        self._note = note
        self.done = 0
        self.held = 0
        self.first_at = 0.0
        """When the first frame was there, on the monotonic clock."""

    def __iter__(self) -> Iterator[vapoursynth.VideoFrame]:
        import vapoursynth as vs

        start, end = self._chunk
        noted = time.monotonic()
        frames = self._clip[start:end].frames(close=True)
        while self.done < end - start:
            n = start + self.done
            try:
                frame = next(frames)
            except vs.Error as error:
                raise JobError(f"frame {n} cannot be made: {_cause(error)}") from None
            self._look_at(frame, n)
            yield frame
            self.done += 1
            if (now := time.monotonic()) - noted >= STATE_INTERVAL:
                noted = now
                self._note(self.done, self.held)

    def sample(self) -> Iterator[vapoursynth.VideoFrame]:
        """Yield the first frames, as many as a sample has."""
        for frame in self:
            yield frame
            late = time.monotonic() - self.first_at >= SAMPLE_SECONDS
            if self.done + 1 >= (SAMPLE_LEAST if late else SAMPLE_FRAMES):
                self.done += 1
                return

    def _look_at(self, frame: vapoursynth.VideoFrame, n: int) -> None:
        self.first_at = self.first_at or time.monotonic()
        self.held += HELD in frame.props
        if (made_by := _made_by(frame)) != self._expected:
            raise UnfitError(
                f"frame {n} was made by {made_by or 'no Upscale'}, and the job was begun with "
                f"{self._expected or 'no Upscale'}; use the same model and backend, or begin anew with --restart"
            )


def _open(folder_path: str) -> tuple[Manifest, vapoursynth.VideoNode]:
    """Return the manifest of a job and output 0 of its script, which is kept open for the next chunk."""
    folder = Folder(Path(folder_path))
    manifest = folder.manifest
    check_versions(manifest.identity)
    scenes = folder.scenes_path.absolute()  # scripts run in their own folders
    try:
        return manifest, _open_script(str(scenes), manifest.to_json())
    except AnimeSRError as error:  # where the job began it could be opened
        raise UnfitError(str(error)) from None


@lru_cache(maxsize=1)
def _open_script(scenes: str, manifest: str) -> vapoursynth.VideoNode:
    return Manifest.from_json(manifest).script.open(scenes)


def versions() -> dict[str, str]:
    """Return the versions of what makes frames here."""
    import av
    import vapoursynth as vs

    plugins = {plugin.namespace: plugin for plugin in vs.core.plugins()}
    found = {DISTRIBUTION: version(DISTRIBUTION), "vapoursynth": str(vs.core.core_version), "av": av.__version__}
    return found | {name: str(plugins[name].version) for name in PACKAGES if name in plugins}


def check_versions(identity: Mapping[str, str]) -> None:
    """Check that this process has the versions of a job. Names that are no versions do not matter.

    Raises:
        UnfitError: it has others.
    """
    here = versions()
    before = {name: identity[name] for name in identity.keys() & here.keys()}
    if difference := describe_difference(before, {name: here[name] for name in before}):
        raise UnfitError(f"this process has other versions than the job: {difference}; install the same ones")


def _made_by(frame: vapoursynth.VideoFrame) -> str:
    return ", ".join(str(frame.props[name]) for name in MADE_BY if name in frame.props)


def _cause(error: Exception) -> str:
    """Return the last line of an error; print all of it for the log."""
    print(error, file=sys.stderr, flush=True)
    return last_line(error)


def explain(error: OSError, folder: Folder) -> JobError:
    """Return what an error of the file system means for the job."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    reason = "the disk is full" if full else error.strerror or str(error)
    return JobError(f"{folder.path}: {reason}")

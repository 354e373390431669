"""A job: from a video file or a script to the finished file, in chunks, so that it can be stopped anywhere."""

from __future__ import annotations

import json
import logging
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from ..errors import AnimeSRError, JobError, OptionError
from ..files import replace as replace_file
from ..files import write_atomic
from ..identity import describe_difference, file_digest, fingerprint
from ..progress import Display, Rate, count
from ..scene_file import write_scenes
from . import encoding, estimate, media, muxing, settings, tracks, worker
from .chunks import plan
from .cluster import Cluster
from .encoding import EncoderSettings
from .manifest import FORMAT, Folder, Manifest, Record
from .pool import ChunkError, Pool
from .request import Request
from .source import Source, choose_frames, frame_times, known_options, open_source, scene_starts

_log = logging.getLogger(__name__)


def upscale(request: Request, display: Display) -> None:
    """Do what a request asks for, or what of it is left.

    Raises:
        AnimeSRError: it cannot start, or had to stop. What is finished is kept.
    """
    request.check_paths()
    if request.scheduler:
        request = request.with_full_paths()
    folder = Folder.of(request.output)
    with _locked(folder), _open_workers(request, folder, display) as pool:
        display.open_log(folder.path / "log.txt")
        try:
            _run(request, folder, pool, display)
        except AnimeSRError as error:
            display.log(str(error))
            raise
        finally:
            display.clear()
            display.close_log()


def _open_workers(request: Request, folder: Folder, display: Display) -> Pool | Cluster:
    if request.scheduler is None:
        return Pool(request.workers, folder.path / "workers.txt", request.gpus)
    return Cluster(
        request.scheduler,
        request.resource,
        folder,
        inputs=[path for path in (request.input, request.streams) if path],
        tell=display.say,
    )


def print_script(request: Request) -> str:
    """Return the text of the script that a request runs."""
    display = Display()
    source = open_source(request, display)
    if not request.range and not request.preview:
        return source.script.text()
    if not source.script.is_made_here:
        raise OptionError(f"--vpy prints {request.input} as it is; leave out --range and --preview")
    first, last = choose_frames(request, frame_times(source, len(source.clip), source.clip.fps, display))
    return source.script.text(None, first, last)


def _run(request: Request, folder: Folder, pool: Pool | Cluster, display: Display) -> None:
    source = open_source(request, display)
    display.show(lambda: "opening the network", at_once=True)
    began = time.monotonic()
    output = pool.call(worker.inspect, source.script)
    opening = time.monotonic() - began
    times = frame_times(source, output.frames, output.rate, display)
    first, last = choose_frames(request, times)
    encoder = _settings(request, source, output)
    identity = _identity(request, source, output, first, last)
    if _is_finished(request, folder, identity, display):
        return
    manifest = _resume(request, folder, identity)
    for note in output.notes:
        where = ", in the script that --vpy prints" if source.script.is_made_here and "core.std" in note else ""
        display.say(f"{request.input.name}: {note.removeprefix(worker.SAID_BY)}{where}")
    container = muxing.container_of(request.output)
    muxing.check_times(times[first:last], container)
    for said in muxing.left_out(source.media, container) if source.media else ():
        display.say(said)
    if manifest is None:
        scenes = scene_starts(source, request, first, last, display)
        options = known_options(source, request)
        known = source.script.is_made_here or options.anchors  # "none" says nothing of segments
        segment = options.segment[0] if known else request.chunk
        manifest = Manifest(
            identity=identity,
            script=source.script,
            chunks=tuple(plan(scenes, first, last, segment, request.chunk)),
            scenes=tuple(scenes),
            times=tuple(times[first:last]),
            end=times[last] if last < len(times) else times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1),
            is_part=last - first < len(times),
            encoder=settings.to_json(output.video, encoder),
        )
    else:
        manifest = replace(manifest, script=source.script)  # the input may have been moved
    _write(folder, manifest, output.frames)
    records = _read_records(folder, manifest, display)
    _encode(request, folder, manifest, records, pool, display, source.media, opening)
    _finish(request, folder, manifest, records, source.media, display)


def _settings(request: Request, source: Source, output: worker.Output) -> EncoderSettings:
    """Return the settings of the encoder, which have been tried."""
    container = muxing.container_of(request.output)
    found = settings.encoder_settings(request.encoder, request.encoder_options, output.rate, output.props, source.media)
    encoding.check(found, output.video, container)
    return found


def _identity(request: Request, source: Source, output: worker.Output, first: int, last: int) -> dict[str, str]:
    """Return everything that the result depends on, by names that a user knows."""
    options = known_options(source, request)
    identity = {
        "input": fingerprint(request.input),
        "script": source.script.text().replace(repr(str(request.input.resolve())), "IN"),
        "frames": f"{first} to {last - 1} of {output.frames}",
        "size": f"{output.video.width}x{output.video.height} {output.video.name}",
        "chunk": str(request.chunk),
        "encoder": request.encoder,
        "encoder options": " ".join(f"{name}={value}" for name, value in sorted(request.encoder_options.items())),
        "filter": output.made_by,
        **worker.versions(),
    }
    if options.anchors is not None:
        identity["scene file"] = " ".join(map(str, options.anchors))
    if source.media:
        identity["streams"] = fingerprint(source.media.path)
    return identity


def _is_finished(request: Request, folder: Folder, identity: Mapping[str, str], display: Display) -> bool:
    """Return whether the result is there already. A result of something else is refused."""
    output = request.output
    if not output.exists() or folder.manifest_path.exists():
        return False
    sidecar = sidecar_path(output)
    if not sidecar.exists():
        raise JobError(f"{output} exists, and no {sidecar.name} says how it was made; use another path, or remove it")
    if request.restart:
        return False
    try:
        before = json.loads(sidecar.read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{sidecar} cannot be read ({error}); --restart makes {output} anew") from None
    if difference := describe_difference(before, identity):
        raise JobError(f"{output} was made otherwise: {difference}. --restart makes it anew; or use another path")
    display.say(f"{output} is finished already")
    return True


def _resume(request: Request, folder: Folder, identity: Mapping[str, str]) -> Manifest | None:
    """Return the manifest of a job that was begun, or None."""
    if request.restart:
        folder.clear()
    if not folder.manifest_path.exists():
        return None
    if difference := describe_difference(folder.manifest.identity, identity):
        raise JobError(
            f"{request.output} was begun otherwise: {difference}. To go on, give what was given before; to begin "
            "anew, add --restart; or use another path"
        )
    return folder.manifest


def _write(folder: Folder, manifest: Manifest, frames: int) -> None:
    """Write what workers read, the manifest last."""
    try:
        write_atomic(folder.scenes_path, write_scenes(manifest.scenes, frames, Fraction(24), "lines").encode())
        write_atomic(folder.manifest_path, manifest.to_json().encode())
    except OSError as error:
        raise JobError(f"{folder.path} cannot be written ({error.strerror or error}); use another path") from None


def _read_records(folder: Folder, manifest: Manifest, display: Display) -> dict[int, Record]:
    """Return the records of finished chunks. Chunks whose files are damaged are taken out."""
    folder.remove_parts()
    records = {}
    for number in range(len(manifest.chunks)):
        record = folder.read_record(number)
        if record is None:
            continue
        path = folder.chunk_path(number)
        if path.is_file() and path.stat().st_size == record.bytes and file_digest(path) == record.file_digest:
            records[number] = record
        else:
            display.say(f"{path} is missing or damaged; it is made again")
            folder.take_out(number)
    return records


def _encode(
    request: Request,
    folder: Folder,
    manifest: Manifest,
    records: dict[int, Record],
    pool: Pool | Cluster,
    display: Display,
    streams: media.Media | None,
    opening: float,
) -> None:
    """Make the chunks that are left; enter them in `records`."""
    left = [number for number in range(len(manifest.chunks)) if number not in records]
    left.sort(key=lambda number: -len(manifest.chunks[number]))  # so that all workers end at about the same time
    if records:
        display.say(f"{len(records)} of {len(manifest.chunks)} chunks are finished already; going on")
    if not left:
        return
    if request.estimate:
        _estimate(request, folder, manifest, records, left[0], pool, display, streams, opening)
    counter = _Counter(folder, manifest, records)
    display.show(lambda: counter.describe(()), at_once=True)

    def kept() -> str:
        return f"{len(records)} of {len(manifest.chunks)} chunks are finished and kept; {request.how_to_go_on}"

    try:
        pool.run(
            str(folder.path),
            left,
            finish=counter.finish,
            poll=lambda busy: display.show(lambda: counter.describe(busy)),
            tell=display.say,
        )
    except ChunkError as error:
        chunk = manifest.chunks[error.number]
        at = float(manifest.times[chunk.start - manifest.first])
        raise JobError(
            f"chunk {error.number} (frames {chunk.start} to {chunk.end - 1}, from {at:.1f} s on): {error}. {kept()}"
        ) from None
    except JobError as error:
        raise JobError(f"{error}. {kept()}") from None
    except KeyboardInterrupt:
        display.say(f"stopped; {kept()}")
        raise


def _estimate(
    request: Request,
    folder: Folder,
    manifest: Manifest,
    records: Mapping[int, Record],
    number: int,
    pool: Pool | Cluster,
    display: Display,
    streams: media.Media | None,
    opening: float,
) -> None:
    """Say what the job will take.

    Raises:
        JobError: the disk cannot hold it.
    """
    copied = estimate.copied_bytes(streams, manifest.times) if streams else 0
    if records:
        found = estimate.from_records(manifest, records, pool.size, opening, copied)
    elif manifest.frames <= estimate.SHORT:
        return
    else:
        display.show(lambda: "measuring how long it takes", at_once=True)
        sample = pool.call(worker.measure, str(folder.path), number)
        found = estimate.from_sample(manifest, sample, pool.size, opening, copied)
    free = estimate.check_disk(found, request.output)
    display.say(
        f"{count(manifest.frames, 'frame')}, {count(manifest.scene_count, 'scene')}, "
        f"{count(len(manifest.chunks), 'chunk')}: "
        f"{found.describe(free)}"
    )


class _Counter:
    """Counts what is done, for the display."""

    def __init__(self, folder: Folder, manifest: Manifest, records: dict[int, Record]) -> None:
        self._folder = folder
        self._manifest = manifest
        self._records = records
        self._rate = Rate(manifest.frames, sum(record.frames for record in records.values()))
        self._states: dict[int, tuple[int, int]] = {}

    def finish(self, number: int, record: Record) -> None:
        """Count a chunk that is finished."""
        self._records[number] = record

    def describe(self, busy: Iterable[int]) -> str:
        """Return frames, rate, time left, scenes and held frames.

        Args:
            busy: the chunks in work.
        """
        done = {number: (record.frames, record.held) for number, record in self._records.items()}
        self._states = {number: self._folder.read_state(number) or self._states.get(number, (0, 0)) for number in busy}
        done |= self._states
        frames = sum(count for count, _ in done.values())
        held = sum(count for _, count in done.values())
        scenes = sum(self._count_scenes(number, count) for number, (count, _) in done.items())
        text = f"{self._rate.describe(frames)}, {scenes}/{self._manifest.scene_count} scenes"
        return f"{text}, {held} held frames skipped" if held else text

    def _count_scenes(self, number: int, frames: int) -> int:
        scenes, start = self._manifest.scenes, self._manifest.chunks[number].start
        before = 0 if number == 0 else bisect_left(scenes, start)
        return bisect_left(scenes, start + frames) - before


def _finish(
    request: Request,
    folder: Folder,
    manifest: Manifest,
    records: Mapping[int, Record],
    streams: media.Media | None,
    display: Display,
) -> None:
    """Write the result, and its manifest beside it."""
    output, ordered = request.output, [records[number] for number in range(len(manifest.chunks))]
    content = {
        "format": FORMAT,
        "identity": dict(manifest.identity),
        "chunks": [
            [chunk.start, chunk.end, record.digest] for chunk, record in zip(manifest.chunks, ordered, strict=True)
        ],
    }
    rate = Rate(manifest.frames)
    part = output.with_name(f"{output.name}.part")
    try:
        write_atomic(sidecar_path(output), (json.dumps(content, indent=1) + "\n").encode())
        with _quiet(tracks.__name__):  # what is left out was said before the work
            muxing.mux(
                [folder.chunk_path(number) for number in range(len(manifest.chunks))],
                manifest.times,
                streams,
                part,
                advance=lambda done: display.show(lambda: f"writing {output.name}: {rate.describe(done)}"),
                end=manifest.end,
                span=(manifest.times[0], manifest.end) if manifest.is_part else None,
            )
        replace_file(part, output)
    except (OSError, AnimeSRError) as error:
        raise JobError(f"{error}. All chunks are finished and kept; {request.how_to_go_on}") from None
    folder.clear()
    held = sum(record.held for record in ordered)
    display.say(
        f"{output}: {count(manifest.frames, 'frame')}, {count(manifest.scene_count, 'scene')}"
        + (f", {held} held frames skipped" if held else "")
    )


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep the warnings of a module to itself."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def sidecar_path(output: Path) -> Path:
    """Return the path of the manifest beside a result."""
    return output.with_name(f"{output.name}.animesr.json")


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    """Hold the work folder, which is created. If nothing was begun in it, remove it in the end."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.path / "lock")
    try:
        folder.path.mkdir(exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise JobError(f"another process works in {folder.path}; wait for it, or stop it") from None
    except NotImplementedError:  # a file system without locks
        _log.warning("%s cannot be locked; see that no other process works there", folder.path)
    except OSError as error:
        raise JobError(f"{folder.path} cannot be used ({error.strerror or error}); use another path") from None
    try:
        yield
    finally:
        lock.release()
        if not folder.manifest_path.exists():
            with suppress(OSError):
                folder.remove()

"""A job: from a video file or a script to the finished file, in chunks, so that it can be stopped anywhere."""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import AnimeSRError, JobError, OptionError
from ..files import write_atomic
from ..progress import Display, Rate, count
from ..scene_file import write_scenes
from . import encoding, estimate, media, muxing, ranges, settings, tracks, worker
from .chunks import TARGET, plan
from .clips import SCRIPT_SUFFIX, find_scenes
from .encoding import EncoderSettings
from .manifest import FORMAT, Folder, Manifest, Record, describe_difference, file_digest, fingerprint
from .pool import ChunkError, Pool
from .script import Fields, Script, is_ntsc, make_script, read_script

_log = logging.getLogger(__name__)

CONTAINERS = (".mkv", ".mp4")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: one file or script in, one file out."""

    input: Path
    output: Path
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Arguments of Upscale, as text."""
    fields: Fields | None = None
    """What is done with the fields of the source; None: what the file says."""
    encoder: str = "x265"
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    range: str | None = None
    preview: str | None = None
    chunk: int = TARGET
    workers: int = 1
    streams: Path | None = None
    """The file whose other streams are copied; None: the input, if it is no script."""
    restart: bool = False
    estimate: bool = True

    @property
    def how_to_go_on(self) -> str:
        """What a user does after a stop."""
        return f"run the same command again{', without --restart,' if self.restart else ''} to go on"

    @property
    def is_script(self) -> bool:
        """Whether the input is a script of the user."""
        return self.input.suffix.lower() == SCRIPT_SUFFIX


@dataclass(frozen=True)
class _Source:
    """What a request reads."""

    script: Script
    media: media.Media | None
    """The file whose other streams are copied."""
    clip: Any = None
    """The clip that goes into Upscale, if the script was made here."""
    matched: bool = False
    """Whether frames are made of fields, so that they do not have the times of the file's frames."""


def upscale(request: Request, display: Display) -> None:
    """Do what a request asks for, or what of it is left.

    Raises:
        AnimeSRError: it cannot start, or had to stop. What is finished is kept.
    """
    _check_paths(request)
    folder = Folder.of(request.output)
    with _locked(folder), Pool(request.workers, folder.path / "workers.txt") as pool:
        display.open_log(folder.path / "log.txt")
        try:
            _run(request, folder, pool, display)
        except AnimeSRError as error:
            display.log(str(error))
            raise
        finally:
            display.clear()
            display.close_log()


def print_script(request: Request) -> str:
    """Return the text of the script that a request runs."""
    display = Display()
    source = _open(request, display)
    if not request.range and not request.preview:
        return source.script.text()
    if not source.script.is_made_here:
        raise OptionError(f"--vpy prints {request.input} as it is; leave out --range and --preview")
    first, last = _frames(request, _times(source, len(source.clip), source.clip.fps, display))
    return source.script.text(None, first, last)


def _run(request: Request, folder: Folder, pool: Pool, display: Display) -> None:
    source = _open(request, display)
    output = pool.processes[0].call(worker.inspect, source.script)
    times = _times(source, output.frames, output.rate, display)
    first, last = _frames(request, times)
    encoder = _settings(request, source, output)
    identity = _identity(request, source, output, first, last)
    if _is_finished(request, folder, identity, display):
        return
    manifest = _resume(request, folder, identity)
    container = muxing.container_of(request.output)
    muxing.check_times(times[first:last], container)
    for said in muxing.left_out(source.media, container) if source.media else ():
        display.say(said)
    if manifest is None:
        scenes = _find_scenes(source, request, first, last, display)
        known = source.script.is_made_here or "scene_change" in request.arguments
        segment = source.script.options.segment[0] if known else request.chunk
        manifest = Manifest(
            identity=identity,
            script=source.script,
            chunks=tuple(plan(scenes, first, last, segment, request.chunk)),
            scenes=tuple(scenes),
            times=tuple(times[first:last]),
            end=times[last] if last < len(times) else times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1),
            is_part=last - first < len(times),
            encoder=settings.to_json(output.video, encoder),
            streams=str(source.media.path) if source.media else "",
        )
    else:
        manifest = replace(manifest, script=source.script)  # the input may have been moved
    _write(folder, manifest, output.frames)
    records = _read_records(folder, manifest, display)
    _encode(request, folder, manifest, records, pool, display, source.media)
    _finish(request, folder, manifest, records, source.media, display)


def _check_paths(request: Request) -> None:
    """Check the paths before the work starts."""
    output = request.output
    try:
        if not request.input.is_file():
            raise OptionError(f"{request.input} is no file; give a video file, a folder of them, or a .vpy script")
        if output.suffix.lower() not in CONTAINERS:
            raise OptionError(f"-o {output} ends neither in .mkv nor in .mp4; write, for example, {output.stem}.mkv")
        if not output.parent.is_dir():
            raise OptionError(f"-o {output}: the folder {output.parent} does not exist; create it, or use another path")
        if request.streams and not request.streams.is_file():
            raise OptionError(f"--streams-from {request.streams} is no file; give the video that the script reads")
        for path in filter(None, (request.input, request.streams)):
            if output.exists() and output.samefile(path):
                raise OptionError(f"-o {output} would overwrite {path}; use another path")
    except OSError as error:
        raise OptionError(f"{error.filename} cannot be used ({error.strerror or error}); use another path") from None


def _open(request: Request, display: Display) -> _Source:
    """Read the user's script, or make one."""
    if request.is_script:
        if refused := set(request.arguments) - {"scene_change"} or ({"fields"} if request.fields else set()):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(refused))
            raise OptionError(f"{names}: {request.input} is a script; set this in the script")
        found = media.probe(request.streams) if request.streams else None
        return _Source(read_script(request.input), found)
    found = media.probe(request.input)
    fields = request.fields or _choose_fields(found, display)
    script = make_script(request.input, fields, _rate_of_fields(found), request.arguments)
    clip = script.open_source()
    if "format" not in request.arguments:
        script = script.with_arguments(format=settings.default_format(request.encoder, clip.format))
    matched = fields in {"inverse-telecine", "deinterlace"}
    return _Source(script, media.probe(request.streams) if request.streams else found, clip, matched)


def _choose_fields(found: media.Media, display: Display) -> Fields | None:
    """Return what is to be done with the fields of a file by what it says, and say so."""
    fields = found.fields
    if not fields.interlaced and not _repeats_fields(found):
        return None
    why = (
        f"{fields.interlaced} of {fields.frames} frames that were looked at say that they are interlaced"
        if fields.interlaced
        else f"{fields.repeated} of {fields.frames} frames that were looked at repeat a field"
    )
    what = "one frame in five is dropped" if is_ntsc(_rate_of_fields(found)) else "no frame is dropped"
    display.say(
        f"{found.path.name}: {why}: their fields are matched, and {what} (as with --inverse-telecine; others are "
        "--deinterlace and --progressive)"
    )
    return "inverse-telecine"


def _repeats_fields(found: media.Media) -> bool:
    return found.fields.repeated > 0 and found.streams[found.video].codec == "mpeg2video"


def _rate_of_fields(found: media.Media) -> Fraction:
    """Return the frames a second of a file with its repeated fields. By them a film of 24000/1001 has 30000/1001."""
    telecined = found.frame_rate * Fraction(5, 4)
    return telecined if _repeats_fields(found) and is_ntsc(telecined) else found.frame_rate


def _times(source: _Source, frames: int, rate: Fraction, display: Display) -> list[Fraction]:
    """Return when each frame of the script's output is shown, in seconds from the container's zero.

    If it has as many frames as the file whose streams are copied, it has their times. Else frames follow each other at
    one rate; so do those that are made of fields: a DVD shows frames of a film alternately for two and three fields.
    """
    times = media.frame_times(source.media.path) if source.media and not source.matched else []
    if len(times) == frames:
        return times
    if not rate:
        raise JobError(
            f"{source.script.path}: the frames have no constant rate, and there are not as many of them as in "
            f"{source.media.path if source.media else 'a file (--streams-from)'}; end the script with "
            "core.std.AssumeFPS"
        )
    if source.media and times:
        display.say(
            f"{source.media.path.name} has {count(len(times), 'frame')}, but {frames} are encoded: they do not get its "
            f"times, but follow each other at {float(rate):.6g} frames/s"
        )
    start = source.media.start if source.media else Fraction(0)
    return [start + n / Fraction(rate) for n in range(frames)]


def _frames(request: Request, times: Sequence[Fraction]) -> tuple[int, int]:
    """Return the first frame that is wanted, and the one behind the last."""
    first, last = ranges.parse_range(request.range, times) if request.range else (0, len(times))
    return ranges.parse_preview(request.preview, times, first, last) if request.preview else (first, last)


def _settings(request: Request, source: _Source, output: worker.Output) -> EncoderSettings:
    """Return the settings of the encoder, which have been tried."""
    container = muxing.container_of(request.output)
    found = settings.encoder_settings(request.encoder, request.encoder_options, output.rate, output.props, source.media)
    encoding.check(found, output.video, container)
    return found


def _identity(request: Request, source: _Source, output: worker.Output, first: int, last: int) -> dict[str, str]:
    """Return everything that the result depends on, by names that a user knows."""
    options = source.script.options
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


def _find_scenes(source: _Source, request: Request, first: int, last: int, display: Display) -> list[int]:
    """Return where scenes start, from the one that holds the first frame on."""
    options = source.script.options
    if not source.script.is_made_here:
        options = type(options).from_text(request.arguments)
    if options.anchors is not None:
        before = [scene for scene in (0, *options.anchors) if scene <= first]
        return sorted({max(before), *(scene for scene in options.anchors if scene > first)})
    if source.clip is None:
        return [first]  # nobody knows; chunks have one length
    rate = Rate(last - first)
    return find_scenes(
        source.clip,
        str(request.input),
        property=options.scene_property or "",
        detect=options.detects_scenes,
        first=first,
        last=last,
        advance=lambda done: display.show(lambda: f"finding scenes: {rate.describe(done)}"),
    )


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
    pool: Pool,
    display: Display,
    streams: media.Media | None,
) -> None:
    """Make the chunks that are left; enter them in `records`."""
    left = [number for number in range(len(manifest.chunks)) if number not in records]
    left.sort(key=lambda number: -len(manifest.chunks[number]))  # so that all workers end at about the same time
    if records:
        display.say(f"{len(records)} of {len(manifest.chunks)} chunks are finished already; going on")
    if not left:
        return
    if request.estimate:
        _estimate(request, folder, manifest, records, left[0], pool, display, streams)
    counter = _Counter(folder, manifest, records)
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
            f"chunk {error.number} (frames {chunk.start} to {chunk.end - 1}, from {at:.1f} s on): {error}. "
            f"{len(records)} of {len(manifest.chunks)} chunks are finished and kept; {request.how_to_go_on}"
        ) from None
    except KeyboardInterrupt:
        display.say(
            f"stopped; {len(records)} of {len(manifest.chunks)} chunks are finished and kept; {request.how_to_go_on}"
        )
        raise


def _estimate(
    request: Request,
    folder: Folder,
    manifest: Manifest,
    records: Mapping[int, Record],
    number: int,
    pool: Pool,
    display: Display,
    streams: media.Media | None,
) -> None:
    """Say what the job will take.

    Raises:
        JobError: the disk cannot hold it.
    """
    copied = estimate.copied_bytes(streams, manifest.times) if streams else 0
    if records:
        found = estimate.from_records(manifest, records, request.workers, copied)
    elif manifest.frames <= estimate.SHORT:
        return
    else:
        sample = pool.processes[0].call(worker.measure, str(folder.path), number)
        found = estimate.from_sample(manifest, sample, request.workers, copied)
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
        part.replace(output)
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

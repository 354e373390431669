"""Builds a set: measures videos, chooses clips, writes them, and says what it did and why.

A set grows: clips of videos that are not named this time stay, and their frames count as shown before.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from vsanimesr.files import file_lock
from vsanimesr.machine import cores
from vsanimesr.progress import count, format_bytes, show_progress

from ..data.clips import VIDEO_SUFFIXES
from ..errors import ClipError, DatasetError
from ..origin import differences
from ..vsr.dataset import Sampling
from .candidates import FLAT_SHARE, Candidate, Faults, Rules, count_faults, find_candidates, find_faults, summarise
from .clips import ClipTask, hash_files, write_clip
from .folders import others_in, remove_clip
from .manifest import (
    MANIFEST_FILE,
    WORK_FOLDER,
    ClipEntry,
    DroppedEntry,
    FailedEntry,
    Manifest,
    VideoEntry,
    pack,
    read_manifest,
    unpack,
    versions,
    write_manifest,
)
from .measures import Measures, load_measures, measure_video, measures_file, save_measures
from .page import write_page
from .quality import LEAST, NOTES, Scorer, open_scorer
from .repeats import MOST_SHARED, Hashes, Repeats, shared
from .sources import Source, clip_name, find_videos, read_source, show
from .titles import is_doubtful, title_of
from .workers import Advance, Failure, Workers

_log = logging.getLogger(__name__)

PNG_SHARE = 0.3
"""Size of a PNG of drawn art, relative to its pixels. It is only used to warn of a full disk."""


@dataclass(frozen=True)
class Request:
    """What to build."""

    videos: Sequence[Path]
    """Videos, and folders of videos."""
    folder: Path
    rules: Rules = field(default_factory=Rules)
    least_quality: float | None = None
    """Frames of less quality are left out; None: the default of the scorer."""
    hyperiqa: Path | None = None
    """Weights of hyperIQA; None for the stand-in."""
    jobs: int = 0
    """Number of processes; 0 for the number of cores."""


@dataclass(frozen=True)
class Built:
    """What a call has built."""

    manifest: Manifest
    failed: int
    """Number of videos and clips that failed in this call."""


def build_set(request: Request) -> Built:
    """Build a set, or add to one. Goes on where an earlier call was stopped.

    Videos that cannot be used, and clips that cannot be written, are named in the log, the manifest and the page; the
    others go on.

    Raises:
        DatasetError: a path or a figure cannot be used, the manifest cannot be read or written, or a process died.
    """
    _check(request)
    paths = find_videos(request.videos)
    try:
        (request.folder / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"-o {show(request.folder)} cannot be written ({error.strerror or error}); use another folder"
        ) from error
    with file_lock(request.folder / WORK_FOLDER):
        scorer = open_scorer(request.hyperiqa)
        least = LEAST[scorer.name] if request.least_quality is None else request.least_quality
        rules, jobs = replace(request.rules, least_quality=least), request.jobs or cores()
        with Workers(jobs) as workers:
            return _Build(request, rules, scorer, workers, jobs).run(paths)


def _check(request: Request) -> None:
    rules = request.rules
    if rules.frames < 2:
        raise DatasetError(f"--frames {rules.frames} is refused; use 2 or more, the paper has 100")
    if rules.clips < 1:
        raise DatasetError(f"--clips {rules.clips} is refused; use 1 or more, the paper has 1")
    if not 0 <= rules.motion_weight <= 1:
        raise DatasetError(
            f"--motion-weight {rules.motion_weight} is refused; use 0 (quality alone) to 1 (motion alone)"
        )
    if request.least_quality is not None and not 0 <= request.least_quality <= 100:
        raise DatasetError(f"--least-quality {request.least_quality} is refused; use 0 to 100")
    if request.jobs < 0:
        raise DatasetError(f"--jobs {request.jobs} is refused; use 1 or more, or leave it out for one per core")
    if request.folder.suffix.lower() in VIDEO_SUFFIXES or request.folder.is_file():
        raise DatasetError(f"-o {show(request.folder)} is no folder; name a folder for the clips")


@dataclass(frozen=True)
class _MeasureTask:
    source: Source
    file: Path
    hyperiqa: Path | None
    threads: int

    def __str__(self) -> str:
        return show(self.source.path)


def _measure(task: _MeasureTask, advance: Advance) -> int:
    """Measure a video into a file, and return the number of its frames."""
    measures = measure_video(task.source, open_scorer(task.hyperiqa), task.threads, advance)
    save_measures(task.file, measures)
    return len(measures)


@dataclass(frozen=True)
class _Chosen:
    """A clip that is to be in the set."""

    source: Source
    candidate: Candidate
    first: int
    """Number of its first frame in the video."""
    hashes: Hashes
    why: str


class _Build:
    """One call of `build_set`."""

    def __init__(self, request: Request, rules: Rules, scorer: Scorer, workers: Workers, jobs: int) -> None:
        self._folder = folder = request.folder
        self._work = folder / WORK_FOLDER
        self._hyperiqa = request.hyperiqa
        self._workers = workers
        self._rules = rules
        self._scorer = scorer
        self._jobs = jobs
        self._before = read_manifest(folder) or Manifest()
        self._failed: list[FailedEntry] = []
        """In this call."""
        self._named = {_text(path) for path in request.videos}
        """Paths of videos and of folders of videos."""
        self._repeats, self._names = Repeats(), list[str]()
        self._reasons: dict[str, str] = {}
        """Why the clips of a video could not be written, by its digest."""
        self._pictures: dict[str, Hashes] = {}
        """Of the clips that are in the set, by name or by place."""

    def run(self, paths: Sequence[Path]) -> Built:
        """Do all steps."""
        shutil.rmtree(self._work / "clips", ignore_errors=True)  # what a stop has left
        sources = self._read_sources(paths)
        self._require_same_scorer({source.digest for source in sources})
        sources = self._measure_all(sources)
        self._remember_others({source.digest for source in sources})
        videos, chosen = list[VideoEntry](), list[_Chosen]()
        for source, measures in self._load(sources):
            video, picked = self._choose(source, measures)
            videos.append(video)
            chosen += picked
        clips = self._write_all(chosen)
        for video in videos:
            video.reason = video.reason or self._unwritten(video, clips)
        manifest = self._merge(videos, clips)
        write_manifest(self._folder, manifest)
        self._remove_old(manifest)
        write_page(self._folder, manifest)
        self._tell(manifest, videos)
        return Built(manifest, len(self._failed))

    def _fail(self, name: str, reason: str, video: str) -> None:
        _log.warning("%s", reason)
        self._failed.append(FailedEntry(name=name, reason=reason, video=video))

    def _is_named(self, video: str) -> bool:
        """Return whether this call names a video, or a folder that it is in."""
        return not self._named.isdisjoint([video, *map(str, PurePath(video).parents)])

    def _read_sources(self, paths: Sequence[Path]) -> list[Source]:
        """Return what the videos say, those of the set first: what was shown first stays the first."""
        found: dict[str, Source] = {}
        for path in paths:
            try:
                source = read_source(path)
            except ClipError as error:
                self._fail(show(path.name), str(error), _text(path))
                continue
            if source.digest in found:
                reason = f"{show(path)} is the same file as {show(found[source.digest].path)}"
                self._fail(show(path.name), reason, _text(path))
            else:
                found[source.digest] = source
        order = {video.digest: number for number, video in enumerate(self._before.videos)}
        return sorted(found.values(), key=lambda source: order.get(source.digest, len(order)))

    def _require_same_scorer(self, named: Set[str]) -> None:
        """Figures of quality of two scorers cannot be in one set."""
        others = [video.name for video in self._before.videos if video.digest not in named]
        if others and self._before.scorer != self._scorer.key:
            raise DatasetError(
                f"-o {show(self._folder)} has videos whose quality is by {self._before.scorer}, and now it would be by "
                f"{self._scorer.key}; give --hyperiqa as before, or name all videos again ({show(others[0])})"
            )

    def _file(self, digest: str) -> Path:
        return measures_file(self._work / "measures", digest, self._scorer.key)

    def _measure_all(self, sources: Sequence[Source]) -> list[Source]:
        """Measure what is not yet measured, and return the sources that have measures."""
        missing = [source for source in sources if load_measures(self._file(source.digest)) is None]
        if len(missing) < len(sources):
            _log.info("measured already: %d of %s", len(sources) - len(missing), count(len(sources), "video"))
        threads = max(self._jobs // max(len(missing), 1), 1)
        tasks = [_MeasureTask(each, self._file(each.digest), self._hyperiqa, threads) for each in missing]
        with _progress("measuring: ", sum(source.frames for source in missing)) as advance:
            results = self._workers.run_all(_measure, tasks, advance)
        for source, result in zip(missing, results, strict=True):
            if isinstance(result, Failure):
                self._fail(show(source.path.name), result.reason, _text(source.path))
        failed = {each.digest for each, result in zip(missing, results, strict=True) if isinstance(result, Failure)}
        return [source for source in sources if source.digest not in failed]

    def _remember_others(self, named: set[str]) -> None:
        """Remember the frames of the set's other videos."""
        for video in self._before.videos:
            if video.digest in named:
                continue
            if measures := load_measures(self._file(video.digest)):
                self._remember(video.name, video.rate, measures)
            else:
                _log.warning(
                    "%s has no measures of this version, so what it shows is taken for new in other videos; name it "
                    "again too: %s",
                    *(video.name, video.path),
                )
        for clip in self._before.clips:
            if clip.video not in named:
                self._pictures[clip.name] = unpack(clip.pictures)

    def _remember(self, name: str, rate: str, measures: Measures) -> NDArray[np.int64]:
        """Remember a video, and return for each frame the number of the earlier video that has shown it, or -1."""
        self._names.append(name)
        return self._repeats.add(measures.hashes, _comparable(measures), float(Fraction(rate)))

    def _load(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Measures]]:
        """Yield measures one after the other: those of all videos may not fit into memory."""
        for source in sources:
            if measures := load_measures(self._file(source.digest)):
                yield source, measures
            else:
                reason = f"measures of {show(source.path)} cannot be read; build again"
                self._fail(show(source.path.name), reason, _text(source.path))

    def _choose(self, source: Source, measures: Measures) -> tuple[VideoEntry, list[_Chosen]]:
        """Return what is said of a video, and its clips."""
        shown = self._remember(show(source.path.name), str(source.rate), measures)
        faults = find_faults(measures, self._rules, shown >= 0)
        candidates, short = find_candidates(measures, faults, self._rules)
        video = self._describe(source, measures, faults)
        if min(video.width, video.height) < (crop := Sampling().size):
            _log.warning(
                "%s has frames of %dx%d, and training crops %dx%d: with clips of it, set sampling.size to less",
                *(video.name, video.width, video.height, crop, crop),
            )
        if damaged := int(measures.damaged.sum()):
            _log.warning("%s: %s may show damage of the file, and are left out", video.name, count(damaged, "frame"))
        video.repeats = {
            self._names[each]: int((shown == each).sum()) for each in np.unique(shown[shown >= 0]).tolist()
        }
        chosen, dropped = self._pick(source, measures, candidates, video)
        shots = [
            DroppedEntry(first=int(measures.numbers[each.first]), frames=each.length, reason=each.reason)
            for each in short
        ]
        video.dropped = sorted([*dropped, *shots], key=lambda each: each.first)
        if not chosen:
            video.reason = video.reason or (dropped[0].reason if dropped else summarise(short))
            _log.warning("%s gives no clip: %s", video.name, video.reason)
        return video, chosen

    def _describe(self, source: Source, measures: Measures, faults: Faults) -> VideoEntry:
        before = {video.digest: video.title for video in self._before.videos}
        folders = source.path.absolute().parents
        return VideoEntry(
            name=show(source.path.name),
            path=_text(source.path),
            digest=source.digest,
            title=before.get(source.digest) or title_of(source.path.stem, [each.name for each in folders]),
            width=source.width,
            height=source.height,
            sample_aspect=str(source.aspect),
            rate=str(source.rate),
            frames=len(measures),
            shots=int(measures.shot_starts.sum()),
            faults=count_faults(faults),
            dropped=[],
        )

    def _pick(
        self, source: Source, measures: Measures, candidates: Sequence[Candidate], video: VideoEntry
    ) -> tuple[list[_Chosen], list[DroppedEntry]]:
        """Take the best candidates that no other clip of the set shows."""
        chosen: list[_Chosen] = []
        dropped: list[DroppedEntry] = []
        if video.title in self._before.held_out:
            video.reason = f"title {video.title!r} is held out of this set"
        for rank, each in enumerate(candidates, 1):
            hashes = measures.hashes[each.first : each.first + self._rules.frames]
            first = int(measures.numbers[each.first])
            reason = video.reason or self._refuse(hashes, chosen)
            if reason:
                figures = {"score": each.score, "quality": each.quality, "motion": each.motion}
                dropped.append(DroppedEntry(first=first, frames=self._rules.frames, reason=reason, **figures))
                continue
            why = f"score {rank} of {len(candidates)} in {count(video.shots, 'shot')}"
            chosen.append(_Chosen(source, each, first, hashes, why))
            self._pictures[f"{video.name}, frame {first}"] = hashes
        return chosen, dropped

    def _refuse(self, hashes: Hashes, chosen: Sequence[_Chosen]) -> str:
        """Return why a candidate is not taken, or nothing."""
        if len(chosen) >= self._rules.clips:
            return "others of this video have higher scores"
        alike = next((name for name, each in self._pictures.items() if shared(hashes, each) > MOST_SHARED), None)
        return f"shows the same as clip {alike}" if alike else ""

    def _write_all(self, chosen: Sequence[_Chosen]) -> list[ClipEntry]:
        """Write clips, and return what is said of them."""
        before = {(clip.video, clip.first, clip.frames, clip.width, clip.height): clip for clip in self._before.clips}
        taken = {clip.name for clip in self._before.clips}
        tasks = list[ClipTask]()
        for each in chosen:
            old = before.get(_key(each, self._rules))
            name = old.name if old else clip_name(each.source.path.stem, each.first, taken)
            taken.add(name)
            folder = self._folder / name
            expected = old.files if old else ()
            tasks.append(ClipTask(each.source, each.first, self._rules.frames, folder, self._work / "clips", expected))
        self._warn_of_space(tasks)
        with _progress("writing: ", len(tasks) * self._rules.frames) as advance:
            results = self._workers.run_all(write_clip, tasks, advance)
        entries = []
        for each, task, result in zip(chosen, tasks, results, strict=True):
            if isinstance(result, Failure):
                self._fail(show(task.folder.name), result.reason, _text(each.source.path))
                self._reasons[each.source.digest] = result.reason
                entries += [before[key]] if (key := _key(each, self._rules)) in before else []
            else:
                entries.append(_entry(each, task, result))
        return entries

    def _unwritten(self, video: VideoEntry, clips: Sequence[ClipEntry]) -> str:
        """Return why a video gave no clip although some were chosen; nothing if it gave one."""
        return "" if any(clip.video == video.digest for clip in clips) else self._reasons.get(video.digest, "")

    def _warn_of_space(self, tasks: Sequence[ClipTask]) -> None:
        missing = [task for task in tasks if not task.folder.exists()]
        need = sum(task.frames * task.source.width * task.source.height * 3 * PNG_SHARE for task in missing)
        free = shutil.disk_usage(self._folder).free
        if need > free:
            _log.warning("clips need about %s, and %s are free", format_bytes(need), format_bytes(free))

    def _merge(self, videos: Sequence[VideoEntry], clips: Sequence[ClipEntry]) -> Manifest:
        """Return the manifest of the set: what was there of other videos, and what is new."""
        named = {video.digest: video for video in videos}
        old = [named.pop(video.digest, video) for video in self._before.videos]
        others = [clip for clip in self._before.clips if clip.video not in {video.digest for video in videos}]
        return Manifest(
            versions=versions(),
            scorer=self._scorer.key,
            quality_note=NOTES[self._scorer.name],
            rules=asdict(self._rules),
            videos=[*old, *named.values()],
            clips=sorted([*others, *clips, *self._changed(videos, clips)], key=lambda clip: clip.name),
            failed=[*(each for each in self._before.failed if not self._is_named(each.video)), *self._failed],
            held_out=self._before.held_out,
        )

    def _changed(self, videos: Sequence[VideoEntry], clips: Sequence[ClipEntry]) -> list[ClipEntry]:
        """Return clips that are no longer chosen but whose files were changed: they stay."""
        kept = {clip.name for clip in clips}
        named = {video.digest for video in videos}
        stay = []
        for clip in self._before.clips:
            folder = self._folder / clip.name
            if clip.video in named and clip.name not in kept and folder.is_dir() and not _is_unchanged(folder, clip):
                stay.append(clip)
                reason = f"{show(folder)} is no longer chosen, but has changed since it was written: it stays"
                self._fail(show(clip.name), reason, self._before.video_of(clip).path)
        return stay

    def _remove_old(self, manifest: Manifest) -> None:
        """Remove clips that are no longer in the set, and what build wrote of their folders."""
        stay = {clip.name for clip in manifest.clips}
        old = {self._folder / clip.name: clip for clip in self._before.clips if clip.name not in stay}
        gone = [folder for folder in old if folder.is_dir()]
        for folder in gone:
            try:
                remove_clip(folder)
            except OSError as error:
                reason = f"cannot be removed ({error.strerror or error}); remove it"
                video = self._before.video_of(old[folder]).path
                self._fail(show(folder.name), f"{show(folder)} is no longer chosen, and {reason}", video)
                continue
            _log.warning("%s is no longer chosen, and is removed", show(folder))
            for other in others_in(folder):
                _log.warning("%s is not of the set, and stays", show(other))
        before, now = ({name: f"{value:g}" for name, value in each.rules.items()} for each in (self._before, manifest))
        if gone and (change := differences(before, now)):
            _log.warning("rules are not those of the last build: %s; build with those to have the clips again", change)

    def _tell(self, manifest: Manifest, videos: Sequence[VideoEntry]) -> None:
        if doubtful := sorted({video.title for video in videos if is_doubtful(video.title)}):
            _log.warning(
                "titles begin with a number, perhaps of an episode: %s; correct them in %s before dataset split",
                ", ".join(doubtful),
                show(self._folder / MANIFEST_FILE),
            )
        empty = sum(bool(video.reason) for video in videos)
        _log.info(
            "%s: %s of %s; %d of those named now gave none, %d failed. %s",
            show(self._folder),
            count(len(manifest.clips), "clip"),
            count(len(manifest.videos), "video"),
            empty,
            len(self._failed),
            manifest.quality_note,
        )


def _text(path: Path) -> str:
    """Return a path as it is in the manifest."""
    return show(path.absolute())


def _comparable(measures: Measures) -> NDArray[np.bool_]:
    """Return which frames show enough to be compared with others. Damaged ones give no clip, so that others may."""
    whole = ~measures.resized & ~measures.damaged
    return np.asarray(whole & (measures.flat_share < FLAT_SHARE), np.bool_).reshape(-1)


def _key(chosen: _Chosen, rules: Rules) -> tuple[str, int, int, int, int]:
    return chosen.source.digest, chosen.first, rules.frames, chosen.source.width, chosen.source.height


def _entry(chosen: _Chosen, task: ClipTask, files: Sequence[str]) -> ClipEntry:
    figures: Mapping[str, float] = {
        name: round(getattr(chosen.candidate, name), 4) for name in ("score", "quality", "motion")
    }
    return ClipEntry(
        name=task.folder.name,
        video=chosen.source.digest,
        first=chosen.first,
        frames=task.frames,
        width=chosen.source.width,
        height=chosen.source.height,
        **figures,
        why=chosen.why,
        files=list(files),
        pictures=pack(chosen.hashes),
    )


def _is_unchanged(folder: Path, clip: ClipEntry) -> bool:
    try:
        return hash_files(folder) == clip.files
    except OSError:
        return False


@contextmanager
def _progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much is done and the time left. The value is called with the number of frames done since then."""
    done = 0
    with show_progress(total, label) as show_done:

        def advance(frames: int) -> None:
            nonlocal done
            done += frames
            show_done(done)

        yield advance

"""Measures all frames of a video in one pass, and keeps the result in a file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vsanimesr.files import write_atomic

from ..data.clips import Frame, VideoClip
from ..errors import ClipError, DatasetError
from ..lbo.episode import HEIGHT, WIDTH, is_new_drawing, measure_frames
from ..origin import digest_texts
from .fields import SUSPECT, Luma, judge, suspicion, thin
from .motion import MotionMeter
from .quality import Scorer
from .repeats import hash_picture
from .shots import ShotDetector
from .sources import Source, show

FORMAT = "4"
"""Version of what is measured. Raise it if a value can change."""
SMALL_HEIGHT, MOST_SMALL_WIDTH = 144, 640
"""Height of the scaled-down frames that are measured, and their largest width."""
QUALITY_EVERY = 24
"""Frames from one whose quality is measured to the next."""
THUMB_EVERY, THUMB_QUALITY = 48, 70
"""Frames from one that is kept as a small picture to the next, and the quality of its JPEG."""
LEAST_COMBED = 2
"""Combed frames that make a shot combed."""


@dataclass(frozen=True)
class Measures:
    """Figures of all frames of a video that can be decoded."""

    numbers: NDArray[np.int64]
    """(frames,): number in the video."""
    shot_starts: NDArray[np.bool_]
    """(frames,): whether the frame is the first of a shot."""
    is_new: NDArray[np.bool_]
    """(frames,): whether the frame shows a new drawing."""
    flow: NDArray[np.float32]
    """(frames,): optical flow from the frame before, in percent of the frame's height; 0 for the first of a shot. Mean
    of the pixels that move most, by more than noise."""
    mean_flow: NDArray[np.float32]
    """(frames,): the same, of all pixels; 0 if nearly all change by noise alone."""
    flat_share: NDArray[np.float32]
    """(frames,): share of the pixels that have the most frequent shade."""
    brightness: NDArray[np.float32]
    """(frames,): mean luma, 0 to 255."""
    combed: NDArray[np.bool_]
    """(frames,): whether the frame shows two moments, or lies in a shot in which several frames do."""
    resized: NDArray[np.bool_]
    """(frames,): whether the frame has another size than the video says."""
    damaged: NDArray[np.bool_]
    """(frames,): whether the frame is damaged in the file, or may be made of one that is."""
    quality: NDArray[np.float32]
    """(frames,): quality from 0 to 100, of some frames and NaN for the others."""
    hashes: NDArray[np.uint64]
    """(frames, 2): what `repeats` compares."""
    thumbs: NDArray[np.object_]
    """Every `THUMB_EVERY`th frame as a JPEG."""

    def __len__(self) -> int:
        return len(self.numbers)


def measure_video(source: Source, scorer: Scorer, threads: int, advance: Callable[[int], None]) -> Measures:
    """Measure a video.

    Args:
        threads: of the decoder.
        advance: is called with the number of frames that were measured since the last call.

    Raises:
        ClipError: the video cannot be read, or no frame of it can.
    """
    clip = VideoClip(source.path)
    walk = _Walk(source, scorer)
    stats = measure_frames(walk.look_at(clip.decode(threads), advance))
    if not len(stats.numbers):
        raise ClipError(f"{show(source.path)} has no frame that can be decoded; remux it, or leave it out")
    starts = stats.shot_starts | walk.shots.starts()
    return Measures(
        numbers=stats.numbers,
        shot_starts=starts,
        is_new=is_new_drawing(stats),
        flow=np.where(starts, 0, np.array(walk.flow, np.float32)),
        mean_flow=np.where(starts, 0, np.array(walk.mean_flow, np.float32)),
        flat_share=stats.flat_share,
        brightness=np.array(walk.brightness, np.float32),
        combed=_find_combed(clip, stats.numbers, starts, np.array(walk.suspicion, np.float32)),
        resized=np.array(walk.resized, np.bool_),
        damaged=_find_damaged(stats.numbers, walk.corrupt, walk.is_key, walk.is_late),
        quality=np.array(walk.quality, np.float32),
        hashes=np.array(walk.hashes, np.uint64).reshape(-1, 2),
        thumbs=np.array([*walk.thumbs, None], np.object_)[:-1],  # None: or NumPy makes another type of it
    )


class _Walk:
    """One pass over the frames of a video."""

    def __init__(self, source: Source, scorer: Scorer) -> None:
        self._source = source
        self._scorer = scorer
        width = round(source.width * SMALL_HEIGHT / source.height / 2) * 2
        self._size = min(max(width, WIDTH), MOST_SMALL_WIDTH), SMALL_HEIGHT
        self._meter = MotionMeter(SMALL_HEIGHT, self._size[0])
        self._before: tuple[Luma, Luma] | None = None
        self.shots = ShotDetector()
        self.flow: list[float] = []
        self.mean_flow: list[float] = []
        self.brightness: list[float] = []
        self.suspicion: list[float] = []
        self.resized: list[bool] = []
        self.corrupt: list[bool] = []
        self.is_key: list[bool] = []
        self.is_late: list[bool] = []
        """Whether the frame may be decoded after frames that follow it."""
        self.quality: list[float] = []
        self.hashes: list[NDArray[np.uint64]] = []
        self.thumbs: list[bytes] = []

    def look_at(
        self, frames: Iterator[tuple[int, av.VideoFrame]], advance: Callable[[int], None]
    ) -> Iterator[tuple[int, Frame]]:
        """Measure frames as they come, and yield each in the size that `lbo.episode` measures."""
        scaler, to_grey = VideoReformatter(), VideoReformatter()
        first_size: tuple[int, int] | None = None
        for number, frame in frames:
            first_size = first_size or (frame.width, frame.height)
            self.resized.append((frame.width, frame.height) != first_size)
            self.corrupt.append(bool(frame.is_corrupt))
            self.is_key.append(bool(frame.key_frame))
            self.is_late.append(frame.pict_type == PictureType.B)
            picture = scaler.reformat(frame, *self._size, "bgr24", interpolation=Interpolation.AREA).to_ndarray()
            luma = thin(np.asarray(to_grey.reformat(frame, format="gray").to_ndarray(), np.uint8))
            self._measure(np.asarray(picture, np.uint8), luma)
            self.quality.append(self._score(frame))
            tiny = np.asarray(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8)
            self.shots.add(tiny)
            yield number, tiny
            advance(1)

    def _measure(self, picture: NDArray[np.uint8], luma: Luma) -> None:
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        largest, mean, suspicious = 0.0, 0.0, 0.0
        if self._before is not None:
            largest, mean = self._meter.measure(self._before[0], grey)
            if self._before[1].shape == luma.shape:
                suspicious = suspicion(self._before[1], luma)
        self.flow.append(largest)
        self.mean_flow.append(mean)
        self.suspicion.append(suspicious)
        self.brightness.append(float(grey.mean()))
        self.hashes.append(hash_picture(grey))
        if (len(self.flow) - 1) % THUMB_EVERY == 0:
            self.thumbs.append(encode_jpeg(picture))
        self._before = grey, luma

    def _score(self, frame: av.VideoFrame) -> float:
        if (len(self.quality) - QUALITY_EVERY // 2) % QUALITY_EVERY:
            return float("nan")
        score = self._scorer.score(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
        return float("nan") if score is None else score


def _find_combed(
    clip: VideoClip, numbers: NDArray[np.int64], starts: NDArray[np.bool_], suspicions: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which frames are combed. Suspected frames are only if those of them that are judged closely are.

    A shot with several is combed as a whole: of film on a television's rate, only some frames show two moments.
    """
    suspected = suspicions >= SUSPECT
    if not suspected.any() or not judge(clip, numbers[suspected].tolist()).is_found:
        return np.zeros(len(numbers), np.bool_)
    shots = np.cumsum(starts)
    counts = np.bincount(shots, suspected)
    return np.asarray(suspected | (counts[shots] >= LEAST_COMBED), np.bool_)


def _find_damaged(
    numbers: NDArray[np.int64], corrupt: Sequence[bool], is_key: Sequence[bool], is_late: Sequence[bool]
) -> NDArray[np.bool_]:
    """Return which frames may show damage.

    It lasts from a frame that is damaged or missing to the next key frame. Frames just before it that are decoded after
    it may be made of it too.
    """
    missing = np.diff(numbers, prepend=numbers[0] - 1) != 1
    begins = np.array(corrupt, np.bool_) | (missing & ~np.array(is_key, np.bool_))
    frames = zip(begins.tolist(), is_key, strict=True)
    since = [*accumulate(frames, lambda damaged, each: each[0] or (damaged and not each[1]), initial=False)][1:]
    before = zip(reversed(since), reversed(is_late), strict=True)
    found = [*accumulate(before, lambda damaged, each: each[0] or (damaged and each[1]), initial=False)][:0:-1]
    return np.array(found, np.bool_)


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as JPEG: uint8 (height, width, 3), B, G, R."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, THUMB_QUALITY])[1].tobytes()


def measures_file(folder: Path, digest: str, scorer: str) -> Path:
    """Return where the measures of a video are kept.

    Args:
        digest: of the video.
        scorer: key of the scorer.
    """
    return folder / f"{digest_texts([FORMAT, digest, scorer])}.npz"


def save_measures(file: Path, measures: Measures) -> None:
    """Write measures.

    Raises:
        DatasetError: the file cannot be written.
    """
    arrays = {each.name: getattr(measures, each.name) for each in fields(Measures) if each.name != "thumbs"}
    lengths = json.dumps([len(each) for each in measures.thumbs])
    pictures = b"".join([*measures.thumbs, lengths.encode(), len(lengths).to_bytes(4, "little")])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays, thumbs=np.frombuffer(pictures, np.uint8))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, buffer.getvalue())
    except OSError as error:
        raise DatasetError(f"{file} cannot be written ({error.strerror or error}); free some space") from error


def load_measures(file: Path) -> Measures | None:
    """Return measures from a file; None if there are none, or if it is damaged."""
    try:
        # From memory: of a damaged archive, NumPy leaves the file open.
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:
            pictures = found["thumbs"].tobytes()
            end = len(pictures) - 4
            start = end - int.from_bytes(pictures[end:], "little")
            places = np.cumsum([0, *json.loads(pictures[start:end])])
            thumbs = [pictures[a:b] for a, b in pairwise(places.tolist())]
            arrays = {each.name: found[each.name] for each in fields(Measures) if each.name != "thumbs"}
        return Measures(**arrays, thumbs=np.array([*thumbs, None], np.object_)[:-1])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None

"""Detectors of cuts, on a video file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import vapoursynth as vs
from av.video.reformatter import Interpolation, VideoReformatter

from trainer.data.clips import VideoClip
from trainer.dataset.measures import small_size
from trainer.dataset.shots import ShotDetector
from trainer.dataset.sources import read_source
from trainer.lbo.episode import HEIGHT, WIDTH, measure_frames

from .video import count_frames

core = vs.core

type Detector = Callable[[vs.VideoNode], vs.VideoNode]
"""Sets `_SceneChangePrev` on the frames of a clip."""

BLOCK = 16
RUNS = 4
"""How often a cost is measured."""
NO_MINIMUM, DEFAULT_MINIMUM = 0, 15
"""Shortest scene of PySceneDetect, in frames. Its default cannot find flashes."""


def native(clip: vs.VideoNode) -> vs.VideoNode:
    """The detector of this package."""
    return core.animesr.Scenes(clip)


def mvutensils(clip: vs.VideoNode) -> vs.VideoNode:
    """Motion vectors whose blocks are not found."""
    vectors = core.mvu.Analyse(core.mvu.Super(clip, blksize=[BLOCK], overlap=[0]), blksize=[BLOCK], delta=-1)
    return core.mvu.SCDetection(clip, vectors)


def scxvid(clip: vs.VideoNode) -> vs.VideoNode:
    """The keyframes of Xvid's first pass. It reads the clip from frame 0 on."""
    return core.scxvid.Scxvid(clip)


FILTERS: dict[str, Detector] = {"native": native, "mvu": mvutensils, "scxvid": scxvid}
CONTENT = {"content": NO_MINIMUM, "content, 15 frames": DEFAULT_MINIMUM}
"""PySceneDetect's content rule, by its shortest scene."""
TRAINER = "windows", "adaptive", "dataset"
"""The trainer's own detector, by which `lbo` finds windows; PySceneDetect's adaptive rule; both, as in `dataset`."""
NAMES = (*FILTERS, *TRAINER, *CONTENT)


def find_cuts(name: str, file: Path) -> set[int]:
    """Return the frames that a detector marks in a video file, without frame 0."""
    if name in CONTENT:
        return _find_by_content(file, CONTENT[name])
    if name in TRAINER:
        return _find_by_trainer(name, file)
    clip = FILTERS[name](core.bs.VideoSource(str(file), cachemode=0))
    return {n for n, frame in enumerate(clip.frames(close=True)) if n and frame.props["_SceneChangePrev"] == 1}


def _find_by_trainer(name: str, file: Path) -> set[int]:
    clip = VideoClip(file)
    found: set[int] = set()
    if name != "adaptive":
        found |= set(np.flatnonzero(measure_frames(clip.stream(WIDTH, HEIGHT)).shot_starts).tolist())
    if name != "windows":
        source = read_source(file)
        detector, scaler = ShotDetector(source.rate), VideoReformatter()
        for _, frame in clip.decode():
            small = scaler.reformat(frame, *small_size(source), "bgr24", interpolation=Interpolation.AREA)
            detector.add(np.asarray(small.to_ndarray(), np.uint8))
        found |= set(np.flatnonzero(detector.starts()).tolist())
    return found - {0}


def _find_by_content(file: Path, minimum: int) -> set[int]:
    from scenedetect import ContentDetector, SceneManager, open_video

    manager = SceneManager()
    manager.add_detector(ContentDetector(min_scene_len=minimum))
    manager.detect_scenes(open_video(str(file)))
    return {start.frame_num for start, _ in manager.get_scene_list()} - {0}


def measure_cost(name: str, file: Path, frames: int = 600) -> float:
    """Return the milliseconds of CPU time that a detector takes for a frame, without reading the frame; with it for
    those of the trainer."""
    if name in CONTENT:
        return _measure_content(file, CONTENT[name], frames)
    if name in TRAINER:
        return _time(lambda: _find_by_trainer(name, file)) / count_frames(file) * 1000
    pictures = core.bs.VideoSource(str(file), cachemode=0)[:60]
    stored = [pictures.get_frame(n) for n in range(len(pictures))]
    clip = core.std.BlankClip(pictures)
    clip = core.std.Loop(core.std.ModifyFrame(clip, clip, lambda n, f: stored[n]), frames // len(stored))
    # A filter that runs again would find its frames in VapourSynth's cache.
    return (_time(lambda: _run(FILTERS[name](clip))) - _time(lambda: _run(clip))) / frames * 1000


def _measure_content(file: Path, minimum: int, frames: int) -> float:
    from scenedetect import ContentDetector, SceneManager, open_video

    def read() -> None:
        video = open_video(str(file))
        for _ in range(frames):
            video.read()

    def detect() -> None:
        manager = SceneManager()
        manager.add_detector(ContentDetector(min_scene_len=minimum))
        manager.detect_scenes(open_video(str(file)), duration=frames)

    return (_time(detect) - _time(read)) / frames * 1000


def _run(clip: vs.VideoNode) -> None:
    for _ in clip.frames(close=True):
        pass


def _time(run: Callable[[], object]) -> float:
    """Return the seconds of CPU time of the fastest of some runs."""
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)

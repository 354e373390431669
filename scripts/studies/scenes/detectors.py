"""Detectors of cuts, on a video file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import vapoursynth as vs

from trainer.data.clips import VideoClip
from trainer.dataset.shots import ShotDetector
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
WINDOWS, DATASET, ADAPTIVE = "windows", "dataset", "adaptive"
"""The trainer's own, by which `lbo` finds windows; this and that of this package, as in `dataset`; PySceneDetect's
adaptive rule."""
NAMES = (*FILTERS, WINDOWS, DATASET, *CONTENT, ADAPTIVE)


def find_cuts(name: str, file: Path) -> set[int]:
    """Return the frames that a detector marks in a video file, without frame 0."""
    if name in (WINDOWS, DATASET):
        return _find_by_trainer(name, file)
    if name not in FILTERS:
        return _find_by_scenedetect(name, file)
    clip = FILTERS[name](core.bs.VideoSource(str(file), cachemode=0))
    return {n for n, frame in enumerate(clip.frames(close=True)) if n and frame.props["_SceneChangePrev"] == 1}


def _find_by_trainer(name: str, file: Path) -> set[int]:
    frames = list(VideoClip(file).stream(WIDTH, HEIGHT))
    starts = measure_frames(frames).shot_starts
    if name == DATASET:
        detector = ShotDetector()
        for _, frame in frames:
            detector.add(frame)
        starts = starts | detector.starts()
    return set(np.flatnonzero(starts).tolist()) - {0}


def _find_by_scenedetect(name: str, file: Path, frames: int | None = None) -> set[int]:
    from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, open_video

    manager = SceneManager()
    if name == ADAPTIVE:
        manager.add_detector(AdaptiveDetector(min_scene_len=NO_MINIMUM))
    else:
        manager.add_detector(ContentDetector(min_scene_len=CONTENT[name]))
    manager.detect_scenes(open_video(str(file)), duration=frames)
    return {start.frame_num for start, _ in manager.get_scene_list()} - {0}


def measure_cost(name: str, file: Path, frames: int = 600) -> float:
    """Return the milliseconds of CPU time that a detector takes for a frame, without reading the frame; with it for
    those of the trainer."""
    if name in (WINDOWS, DATASET):
        return _time(lambda: _find_by_trainer(name, file)) / count_frames(file) * 1000
    if name not in FILTERS:
        return _measure_scenedetect(name, file, frames)
    pictures = core.bs.VideoSource(str(file), cachemode=0)[:60]
    stored = [pictures.get_frame(n) for n in range(len(pictures))]
    clip = core.std.BlankClip(pictures)
    clip = core.std.Loop(core.std.ModifyFrame(clip, clip, lambda n, f: stored[n]), frames // len(stored))
    # A filter that runs again would find its frames in VapourSynth's cache.
    return (_time(lambda: _run(FILTERS[name](clip))) - _time(lambda: _run(clip))) / frames * 1000


def _measure_scenedetect(name: str, file: Path, frames: int) -> float:
    from scenedetect import open_video

    def read() -> None:
        video = open_video(str(file))
        for _ in range(frames):
            video.read()

    return (_time(lambda: _find_by_scenedetect(name, file, frames)) - _time(read)) / frames * 1000


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

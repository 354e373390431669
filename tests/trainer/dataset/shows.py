"""Small episodes with known cuts and repeated openings, and measures made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from tests.trainer.lbo.episodes import HEIGHT, WIDTH, draw_scene, write_video
from trainer.data.clips import Frame
from trainer.dataset.build import Request, build_set
from trainer.dataset.candidates import Rules
from trainer.dataset.manifest import Manifest
from trainer.dataset.measures import Measures

FRAMES = 24
"""Frames of a clip in tests."""
OPENING = [(100, 40), (101, 36)]
"""Scenes of an opening: seed and frames."""
BLACK = -1
FIRST = [(BLACK, 10), *OPENING, (1, 30), (2, 50), (3, 20)]
SECOND = [(4, 33), (BLACK, 12), *OPENING, (5, 45)]
type Scenes = Sequence[tuple[int, int]]


def draw(scenes: Scenes) -> list[Frame]:
    """Return the frames of scenes."""
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return [black if seed == BLACK else draw_scene(seed, n, hold=1) for seed, length in scenes for n in range(length)]


def cuts(scenes: Scenes) -> list[int]:
    """Return the first frames of scenes."""
    return [0, *accumulate(length for _, length in scenes)][:-1]


def write(path: Path, scenes: Scenes, crf: int = 18) -> Path:
    """Write scenes as a video."""
    write_video(path, draw(scenes), "libx264", crf=str(crf), preset="ultrafast")
    return path


def build(videos: Sequence[Path], folder: Path, *, clips: int = 1, jobs: int = 1, frames: int = FRAMES) -> Manifest:
    """Build a set in this process."""
    return build_set(Request(videos, folder, Rules(frames=frames, clips=clips), jobs=jobs)).manifest


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all images of a folder by their names."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in sorted(folder.rglob("*.png"))}


def make_measures(frames: int, starts: Sequence[int] = (0,), *, seed: int = 0) -> Measures:
    """Return measures of frames that all move and show enough."""
    random = np.random.default_rng(seed)
    shot_starts = np.zeros(frames, np.bool_)
    shot_starts[[0, *starts]] = True
    return Measures(
        numbers=np.arange(frames),
        shot_starts=shot_starts,
        is_new=np.ones(frames, np.bool_),
        flow=random.uniform(0, 5, frames).astype(np.float32),
        mean_flow=np.ones(frames, np.float32),
        flat_share=np.full(frames, 0.2, np.float32),
        brightness=np.full(frames, 100, np.float32),
        combed=np.zeros(frames, np.bool_),
        resized=np.zeros(frames, np.bool_),
        damaged=np.zeros(frames, np.bool_),
        quality=random.uniform(30, 90, frames).astype(np.float32),
        hashes=random.integers(0, 1 << 64, (frames, 2), np.uint64),
        thumbs=np.array([b"jpeg", None], np.object_)[:-1],
    )

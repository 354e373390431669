"""The whole way with real input: drawn clips and a film, joined into episodes, encoded and found again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.trainer.dataset.shows import build
from trainer.data.clips import Frame, find_clips
from trainer.dataset.measures import load_measures, measures_file

DATA = Path(__file__).parents[3] / ".data"
DRAWN, FILM = DATA / "drawn", DATA / "bigbuckbunny.mp4"
SIZE = 320, 180
LENGTH, USED = 24, 10
"""Frames of a scene, and pictures of a drawn clip that it shows, forwards and backwards."""
OPENING = ("train/school-7-rooftop-pan", "train/school-8-shout")
FIRST = (*OPENING, "train/green-1-club-pan", "film", "train/school-1-classroom-talk")
SECOND = ("held-out/city-3-kitchen-push-in", *OPENING, "held-out/blue-1-meadow-pan")

pytestmark = pytest.mark.skipif(
    not (DRAWN / "train").is_dir() or not FILM.is_file(),
    reason="needs python -m scripts.studies.drawing and python -m scripts.fetch_data",
)


@cache
def frames_of(name: str) -> list[Frame]:
    """Return the frames of a scene."""
    if name == "film":
        with av.open(str(FILM)) as container:
            frames = islice(container.decode(video=0), LENGTH)
            return [np.asarray(frame.to_ndarray(format="rgb24", width=SIZE[0], height=SIZE[1])) for frame in frames]
    files = sorted((DRAWN / name).glob("*.png"))[:USED]
    forwards = [np.asarray(Image.open(file).convert("RGB").reduce(4)) for file in files]
    return list(islice(cycle([*forwards, *forwards[-2:0:-1]]), LENGTH))


def write(path: Path, scenes: Sequence[str], crf: str) -> list[int]:
    """Write an episode, and return the first frames of its scenes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": crf, "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for scene in scenes:
            for frame in frames_of(scene):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return list(accumulate((len(frames_of(scene)) for scene in scenes[:-1]), initial=0))


def test_drawn_episodes(tmp_path: Path) -> None:
    videos = {tmp_path / "one - 01.mkv": (FIRST, "20"), tmp_path / "one - 02.mkv": (SECOND, "30")}
    starts = [write(path, *scenes) for path, scenes in videos.items()]

    manifest = build([*videos], tmp_path / "avc", clips=9, frames=20)

    for video, expected in zip(manifest.videos, starts, strict=True):
        measures = load_measures(measures_file(tmp_path / "avc" / ".work" / "measures", video.digest, "edges"))
        assert measures is not None
        assert np.flatnonzero(measures.shot_starts).tolist() == expected
        mine = [clip for clip in manifest.clips if clip.video == video.digest]
        taken = {max(start for start in expected if start <= clip.first) for clip in mine}
        assert taken == set(expected) if video is manifest.videos[0] else taken == {expected[0], expected[3]}
    assert manifest.videos[1].repeats == {"one - 01.mkv": 2 * LENGTH}
    assert all(clip.check() == SIZE and len(clip) == 20 for clip in find_clips(tmp_path / "avc"))

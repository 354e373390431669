"""Scenes of a part of a clip."""

from __future__ import annotations

import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video import core
from vsanimesr.episode.clips import BEYOND, find_scenes


def mark(frames: int, scenes: list[int]) -> vs.VideoNode:
    """Return a clip with these scenes."""
    plain = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=frames, keep=True)
    cut = plain.std.SetFrameProps(_SceneChangePrev=1)
    return core.std.FrameEval(plain, lambda n: cut if n in scenes else plain)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 700).flatmap(
        lambda frames: st.tuples(
            st.just(frames), st.lists(st.integers(0, frames - 1), max_size=5), st.integers(0, frames - 1)
        )
    ),
    st.integers(1, 100),
)
def test_the_scenes_that_a_part_depends_on(clip: tuple[int, list[int], int], length: int) -> None:
    frames, cuts, first = clip
    last = min(first + length, frames)
    scenes = sorted({0, *cuts})
    own = max(scene for scene in scenes if scene <= first)

    found = find_scenes(mark(frames, cuts), "", detect=False, first=first, last=last)

    assert found == [scene for scene in scenes if own <= scene < last + BEYOND]

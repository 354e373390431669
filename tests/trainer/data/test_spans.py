"""Parts of clips: all of each fits or every clip is represented, within any bound, always the same ones for a seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.data.clips import Clip
from trainer.data.pool_file import FIXED_BYTES, packed_bytes
from trainer.data.spans import GB, MARGIN, Span, cut_spans
from trainer.errors import SettingError

from .test_pool import NoiseClip


def total(clips: list[Clip]) -> int:
    return FIXED_BYTES + sum(packed_bytes(len(clip), *clip.check()) for clip in clips)


@settings(deadline=None, max_examples=150)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 60), st.integers(8, 50), st.integers(8, 50)), min_size=1, max_size=5),
    share=st.floats(0.05, 1.2),
    frames=st.integers(1, 20),
    side=st.integers(4, 12),
    seed=st.integers(0, 5),
)
def test_parts_keep_any_bound_and_represent_every_clip(
    shapes: list[tuple[int, int, int]], share: float, frames: int, side: int, seed: int
) -> None:
    clips: list[Clip] = [NoiseClip(f"{n}", *shape, seed=n) for n, shape in enumerate(shapes)]
    memory = total(clips) * share / GB
    try:
        parts = list(cut_spans(clips, memory, frames=frames, side=side, seed=seed))
    except SettingError:
        assume(False)

    assert total(parts) <= memory * GB
    if share >= 1:
        assert parts == clips
        return
    assert len({part.name for part in parts}) == len(parts)
    seen = {clip.name: np.zeros((len(clip), *clip.check()[::-1]), int) for clip in clips}
    for part in parts:
        assert isinstance(part, Span)
        width, height = part.clip.check()
        assert len(part) == min(frames, len(part.clip))
        assert part.check() == (min(round(side * MARGIN), width), min(round(side * MARGIN), height))
        for n, frame in zip(part.numbers, part.read(range(len(part))), strict=True):
            assert frame.shape == (*part.check()[::-1], 3)
            part.cut(seen[part.clip.name][n])[...] += 1
    assert all(counts.any() and counts.max() == 1 for counts in seen.values())  # each clip, and no pixel twice
    again = cut_spans(clips, memory, frames=frames, side=side, seed=seed)
    assert [part.name for part in again] == [part.name for part in parts]


def test_a_seed_decides_and_a_longer_clip_has_more_parts() -> None:
    clips = [NoiseClip("short", 40, 40, 40), NoiseClip("long", 400, 40, 40)]
    memory = total(list(clips)) * 0.3 / GB

    one, other = (cut_spans(clips, memory, frames=8, side=8, seed=seed) for seed in (0, 1))

    assert {part.name for part in one} != {part.name for part in other}
    counts = [sum(part.clip is clip for part in one if isinstance(part, Span)) for clip in clips]
    assert 5 < counts[1] / counts[0] < 20


def test_without_a_bound_clips_stay_whole_and_too_small_a_one_is_refused_with_the_least() -> None:
    clips = [NoiseClip(f"{n}", 43, 330, 330) for n in range(20)]

    assert cut_spans(clips, 0, frames=43, side=256, seed=0) is clips
    with pytest.raises(
        SettingError,
        match=r"memory=0\.1 GB has no room for a part of each of 20 clips .43 frames of 320x320 pixels.; set at "
        r"least 0\.3, or 0",
    ):
        cut_spans(clips, 0.1, frames=43, side=256, seed=0)
    assert len(cut_spans(clips, 0.3, frames=43, side=256, seed=0)) == 20

"""The plan of chunks: for any scenes, ranges and lengths."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.native.driver import Clip
from vsanimesr.episode.chunks import Chunk, count_steps, plan


@st.composite
def jobs(draw: st.DrawFn) -> tuple[list[int], int, int, int, int]:
    """Scenes, first and last frame, length of segments, target."""
    frames = draw(st.integers(1, 200))
    scenes = sorted({0, *draw(st.lists(st.integers(0, frames - 1), max_size=12))})
    first = draw(st.integers(0, frames - 1))
    last = draw(st.integers(first + 1, frames))
    return scenes, first, last, draw(st.sampled_from([0, 1, 7, 24, 240])), draw(st.integers(1, 60))


def run_starts(scenes: list[int], first: int, last: int, segment: int) -> list[int]:
    """Frames where a run of the network starts, as docs/design.md 2 defines it."""
    clip = Clip(last, frozenset(scenes), segment=segment)
    return [n for n in range(first, last) if clip.find_run(n).start == n]


@given(jobs())
def test_every_frame_is_in_one_chunk(job: tuple[list[int], int, int, int, int]) -> None:
    _, first, last, _, _ = job
    chunks = plan(*job)

    assert (chunks[0].start, chunks[-1].end) == (first, last)
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert all(len(chunk) > 0 for chunk in chunks)


@given(jobs())
def test_chunks_start_where_runs_start_and_are_as_long_as_they_may(job: tuple[list[int], int, int, int, int]) -> None:
    scenes, first, last, segment, target = job
    starts = run_starts(scenes, first, last, segment)
    chunks = plan(*job)

    for chunk in chunks:
        inside = [start for start in starts if chunk.start < start < chunk.end]
        assert chunk.start in starts or chunk.start == first
        assert len(chunk) <= target or not inside
    for chunk, after in pairwise(chunks):
        next_start = min([start for start in starts if start > after.start], default=last)
        assert next_start - chunk.start > target, "the next part would have fitted"


@given(jobs())
def test_earlier_scenes_do_not_count(job: tuple[list[int], int, int, int, int]) -> None:
    scenes, first, *rest = job
    own = max(scene for scene in scenes if scene <= first)

    assert plan(scenes, first, *rest) == plan([scene for scene in scenes if scene >= own], first, *rest)


@given(jobs(), st.integers(0, 4), st.integers(0, 6))
def test_steps_are_those_of_the_definition(
    job: tuple[list[int], int, int, int, int], preroll: int, warmup: int
) -> None:
    scenes, first, last, length, _ = job
    warmup = warmup if warmup < length else 0
    clip = Clip(last, frozenset(scenes), preroll=preroll, segment=length, warmup=warmup)
    starts = sorted({first, *(n for n in run_starts(scenes, first, last, length) if n > first)})
    expected = sum(len(list(clip.steps(end - 1))) for end in [*starts[1:], last])

    assert count_steps(scenes, Chunk(first, last), (length, warmup), preroll) == expected

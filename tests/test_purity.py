"""Through VapourSynth: frame n is a pure function of the clip, the arguments and n (docs/design.md, 2)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import vapoursynth as vs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.vspipe import vspipe
from tests.video import Bytes, add_jitter, core, expected_frame, get_frames, numbered_clip, read_planes, write_script

WIDTH, HEIGHT = 8, 4


@pytest.fixture(autouse=True)
def core_settings() -> Iterator[None]:
    threads, cache = core.num_threads, core.max_cache_size
    yield
    core.num_threads, core.max_cache_size = threads, cache


@functools.lru_cache(4096)
def expected_planes(n: int, frames: int, cuts: frozenset[int]) -> Bytes:
    return expected_frame(n, frames, cuts, WIDTH, HEIGHT)


@st.composite
def orders(draw: st.DrawFn, frames: int) -> list[int]:
    start, stride = draw(st.integers(0, frames - 1)), draw(st.integers(1, 5))
    every = list(range(frames))
    return draw(
        st.sampled_from([every, every[::-1], every[start::stride], every[start:] + every[:start], [start] * 5])
        | st.permutations(every)
        | st.lists(st.integers(0, frames - 1), min_size=1, max_size=30)
    )


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), frames=st.integers(1, 30))
def test_any_order_of_requests_gives_the_run_from_the_anchor(data: st.DataObject, frames: int) -> None:
    cuts = data.draw(st.frozensets(st.integers(0, frames - 1), max_size=5), "cuts")
    core.num_threads = data.draw(st.sampled_from([1, 2, 8, 16]), "threads")
    core.max_cache_size = data.draw(st.sampled_from([1, 1024]), "cache in MB")
    clip = numbered_clip(frames, WIDTH, HEIGHT, cuts)
    if data.draw(st.booleans(), "upstream finishes in random order"):
        clip = add_jitter(clip)
    filters = [core.animesr.Upscale(clip, backend="null") for _ in range(data.draw(st.integers(1, 2), "instances"))]
    for _ in range(2):
        order = data.draw(orders(frames), "order")
        at_once = data.draw(st.integers(1, 32), "at once")
        for upscaled in filters:
            for n, got in get_frames(upscaled, order, at_once=at_once):
                assert got == expected_planes(n, frames, cuts), f"frame {n}"


@pytest.mark.parametrize("threads", [1, 2, 8, 16])
@pytest.mark.parametrize("prefetch", [1, 4, 32])
def test_a_linear_run(threads: int, prefetch: int) -> None:
    core.num_threads = threads
    cuts = frozenset({50, 51, 119})
    upscaled = core.animesr.Upscale(add_jitter(numbered_clip(120, WIDTH, HEIGHT, cuts)), backend="null")

    got = [read_planes(frame) for frame in upscaled.frames(prefetch=prefetch, close=True)]

    assert got == [expected_planes(n, 120, cuts) for n in range(120)]


@pytest.mark.parametrize(
    ("scene_change", "cuts"),
    [("props", {10, 11, 29}), ("none", set()), ([7, 20], {7, 20}), (7, {7}), ([0, 29, 500], {29}), ([], set())],
)
def test_scene_change(scene_change: str | int | list[int], cuts: set[int]) -> None:
    clip = numbered_clip(30, WIDTH, HEIGHT, {10, 11, 29})
    upscaled = core.animesr.Upscale(clip, backend="null", scene_change=scene_change)

    got = get_frames(upscaled, range(30), at_once=4)

    assert got == [(n, expected_planes(n, 30, frozenset(cuts))) for n in range(30)]


@pytest.mark.parametrize("preroll", [0, 1, 5])
def test_preroll(preroll: int) -> None:
    upscaled = core.animesr.Upscale(numbered_clip(6, WIDTH, HEIGHT, {3}), backend="null", preroll=preroll)

    got = get_frames(upscaled, range(6), at_once=1)

    assert got == [(n, expected_frame(n, 6, {3}, WIDTH, HEIGHT, preroll)) for n in range(6)]


def test_a_preview_marks_approximate_frames() -> None:
    clip = numbered_clip(100, WIDTH, HEIGHT, {50})
    upscaled = core.animesr.Upscale(clip, backend="null", seek="preview", warmup=8)

    jumped, near, start = (upscaled.get_frame(n) for n in (90, 58, 0))

    assert jumped.props["AnimeSRApproximate"] == 1
    assert read_planes(jumped) != expected_planes(90, 100, frozenset({50}))
    for n, frame in ((58, near), (0, start)):
        assert "AnimeSRApproximate" not in frame.props
        assert read_planes(frame) == expected_planes(n, 100, frozenset({50}))


def test_a_linear_preview_is_exact() -> None:
    upscaled = core.animesr.Upscale(numbered_clip(60, WIDTH, HEIGHT, {30}), backend="null", seek="preview", warmup=4)

    for n in range(60):
        assert read_planes(upscaled.get_frame(n)) == expected_planes(n, 60, frozenset({30}))


def test_a_part_from_an_anchor_equals_the_whole(tmp_path: Path) -> None:
    path = write_script(tmp_path, "core.animesr.Upscale(numbered_clip(40, cuts={15, 30}), backend='null').set_output()")
    whole, part = vspipe(path, "-"), vspipe("-s", "15", "-e", "29", path, "-")

    assert whole.returncode == part.returncode == 0
    size = len(whole.stdout) // 40
    assert part.stdout == whole.stdout[15 * size : 30 * size]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_requests_with_the_network(data: st.DataObject) -> None:
    cuts = frozenset({5})
    core.num_threads = data.draw(st.sampled_from([1, 2, 8, 16]), "threads")
    core.max_cache_size = data.draw(st.sampled_from([1, 1024]), "cache in MB")
    upscaled = core.animesr.Upscale(add_jitter(numbered_clip(9, 20, 14, cuts)), precision="auto", backend="openvino")
    order = data.draw(orders(9), "order")

    for n, got in get_frames(upscaled, order, at_once=data.draw(st.integers(1, 16), "at once")):
        assert got == run_linearly()[n], f"frame {n}"


@functools.cache
def run_linearly() -> list[Bytes]:
    threads, core.num_threads = core.num_threads, 1
    upscaled = core.animesr.Upscale(numbered_clip(9, 20, 14, {5}), backend="openvino")
    frames = [read_planes(upscaled.get_frame(n)) for n in range(9)]
    core.num_threads = threads
    assert isinstance(upscaled, vs.VideoNode)
    return frames

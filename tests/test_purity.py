"""Through VapourSynth: frame n is a pure function of the clip, the arguments and n (docs/design.md, 2)."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.vspipe import vspipe
from tests.native.driver import Clip
from tests.video import (
    Bytes,
    add_jitter,
    break_frames,
    collect_log,
    core,
    expected_frame,
    expected_result,
    get_frames,
    numbered_clip,
    read_planes,
    write_script,
)
from vsanimesr.backends.base import Frame, Ticket
from vsanimesr.backends.null import NullBackend
from vsanimesr.weights.release import RELEASES

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
def clips(draw: st.DrawFn) -> Clip:
    """Clips of up to 30 frames with cuts, and arguments; some with pictures that are held for some frames."""
    frames = draw(st.integers(1, 30))
    segment, skip = draw(st.sampled_from([0, 0, 6, 11, 20])), draw(st.booleans())
    pictures = draw(st.lists(st.integers(0, 3), min_size=frames, max_size=frames)) if skip else []
    return Clip(
        frames,
        draw(st.frozensets(st.integers(0, frames - 1), max_size=5)),
        preroll=draw(st.integers(0, 3)),
        segment=segment,
        warmup=draw(st.integers(0, max(0, segment - 1))),
        skip_held=skip,
        tolerance=0,
        pictures=tuple(2 * picture for picture in pictures),
    )


def source_of(clip: Clip) -> vs.VideoNode:
    return numbered_clip(clip.frames, WIDTH, HEIGHT, clip.anchors, clip.pictures)


def arguments_of(clip: Clip) -> dict[str, Any]:
    held = "skip" if clip.skip_held else "off"
    return {"backend": "null", "preroll": clip.preroll, "segment": [clip.segment, clip.warmup], "held": held}


@st.composite
def orders(draw: st.DrawFn, frames: int) -> list[int]:
    start, stride = draw(st.integers(0, frames - 1)), draw(st.integers(1, 5))
    every = list(range(frames))
    return draw(
        st.sampled_from([every, every[::-1], every[start::stride], every[start:] + every[:start], [start] * 5])
        | st.permutations(every)
        | st.lists(st.integers(0, frames - 1), min_size=1, max_size=30)
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), clip=clips())
def test_any_order_of_requests_gives_the_run_that_is_defined(data: st.DataObject, clip: Clip) -> None:
    core.num_threads = data.draw(st.sampled_from([1, 2, 8, 16]), "threads")
    core.max_cache_size = data.draw(st.sampled_from([1, 1024]), "cache in MB")
    source = source_of(clip)
    if data.draw(st.booleans(), "upstream finishes in random order"):
        source = add_jitter(source)
    cache = data.draw(st.sampled_from([None, 0, 1]), "cache")
    arguments = arguments_of(clip) | ({} if cache is None else {"cache": cache})
    filters = [core.animesr.Upscale(source, **arguments) for _ in range(data.draw(st.integers(1, 2), "instances"))]
    expected = functools.cache(lambda n: expected_result(clip, n, WIDTH, HEIGHT))
    for _ in range(2):
        order = data.draw(orders(clip.frames), "order")
        at_once = data.draw(st.integers(1, 32), "at once")
        for upscaled in filters:
            for n, got in get_frames(upscaled, order, at_once=at_once):
                assert got == expected(n), f"frame {n}"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), clip=clips())
def test_a_frame_fails_exactly_if_a_frame_that_it_needs_fails(data: st.DataObject, clip: Clip) -> None:
    core.num_threads = data.draw(st.sampled_from([1, 2, 8]), "threads")
    frames = st.integers(1, 30)  # the filter does not open without frame 0
    broken = data.draw(st.frozensets(frames, min_size=1, max_size=3), "broken")
    nan = data.draw(st.frozensets(frames, max_size=0 if clip.skip_held else 2), "nan") - broken  # NaN is never held
    source = break_frames(source_of(clip), broken, nan)
    upscaled = core.animesr.Upscale(source, **arguments_of(clip))
    order = data.draw(orders(clip.frames), "order")

    futures = [(n, upscaled.get_frame_async(n)) for n in order]

    for n, future in futures:
        needs = clip.needs(n, props=True)
        if broken & needs:
            with pytest.raises(vs.Error, match="damaged"):
                future.result()
        elif n in nan:  # the backend `null` shows no other frame's NaN
            with pytest.raises(vs.Error, match="holds NaN"):
                future.result()
        elif not nan & needs:
            assert read_planes(future.result()) == expected_result(clip, n, WIDTH, HEIGHT), f"frame {n}"


def test_held_frames_are_the_decimated_clip_expanded() -> None:
    pictures = [0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5]
    kept = [n for n, picture in enumerate(pictures) if n == 0 or picture != pictures[n - 1]]
    clip = core.std.FrameEval(
        source := numbered_clip(len(pictures), 64, 48, {5}, pictures),
        lambda n: source.std.SetFrameProps(Number=n, Kept=max(k for k in kept if k <= n)),
    )
    decimated = core.std.Splice([clip[n] for n in kept])

    skipped = core.animesr.Upscale(clip, backend="openvino", held="skip")
    expanded = core.animesr.Upscale(decimated, backend="openvino", held="off")

    for n in (12, 3, 4, 0, 1, 2, 11, 5, 6, 7, 8, 9, 10):
        frame, original = skipped.get_frame(n), expanded.get_frame(pictures[n])
        assert read_planes(frame) == read_planes(original)
        assert frame.props["Number"] == n
        assert frame.props.get("AnimeSRHeld", n) == frame.props["Kept"] == original.props["Number"]
        assert frame.props["AnimeSRAnchor"] == (5 if n >= 5 else 0)


def test_every_frame_tells_what_made_it() -> None:
    frame = core.animesr.Upscale(numbered_clip(3, 16, 12, {1}), backend="openvino", precision="fp32").get_frame(2)

    assert frame.props["AnimeSRAnchor"] == 1
    assert (frame.props["AnimeSRBackend"], frame.props["AnimeSRPrecision"]) == ("openvino", "fp32")
    name, digest = frame.props["AnimeSRModel"].split()
    assert RELEASES[name].sha256.startswith(digest)


def test_a_second_pass_tells_nothing_of_the_first() -> None:
    first = core.animesr.Upscale(numbered_clip(3, pictures=[0, 0, 1]), backend="null", held="skip")
    assert first.get_frame(1).props["AnimeSRHeld"] == 0

    second = core.animesr.Upscale(first, backend="null", held="off")

    assert "AnimeSRHeld" not in second.get_frame(1).props


@pytest.mark.parametrize("threads", [2, 16])
@pytest.mark.parametrize("cuts", [(), range(0, 4000, 100)])
def test_steps_back_and_forth_are_short(monkeypatch: pytest.MonkeyPatch, threads: int, cuts: Collection[int]) -> None:
    core.num_threads = threads
    steps = watch_steps(monkeypatch)
    upscaled = core.animesr.Upscale(numbered_clip(4000, 16, 16, cuts), backend="null", segment=[240, 8], preroll=4)

    def steps_of(order: Sequence[int]) -> list[int]:
        counts = []
        for n in order:
            before = len(steps)
            upscaled.get_frame(n).close()
            counts.append(len(steps) - before)
        return counts

    jump, *back = steps_of(range(3050, 3000, -1))
    forth = steps_of(range(3001, 3090))
    assert jump <= 240 + 8 + 4
    assert sum(back) / len(back) <= 3
    assert sum(forth) / len(forth) <= 1
    assert max(steps_of([3500, 20, 2999, 1700])) <= 240 + 8 + 4
    after_a_linear_run = steps_of([*range(3600, 3660), *range(3658, 3608, -1)])[60:]
    assert sum(after_a_linear_run) / len(after_a_linear_run) <= 3


def watch_steps(monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> list[int]:
    """Return a list to which each step of the backend `null` adds its frame. Each step takes `seconds` longer."""
    submit = NullBackend.submit
    steps: list[int] = []

    def watch(self: NullBackend, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        time.sleep(seconds)
        steps.append(cur.number)
        return submit(self, prev, cur, next, output=output)

    monkeypatch.setattr(NullBackend, "submit", watch)
    return steps


def test_a_short_request_does_not_wait_for_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each continues where it was when the other one had its turns."""
    core.num_threads = 2
    cuts = frozenset({300})
    expected = {n: expected_planes(n, 400, cuts) for n in (290, 360)}
    steps = watch_steps(monkeypatch, 0.01)
    upscaled = core.animesr.Upscale(
        numbered_clip(400, WIDTH, HEIGHT, cuts), backend="null", scene_change="props", segment=[0, 0], preroll=4
    )
    far = upscaled.get_frame_async(290)
    time.sleep(0.3)

    near = read_planes(upscaled.get_frame_async(360).result())
    was_first = not far.done()

    assert was_first
    assert near == expected[360]
    assert read_planes(far.result()) == expected[290]
    overtaken_by = [k for k in steps[steps.index(300) : steps.index(360)] if k < 300]
    assert len(overtaken_by) <= 64  # as many as its own way has
    assert sorted(steps) == [0] * 4 + [*range(291)] + [300] * 4 + [*range(300, 361)]


def test_a_long_walk_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_steps(monkeypatch, 0.06)
    upscaled = core.animesr.Upscale(numbered_clip(200, WIDTH, HEIGHT), backend="null", segment=[0, 0])

    with collect_log() as messages:
        upscaled.get_frame(120).close()

    (message,) = (message for message in messages if "frame 120" in message)
    assert re.search(r"every frame from 0 on; \d+ steps are left, about \d+ s", message)
    assert "segment=" in message
    assert 'seek="preview"' in message
    assert "scene_change" not in message  # cuts are detected already


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
    [("props", {10, 11, 29}), ("none", set()), ([7, 20], {7, 20}), (7, {7}), ([0, 29], {29}), ([], set())],
)
def test_scene_change(scene_change: str | int | list[int], cuts: set[int]) -> None:
    clip = numbered_clip(30, WIDTH, HEIGHT, {10, 11, 29})
    upscaled = core.animesr.Upscale(clip, backend="null", scene_change=scene_change)

    got = get_frames(upscaled, range(30), at_once=4)

    assert got == [(n, expected_planes(n, 30, frozenset(cuts))) for n in range(30)]


def test_a_list_beyond_the_clip_is_refused() -> None:
    with pytest.raises(vs.Error, match="scene_change has frame 4000, but the clip ends with frame 29"):
        core.animesr.Upscale(numbered_clip(30), backend="null", scene_change=[20, 4000])


@pytest.mark.parametrize("preroll", [0, 1, 5])
def test_preroll(preroll: int) -> None:
    upscaled = core.animesr.Upscale(numbered_clip(6, WIDTH, HEIGHT, {3}), backend="null", preroll=preroll)

    got = get_frames(upscaled, range(6), at_once=1)

    clip = Clip(6, frozenset({3}), preroll=preroll)
    assert got == [(n, expected_result(clip, n, WIDTH, HEIGHT)) for n in range(6)]


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


def test_a_held_frame_of_an_approximate_one_is_approximate() -> None:
    pictures = [*range(41), 40, *range(42, 60)]
    clip = Clip(60, preroll=0, skip_held=True, tolerance=0, pictures=tuple(pictures))
    upscaled = core.animesr.Upscale(source_of(clip), seek="preview", warmup=4, **arguments_of(clip))
    assert upscaled.get_frame(40).props["AnimeSRApproximate"] == 1
    for n in range(40):  # the exact run comes near
        upscaled.get_frame(n).close()

    repeated = upscaled.get_frame(41)

    assert repeated.props["AnimeSRHeld"] == 40
    exact = read_planes(repeated) == expected_result(clip, 41, WIDTH, HEIGHT)
    assert exact != ("AnimeSRApproximate" in repeated.props)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsanimesr.episode.timeline import MILLISECOND, check_times, lay_out, to_ticks
from vsanimesr.errors import MediaError

ZERO = Fraction(0)
RATE = Fraction(24000, 1001)
rates = st.sampled_from([RATE, Fraction(25), Fraction(30000, 1001), Fraction(24), Fraction(60000, 1001)])
gaps = st.lists(st.fractions(Fraction(1, 400), 3, max_denominator=5000), max_size=30)


def accumulate(start: Fraction, lengths: Sequence[Fraction]) -> list[Fraction]:
    times = [start]
    for length in lengths:
        times.append(times[-1] + length)
    return times


@settings(deadline=None, max_examples=60)
@given(st.fractions(0, 10, max_denominator=1000), gaps)
def test_matroska_rounds_each_time_to_a_millisecond(start: Fraction, lengths: list[Fraction]) -> None:
    times = accumulate(start, lengths)
    line = lay_out(times, "mkv", RATE, later=ZERO)
    assert line.unit == MILLISECOND
    for tick, time in zip(line.ticks[:-1], times, strict=True):
        assert abs(tick * line.unit - time) <= MILLISECOND / 2


@settings(deadline=None, max_examples=60)
@given(st.fractions(0, 10, max_denominator=1000), gaps, rates)
def test_mp4_holds_each_time_as_near_as_a_millionth_of_a_second(
    start: Fraction, lengths: list[Fraction], rate: Fraction
) -> None:
    times = accumulate(start, lengths)
    line = lay_out(times, "mp4", rate, later=ZERO)
    bound = Fraction(1, 2_000_000) if line.rate is None else MILLISECOND
    for tick, time in zip(line.ticks[:-1], times, strict=True):
        assert abs(tick * line.unit - time) <= bound


@settings(deadline=None, max_examples=60)
@given(rates, st.integers(0, 5000) | st.just(0), st.integers(1, 2000), st.sampled_from([math.floor, round]))
def test_mp4_gives_a_steady_rate_back_that_was_rounded(
    rate: Fraction, first: int, count: int, to_whole: Callable[[Fraction], int]
) -> None:
    exact = [Fraction(first, 1000) + n / rate for n in range(count)]
    rounded = [Fraction(to_whole(time * 1000), 1000) for time in exact]
    line = lay_out(rounded, "mp4", rate, later=ZERO)
    assert line.rate == rate
    assert {after - before for before, after in zip(line.ticks, line.ticks[1:], strict=False)} == {1 / rate / line.unit}
    assert line.ticks[0] >= 0
    for tick, time in zip(line.ticks[:-1], exact, strict=True):
        assert abs(tick * line.unit - time) <= MILLISECOND


@settings(deadline=None, max_examples=60)
@given(rates, st.integers(2, 500))
def test_a_rate_that_is_not_steady_is_not_made_steady(rate: Fraction, count: int) -> None:
    times = [n / rate + (Fraction(3, 1000) if n == count - 1 else 0) for n in range(count)]
    for container in ("mkv", "mp4"):
        line = lay_out(times, container, rate, later=ZERO)
        assert line.rate is None
        assert abs(line.ticks[count - 1] * line.unit - times[-1]) <= line.unit / 2


def test_the_last_frame_ends_where_it_is_said_to() -> None:
    times = [ZERO, Fraction(1, 10)]
    assert lay_out(times, "mkv", RATE, end=Fraction(3, 10), later=ZERO).ticks == (0, 100, 300)
    assert lay_out(times, "mkv", RATE, later=ZERO).ticks == (0, 100, 200)
    assert lay_out(times, "mkv", RATE, end=Fraction(1, 20), later=ZERO).ticks == (0, 100, 200)
    assert lay_out([ZERO], "mkv", Fraction(25), later=ZERO).ticks == (0, 40)


def test_everything_can_be_later() -> None:
    assert lay_out([-Fraction(1, 50), ZERO], "mkv", RATE, later=Fraction(1, 50)).ticks == (0, 20, 40)


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("second", [Fraction(1), Fraction(1) - MILLISECOND])
def test_times_that_do_not_rise_are_refused(container: str, second: Fraction) -> None:
    with pytest.raises(MediaError, match=r"frame 2 .*mkvmerge"):
        check_times([ZERO, Fraction(1), second], container)


def test_frames_within_a_millisecond_go_into_mp4_only() -> None:
    times = [ZERO, Fraction(1, 4000)]
    check_times(times, "mp4")
    with pytest.raises(MediaError, match=r"\.mkv cannot hold this"):
        check_times(times, "mkv")


@settings(deadline=None, max_examples=60)
@given(st.fractions(-10, 10), st.sampled_from([MILLISECOND, Fraction(1, 90000), Fraction(1001, 24000)]))
def test_rounding_is_symmetric_and_to_the_nearest(time: Fraction, unit: Fraction) -> None:
    assert abs(to_ticks(time, unit) * unit - time) <= unit / 2
    assert to_ticks(-time, unit) == -to_ticks(time, unit)

"""`--range` and `--preview`: frame numbers and times."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.episode.ranges import parse_preview, parse_range
from vsanimesr.errors import OptionError

TIMES = [Fraction(n, 10) + 5 for n in range(1200)]
"""Two minutes of ten frames a second, which begin at 5 s."""


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("10-20", (10, 20)),
        ("10-", (10, 1200)),
        ("-20", (0, 20)),
        ("1000-99999", (1000, 1200)),
        ("0:10-0:20", (100, 200)),
        ("10s-1m", (100, 600)),
        ("0:00:10.5-1:00", (105, 600)),
        ("1.5 min-", (900, 1200)),
        ("10.01s-0:20", (101, 200)),
    ],
)
def test_a_range(text: str, frames: tuple[int, int]) -> None:
    assert parse_range(text, TIMES) == frames


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10", ["--range 10", "is no range", "1:00-2:30"]),
        ("-", ["is no range"]),
        ("20-10", ["has no frames", "0 to 1199"]),
        ("5:00-6:00", ["has no frames"]),
        ("a-b", ["'a'", "neither a frame number nor a time"]),
        ("10 frames-20", ["'10 frames'"]),
    ],
)
def test_what_is_no_range(text: str, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        parse_range(text, TIMES)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_preview_is_a_third_into_the_clip() -> None:
    assert parse_preview("30s", TIMES, 0, 1200) == (400, 700)
    assert parse_preview("30s", TIMES, 600, 1200) == (800, 1100)


@pytest.mark.parametrize("text", ["", "0s", "30", "soon"])
def test_what_is_no_preview(text: str) -> None:
    with pytest.raises(OptionError, match=r"--preview .* is no time; write, for example, 30s"):
        parse_preview(text, TIMES, 0, 1200)


@given(st.integers(1, 300), st.integers(0, 1199), st.integers(1, 1200))
def test_a_preview_lies_in_the_range_and_is_as_long_as_asked(seconds: int, first: int, length: int) -> None:
    last = min(first + length, 1200)

    begin, end = parse_preview(f"{seconds}s", TIMES, first, last)

    assert first <= begin < end <= last
    assert end - begin == min(10 * seconds, last - first) or last - first <= 10 * seconds

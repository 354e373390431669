"""What two results differ in is named; another file has another fingerprint."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsanimesr.identity import describe_difference, fingerprint


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"a": "1"}, {"a": "1"}, ""),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, "b was 2, now 3"),
        ({"a": "1"}, {"a": "1", "b": "3"}, "b was nothing, now 3"),
        ({"a": "1", "b": "2"}, {"a": "5"}, "a was 1, now 5; b was 2, now nothing"),
        ({"s": "x\ny\nz\n"}, {"s": "x\nq\nz\n"}, "s was 'y', now 'q'"),
        ({"s": "x\n"}, {"s": "x\nq\n"}, "s was '', now 'q'"),
        ({"s": "x\n"}, {"s": "x"}, "s was 2 characters, now 1 characters"),
    ],
)
def test_what_differs_is_named(before: dict[str, str], now: dict[str, str], said: str) -> None:
    assert describe_difference(before, now) == said


def test_only_the_first_differences_are_named_on_request() -> None:
    now = {"a": "1", "b": "2", "c": "3"}
    assert describe_difference({}, now, most=2) == "a was nothing, now 1; b was nothing, now 2; 1 more"
    assert describe_difference({}, now, most=3).endswith("c was nothing, now 3")


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=200), st.integers(0, 199), st.integers(1, 255))
def test_another_file_has_another_fingerprint(content: bytes, place: int, change: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        before = fingerprint(path)
        changed = bytearray(content)
        changed[place % len(content)] ^= change
        path.write_bytes(changed)
        assert fingerprint(path) != before
        path.write_bytes(content + b"x")
        assert fingerprint(path) != before


def test_a_large_file_is_known_by_its_head_tail_and_pieces(tmp_path: Path) -> None:
    path = tmp_path / "large"
    size = 100 << 20
    with path.open("wb") as file:
        file.truncate(size)
    before = fingerprint(path)
    for place in (0, size - 1, size // 15, size * 7 // 15):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        after = fingerprint(path)
        assert after != before, place
        before = after

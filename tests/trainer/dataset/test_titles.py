"""Titles by which clips are held out."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.dataset.titles import is_doubtful, title_of


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("[Group] Some Show - 03 [1080p][ABCD1234]", "some show"),
        ("Some.Show.S01E12.1080p.WEB", "some show"),
        ("Some_Show_-_NCOP1", "some show"),
        ("some show 第12話 「題」", "some show"),
        ("Show 2 - 05v2", "show"),  # both of its numbers are taken for numbers of episodes
        ("深夜アニメ #3", "深夜アニメ"),
        ("Film", "film"),
        ("86 - 01", "86"),
        ("12", "12"),
        ("[x]", "x"),
    ],
)
def test_episodes_of_a_show_have_one_title(name: str, title: str) -> None:
    assert title_of(name) == title


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=40), st.integers(0, 999), st.integers(0, 999))
def test_titles_do_not_depend_on_the_episode(show_name: str, one: int, other: int) -> None:
    assert title_of(f"{show_name} - {one:02}") == title_of(f"{show_name} - {other:02}") or not any(
        each.isalnum() for each in show_name
    )


@pytest.mark.parametrize("name", ["01 - Pilot", "02 - Second", "00001", "S01E02 - Name", "#3 Name", "EP 4"])
@pytest.mark.parametrize(
    ("folders", "title"),
    [
        (["Show", "home"], "show"),
        (["Season 1", "Some.Show [1080p]", "home"], "some show"),
        (["STREAM", "BDMV", "Some Show Vol. 2", "home"], "some show"),
        (["VIDEO_TS", "Disc 1", "Show S02", "home"], "show"),
        (["S01", "91 Days"], "91 days"),
        (["12"], None),
        (["", ""], None),
    ],
)
def test_a_name_that_begins_with_its_number_has_the_title_of_its_folder(
    name: str, folders: list[str], title: str | None
) -> None:
    alone = title_of(name)
    assert title_of(name, folders) == (alone if title is None else title)
    assert is_doubtful(alone)


@pytest.mark.parametrize("name", ["Show - 03", "Film", "86 - 01", "two\nlines - 1"])
def test_a_name_with_a_title_needs_no_folder(name: str) -> None:
    assert title_of(name, ["Folder"]) == title_of(name)


def test_titles_are_words_in_one_line() -> None:
    assert title_of("two\nlines - 01") == "two lines"
    if os.name == "posix":
        assert title_of(os.fsdecode(b"latin-\xe9")) == "latin"
        assert title_of(os.fsdecode(b"\xe9")) == "\\xe9"

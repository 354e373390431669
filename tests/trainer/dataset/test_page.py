"""The page of a set, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import needs_chromium, start_chromium, watch_page
from tests.trainer.dataset.shows import FIRST, SECOND, build, write
from trainer.dataset.manifest import PAGE_FILE

pytestmark = needs_chromium

NAME = "<b>first & best.mkv"
HIDDEN_PICTURES = (
    "[...document.images].filter(each => !each.complete || !each.naturalWidth || !each.offsetHeight).length"
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shows")
    videos = [write(folder / NAME, FIRST), write(folder / "second.mkv", SECOND)]
    build(videos, folder / "set")
    return folder / "set" / PAGE_FILE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


@pytest.mark.parametrize("width", [1366, 800])
def test_all_is_drawn_and_nothing_is_asked_for(browser: Browser, page_file: Path, width: int) -> None:
    with watch_page(browser, width, 800) as (page, requests):
        page.goto(page_file.as_uri())

        assert page.locator(".taken img").count() == 6
        assert page.locator("img").count() > 6
        assert page.evaluate(HIDDEN_PICTURES) == 0
        assert page.locator("svg rect.of-set").count() > 0
        assert page.evaluate(OVERFLOW) <= 0
        assert {each for each in requests if not each.startswith("data:")} == {page_file.as_uri()}


def test_names_are_text_and_reasons_can_be_read(browser: Browser, page_file: Path) -> None:
    with watch_page(browser, 1366, 800) as (page, _):
        page.goto(page_file.as_uri())
        assert page.locator("h3").all_inner_texts() == [NAME, "second.mkv"]
        shown_before = page.get_by_text(f"frames were shown before in {NAME}")
        assert not shown_before.is_visible()

        for each in page.locator("summary").all():
            each.click()

        assert shown_before.is_visible()

"""The page in a real browser: one view in all panes, keys, the source, the choice, and no foreign requests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser import needs_chromium, start_chromium, watch_page
from tests.trainer.lbo.picker.test_server import Client, until
from trainer.lbo.factor import FactorHint, Suggestion
from trainer.lbo.picker.server import serve_picker
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import Scene

HINTS = [FactorHint(factor=factor, sharpness=factor, artefacts=factor**2) for factor in FACTORS]
SUGGESTION = Suggestion(factor=0.5, confidence="medium", runner_up=0.6, about_as_good=(0.5, 0.6))
SIZE = 240, 180

pytestmark = needs_chromium


def draw_grid(width: int, height: int, number: int, scene: int) -> Image.Image:
    """Draw a picture whose red is the column, green the row, and blue the number of the picture."""
    rows, columns = np.indices((height, width))
    blue = np.full_like(rows, 20 * number + 8 * scene)
    return Image.fromarray(np.stack([columns, rows, blue], -1).astype(np.uint8))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    scenes = []
    for scene in range(2):
        files = {factor: folder / f"{scene}-{factor}.png" for factor in FACTORS}
        for number, file in enumerate(files.values()):
            draw_grid(*SIZE, number, scene).save(file)
        draw_grid(SIZE[0] // 2, SIZE[1] // 2, 10, scene).save(folder / f"{scene}.png")
        scenes.append(Scene(f"scene-{scene}", folder / f"{scene}.png", files))
    return scenes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


class OpenPage:
    """The page, open in the browser."""

    def __init__(self, page: Page, choice: Future[float]) -> None:
        self.page = page
        self.choice = choice

    def wait_for_scene(self, scene: int) -> None:
        self.page.locator(f"body[data-ready='{scene}']").wait_for(state="attached")

    def at(self, pane: int, x: float = 0, y: float = 0) -> tuple[int, int, int]:
        """Return column, row and number of the picture that a pane shows at a distance in pixels from its middle."""
        colour: list[int] = self.page.evaluate(
            """([pane, x, y]) => {
                const canvas = document.querySelectorAll("canvas")[pane];
                const place = [Math.floor(canvas.width / 2) + x, Math.floor(canvas.height / 2) + y];
                return Array.from(canvas.getContext("2d").getImageData(...place, 1, 1).data).slice(0, 3);
            }""",
            [pane, x, y],
        )
        red, green, blue = colour
        return red, green, blue

    def in_all_panes(self, x: float = 0, y: float = 0) -> tuple[int, int]:
        """Return column and row, which must be the same in all panes."""
        places = {self.at(pane, x, y)[:2] for pane in range(len(FACTORS))}
        assert len(places) == 1
        return places.pop()

    def middle_of(self, pane: int) -> tuple[float, float]:
        box = self.page.locator("canvas").nth(pane).bounding_box()
        assert box
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def selected(self) -> str:
        pressed = self.page.locator(".pane button[aria-pressed=true]")
        assert pressed.count() == 1
        label = pressed.get_attribute("aria-label")
        assert label
        return label

    def scale(self) -> str:
        return self.page.locator("#scale").inner_text()


@pytest.fixture
def shown(browser: Browser, scenes: list[Scene]) -> Iterator[OpenPage]:
    """The page at the size of a small laptop. Requests to other hosts and errors in the console fail the test."""
    addresses: list[str] = []
    with ThreadPoolExecutor(1) as pool, watch_page(browser, 1280, 800) as (page, requests):
        choice = pool.submit(serve_picker, scenes, HINTS, SUGGESTION, announce=addresses.append, browse=False)
        until(lambda: bool(addresses))
        try:
            page.goto(addresses[0])
            shown = OpenPage(page, choice)
            shown.wait_for_scene(0)
            yield shown
        finally:
            with suppress(OSError):  # the server has ended
                Client(addresses[0], choice).choose({"factor": 1.0})
    assert requests
    assert all(url.startswith((addresses[0], "data:,")) for url in requests)


def test_factors_have_hints_and_the_suggested_one_is_selected(shown: OpenPage) -> None:
    labels = [button.get_attribute("aria-label") for button in shown.page.locator(".pane button").all()]

    notes = {0.5: ", suggested", 0.6: ", next best"}
    assert labels == [f"Factor {factor:.1f}{notes.get(factor, '')}" for factor in FACTORS]
    assert shown.page.locator("#suggestion").inner_text() == SUGGESTION.describe()
    assert shown.selected() == "Factor 0.5, suggested"
    assert shown.page.locator("#use").inner_text() == "Use \u00d70.5"
    assert [shown.at(pane)[2] for pane in range(len(FACTORS))] == [20 * number for number in range(len(FACTORS))]
    assert "sharpness 0.50" in shown.page.locator(".pane button").nth(5).inner_text()
    widths = [
        bar.evaluate("bar => bar.offsetWidth / bar.parentElement.offsetWidth")
        for bar in shown.page.locator(".bar.sharpness i").all()
    ]
    assert widths == pytest.approx(list(FACTORS), abs=0.02)


def test_panes_show_the_pixels_of_their_pictures(shown: OpenPage) -> None:
    assert shown.scale() == "100 %"
    column, row = shown.in_all_panes()
    assert (column, row) == (SIZE[0] // 2, SIZE[1] // 2)
    assert shown.in_all_panes(7, -5) == (column + 7, row - 5)


def test_the_wheel_zooms_all_panes_around_the_pointer(shown: OpenPage) -> None:
    x, y = shown.middle_of(2)
    before = shown.in_all_panes(40, 30)

    shown.page.mouse.move(x + 40.5, y + 30.5)
    for _ in range(6):
        shown.page.mouse.wheel(0, -100)

    assert shown.scale() == "381 %"
    found = shown.in_all_panes(40, 30)
    assert max(abs(a - b) for a, b in zip(found, before, strict=True)) <= 1
    for _ in range(6):
        shown.page.mouse.wheel(0, 100)
    assert shown.scale() == "100 %"


def test_a_drag_moves_all_panes_and_a_click_selects(shown: OpenPage) -> None:
    column, row = shown.in_all_panes()
    x, y = shown.middle_of(1)

    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x - 30, y + 20, steps=5)
    shown.page.mouse.up()

    assert shown.in_all_panes() == (column + 30, row - 20)
    assert shown.selected() == "Factor 0.5, suggested"
    shown.page.mouse.click(*shown.middle_of(1))
    assert shown.selected() == "Factor 0.9"


def test_keys_select_and_zoom(shown: OpenPage) -> None:
    press = shown.page.keyboard.press
    for number, factor in enumerate(FACTORS):
        press(str(number + 1))
        assert shown.selected().startswith(f"Factor {factor:.1f}")
    press("+")
    assert shown.scale() == "125 %"
    press("-")
    press("-")
    assert shown.scale() == "80 %"
    press("0")
    canvas = shown.page.locator("canvas").first.bounding_box()
    assert canvas
    fitting = min(canvas["width"] / SIZE[0], canvas["height"] / SIZE[1])
    assert float(shown.scale().removesuffix(" %")) == pytest.approx(100 * fitting, abs=1)


def test_selection_and_view_stay_when_the_scene_changes(shown: OpenPage) -> None:
    shown.page.keyboard.press("3")
    x, y = shown.middle_of(0)
    shown.page.mouse.move(x + 60, y + 40)
    shown.page.mouse.wheel(0, -100)
    place = shown.in_all_panes()
    assert place != (SIZE[0] // 2, SIZE[1] // 2)

    shown.page.keyboard.press("ArrowRight")
    shown.wait_for_scene(1)
    assert shown.page.locator("#scene").inner_text() == "Scene 2 of 2"
    assert shown.at(0)[2] == 8  # another picture
    assert (shown.selected(), shown.scale(), shown.in_all_panes()) == ("Factor 0.8", "125 %", place)

    shown.page.locator("#next").click()  # the first scene follows the last
    shown.wait_for_scene(0)
    assert shown.at(0)[2] == 0
    shown.page.keyboard.press("ArrowLeft")
    shown.wait_for_scene(1)


def test_the_space_bar_shows_the_source_while_it_is_held(shown: OpenPage) -> None:
    shown.page.keyboard.down(" ")
    assert {shown.at(pane)[2] for pane in range(len(FACTORS))} == {200}
    assert shown.in_all_panes() == (SIZE[0] // 4, SIZE[1] // 4)  # half the size, enlarged
    assert shown.in_all_panes(10, 0) == (SIZE[0] // 4 + 5, SIZE[1] // 4)
    shown.page.keyboard.up(" ")
    assert shown.at(4)[2] == 80


def test_the_choice_is_sent_and_confirmed(shown: OpenPage) -> None:
    shown.page.keyboard.press("7")
    shown.page.locator("#use").click()

    assert shown.choice.result(timeout=10) == 0.4
    message = shown.page.locator(".done").inner_text()
    assert message == "Using \u00d70.4. You can close this page; the command continues."


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_everything_is_visible(width: int, height: int, shown: OpenPage, tmp_path: Path) -> None:
    shown.page.set_viewport_size({"width": width, "height": height})

    for element in shown.page.locator("canvas, button, footer p").all():
        box = element.bounding_box()
        assert box
        assert box["width"] > 20 < box["height"] + 10
        assert box["x"] >= 0 <= box["y"]
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert not shown.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    shown.page.screenshot(path=tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as page:
        assert page.size == (width, height)

"""The page in a real browser: one view over all panes, keys, the source, the choice; and nothing from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from trainer.lbo.choice import Hint
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import Scene
from trainer.picker.server import picked

from .test_picker import Client, until

CHROMIUM = shutil.which("chromium")
QUIET = ("gpu", "quic", "background-networking", "component-update", "sync")
HINTS = [Hint(factor=factor, sharpness=factor, artefacts=factor**2) for factor in FACTORS]
SIZE = 240, 180

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


def grid(width: int, height: int, number: int, scene: int) -> Image.Image:
    """Red tells the column, green the row, blue which picture it is."""
    rows, columns = np.indices((height, width))
    blue = np.full_like(rows, 20 * number + 8 * scene)
    return Image.fromarray(np.stack([columns, rows, blue], -1).astype(np.uint8))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    made = []
    for scene in range(2):
        files = {factor: folder / f"{scene}-{factor}.png" for factor in FACTORS}
        for number, file in enumerate(files.values()):
            grid(*SIZE, number, scene).save(file)
        grid(SIZE[0] // 2, SIZE[1] // 2, 10, scene).save(folder / f"{scene}.png")
        made.append(Scene(f"scene-{scene}", folder / f"{scene}.png", files))
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]
        )
        yield browser
        browser.close()


class Shown:
    """The page, as it is open in the browser."""

    def __init__(self, page: Page, choice: Future[float]) -> None:
        self.page = page
        self.choice = choice

    def ready(self, scene: int) -> None:
        self.page.locator(f"body[data-ready='{scene}']").wait_for(state="attached")

    def at(self, pane: int, x: float = 0, y: float = 0) -> tuple[int, int, int]:
        """The pixel of a pane that many screen pixels from its middle: its picture's column, row and number."""
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

    def everywhere(self, x: float = 0, y: float = 0) -> tuple[int, int]:
        """Column and row, which are those of all panes."""
        places = {self.at(pane, x, y)[:2] for pane in range(len(FACTORS))}
        assert len(places) == 1
        return places.pop()

    def middle_of(self, pane: int) -> tuple[float, float]:
        box = self.page.locator("canvas").nth(pane).bounding_box()
        assert box
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def chosen(self) -> str:
        pressed = self.page.locator(".pane button[aria-pressed=true]")
        assert pressed.count() == 1
        label = pressed.get_attribute("aria-label")
        assert label
        return label

    def scale(self) -> str:
        return self.page.locator("#scale").inner_text()


@pytest.fixture
def shown(browser: Browser, scenes: list[Scene]) -> Iterator[Shown]:
    """At the size of a small laptop; fails where the page asks for anything from elsewhere, or complains."""
    addresses: list[str] = []
    asked: list[str] = []
    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        choice = pool.submit(picked, scenes, HINTS, 0.5, announce=addresses.append, browse=False)
        until(lambda: bool(addresses))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(10_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        try:
            page.goto(addresses[0])
            shown = Shown(page, choice)
            shown.ready(0)
            yield shown
        finally:
            with suppress(OSError):  # it has ended
                Client(addresses[0], choice).choose({"factor": 1.0})
            page.close()
    assert asked
    assert all(url.startswith((addresses[0], "data:,")) for url in asked)
    assert not said


def test_every_factor_is_shown_with_its_hints_and_the_suggested_one_is_chosen(shown: Shown) -> None:
    labels = [button.get_attribute("aria-label") for button in shown.page.locator(".pane button").all()]

    assert labels == [f"Factor {factor:.1f}{', suggested' if factor == 0.5 else ''}" for factor in FACTORS]
    assert shown.chosen() == "Factor 0.5, suggested"
    assert shown.page.locator("#use").inner_text() == "Use \u00d70.5"
    assert [shown.at(pane)[2] for pane in range(len(FACTORS))] == [20 * number for number in range(len(FACTORS))]
    assert "sharp 0.50" in shown.page.locator(".pane button").nth(5).inner_text()
    widths = [
        bar.evaluate("bar => bar.offsetWidth / bar.parentElement.offsetWidth")
        for bar in shown.page.locator(".bar.sharpness i").all()
    ]
    assert widths == pytest.approx(list(FACTORS), abs=0.02)


def test_pixels_are_those_of_the_picture(shown: Shown) -> None:
    assert shown.scale() == "100 %"
    column, row = shown.everywhere()
    assert (column, row) == (SIZE[0] // 2, SIZE[1] // 2)
    assert shown.everywhere(7, -5) == (column + 7, row - 5)


def test_the_wheel_zooms_all_panes_about_the_pointer(shown: Shown) -> None:
    x, y = shown.middle_of(2)
    under = shown.everywhere(40, 30)

    shown.page.mouse.move(x + 40.5, y + 30.5)
    for _ in range(6):
        shown.page.mouse.wheel(0, -100)

    assert shown.scale() == "381 %"
    found = shown.everywhere(40, 30)
    assert max(abs(a - b) for a, b in zip(found, under, strict=True)) <= 1
    for _ in range(6):
        shown.page.mouse.wheel(0, 100)
    assert shown.scale() == "100 %"


def test_a_drag_moves_all_panes_and_chooses_nothing_and_a_click_does(shown: Shown) -> None:
    column, row = shown.everywhere()
    x, y = shown.middle_of(1)

    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x - 30, y + 20, steps=5)
    shown.page.mouse.up()

    assert shown.everywhere() == (column + 30, row - 20)
    assert shown.chosen() == "Factor 0.5, suggested"
    shown.page.mouse.click(*shown.middle_of(1))
    assert shown.chosen() == "Factor 0.9"


def test_keys_do_what_the_page_says(shown: Shown) -> None:
    press = shown.page.keyboard.press
    for number, factor in enumerate(FACTORS):
        press(str(number + 1))
        assert shown.chosen().startswith(f"Factor {factor:.1f}")
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


def test_the_choice_and_the_view_stay_from_scene_to_scene(shown: Shown) -> None:
    shown.page.keyboard.press("3")
    x, y = shown.middle_of(0)
    shown.page.mouse.move(x + 60, y + 40)
    shown.page.mouse.wheel(0, -100)
    place = shown.everywhere()
    assert place != (SIZE[0] // 2, SIZE[1] // 2)

    shown.page.keyboard.press("ArrowRight")
    shown.ready(1)
    assert shown.page.locator("#scene").inner_text() == "Scene 2 of 2"
    assert shown.at(0)[2] == 8  # another picture
    assert (shown.chosen(), shown.scale(), shown.everywhere()) == ("Factor 0.8", "125 %", place)

    shown.page.locator("#after").click()  # after the last comes the first
    shown.ready(0)
    assert shown.at(0)[2] == 0
    shown.page.keyboard.press("ArrowLeft")
    shown.ready(1)


def test_the_space_bar_shows_the_source_in_its_place_as_long_as_it_is_held(shown: Shown) -> None:
    shown.page.keyboard.down(" ")
    assert {shown.at(pane)[2] for pane in range(len(FACTORS))} == {200}
    assert shown.everywhere() == (SIZE[0] // 4, SIZE[1] // 4)  # half as large, drawn as large
    assert shown.everywhere(10, 0) == (SIZE[0] // 4 + 5, SIZE[1] // 4)
    shown.page.keyboard.up(" ")
    assert shown.at(4)[2] == 80


def test_the_choice_is_sent_and_the_page_says_so(shown: Shown) -> None:
    shown.page.keyboard.press("7")
    shown.page.locator("#use").click()

    assert shown.choice.result(timeout=10) == 0.4
    assert shown.page.locator(".done").inner_text() == "\u00d70.4 it is. You may close this page; the command goes on."


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_everything_is_in_view(width: int, height: int, shown: Shown, tmp_path: Path) -> None:
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

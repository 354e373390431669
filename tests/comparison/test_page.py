"""The page in a real browser: exact pixels, zoom, modes, keys, the table, and no request to anywhere."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from tests.browser import needs_chromium, start_chromium, watch_page
from tests.comparison.test_shots import make_clip
from vsanimesr.comparison.report import Report, render_page
from vsanimesr.comparison.shots import list_views, page_size, take_shot

SIZE = 240, 160
SPOT = 168, 56
"""Column and row around which the two results differ in all frames."""
LABELS = ["source (nearest)", "source (bicubic)", "one", "<b>two</b> & co", "reference"]
FRAMES = (0, 7)

pytestmark = needs_chromium

core = vs.core


def draw_grid(size: tuple[int, int], number: int) -> NDArray[np.uint8]:
    """Draw a picture whose red is the column, green the row, and blue the number of the picture."""
    rows, columns = np.indices((size[1], size[0]))
    return np.dstack([columns, rows, np.full_like(rows, number)]).astype(np.uint8)


def make_report() -> Report:
    """Return a report of a source, two results at four times its size, and a reference. The second frame is cropped."""
    two = [draw_grid(SIZE, 40 + n) for n in range(8)]
    for picture in two:
        picture[SPOT[1] - 4 : SPOT[1] + 4, SPOT[0] - 4 : SPOT[0] + 4, 2] ^= 128
    clips = [
        make_clip("source", *[draw_grid((SIZE[0] // 4, SIZE[1] // 4), 200)] * 8),
        make_clip("one", *[draw_grid(SIZE, 20 + n) for n in range(8)]),
        make_clip("<b>two</b> & co", *two),
    ]
    reference = make_clip("reference", *[draw_grid(SIZE, 21 + n) for n in range(8)])
    views = list_views(clips, reference)
    every = [*clips, reference]
    shots = [take_shot(views, page_size(every), n, 10**6 if n == 0 else 1) for n in FRAMES]
    return Report(every, views, shots, (0, 5), "Frames: chosen by </script><script>alert(1)</script>.", "9.9")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render_page(make_report()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


class OpenPage:
    """The page, open in the browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.press = page.keyboard.press

    def wait_for(self, shot: int) -> None:
        self.page.locator(f"body[data-ready='{shot}']").wait_for(state="attached")

    def pixels(self) -> NDArray[np.uint8]:
        """Return the pixels of the canvas, (height, width, 3)."""
        values, height, width = self.page.evaluate(
            """() => {
                const { width, height } = canvas;
                const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
                let text = "";
                for (let at = 0; at < data.length; at += 32768)
                    text += String.fromCharCode(...data.subarray(at, at + 32768));
                return [btoa(text), height, width];
            }"""
        )
        return np.frombuffer(b64decode(values), np.uint8).reshape(height, width, 4)[:, :, :3]

    def middle(self) -> tuple[int, int]:
        """Return the middle of the canvas on the page."""
        box = self.page.locator("#canvas").bounding_box()
        assert box
        return int(box["x"] + box["width"] / 2), int(box["y"] + box["height"] / 2)

    def percent(self) -> int:
        return int(self.page.locator("#scale").inner_text().removesuffix(" %"))

    def scale(self) -> int:
        """Return how many pixels of the screen a pixel of the largest clip takes."""
        assert self.percent() % 100 == 0
        return self.percent() // 100

    def pressed(self, group: str) -> list[str]:
        return self.page.locator(f"{group} button[aria-pressed=true]").all_inner_texts()

    def tags(self) -> list[str]:
        return [" ".join(text.split()) for text in self.page.locator(".tag").all_inner_texts()]


@pytest.fixture
def shown(browser: Browser, file: Path) -> Iterator[OpenPage]:
    yield from open_page(browser, file, 700, 500)


def open_page(browser: Browser, file: Path, width: int, height: int, ratio: float = 1) -> Iterator[OpenPage]:
    """Open the page. Requests for anything but the file, and errors in the console, fail the test."""
    with watch_page(browser, width, height, ratio) as (page, requests):
        page.goto(file.as_uri())
        shown = OpenPage(page)
        shown.wait_for(0)
        yield shown
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]


def check_grid(pixels: NDArray[np.uint8], scale: int, blue: int) -> tuple[int, int]:
    """Check that part of the canvas shows whole pixels of a grid, and return the column and row at its top left.

    Every column of the canvas has one red value, every row one green value; neighbours are equal or one apart, and each
    value but the first and the last is `scale` pixels wide.
    """
    red, green = pixels[:, :, 0].astype(int), pixels[:, :, 1].astype(int)
    assert (red == red[0]).all()
    assert (green == green[:, :1]).all()
    assert (pixels[:, :, 2] == blue).all()
    for line in (red[0], green[:, 0]):
        values, runs = np.unique(line, return_counts=True)
        assert (np.diff(values) == 1).all()
        assert (np.diff(line) >= 0).all()
        assert (runs[1:-1] == scale).all()
        assert max(runs) <= scale
    return int(red[0, 0]), int(green[0, 0])


def around_middle(pixels: NDArray[np.uint8], side: int = 60) -> NDArray[np.uint8]:
    """Return a square of the canvas around its middle."""
    y, x = pixels.shape[0] // 2, pixels.shape[1] // 2
    return pixels[y - side : y + side, x - side : x + side]


def test_the_page_opens_at_the_largest_difference_with_all_pictures(shown: OpenPage) -> None:
    assert shown.pressed("header") == ["All"]
    assert [tag.partition(" ")[0] for tag in shown.tags()] == ["1", "2", "3", "4", "5"]
    assert all(label in tag for label, tag in zip(LABELS, shown.tags(), strict=True))
    assert "1 of" in shown.page.locator("#status").inner_text()
    # In the middle of each pane is the spot where the results differ.
    pixels = shown.pixels()
    width, height = (pixels.shape[1] - 8) // 3, (pixels.shape[0] - 4) // 2
    for index in (2, 3, 4):
        x, y = (index % 3) * (width + 4) + width // 2, index // 3 * (height + 4) + height // 2
        column, row, _ = (int(value) for value in pixels[y, x])
        assert abs(column - SPOT[0]) <= 20
        assert abs(row - SPOT[1]) <= 14


zooms = st.lists(
    st.tuples(st.sampled_from(["in", "out", "drag", "pan"]), st.integers(-200, 200), st.integers(-100, 100)), max_size=6
)


def test_pixels_are_exact_at_every_zoom_and_place(shown: OpenPage) -> None:
    """After any zooms and moves, each pixel of a clip is a square of whole pixels of the screen."""
    shown.press("3")
    x, y = shown.middle()

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(zooms)
    def check(actions: list[tuple[str, int, int]]) -> None:
        for action, dx, dy in actions:
            shown.page.mouse.move(x + dx, y + dy)
            if action == "drag":
                shown.page.mouse.down()
                shown.page.mouse.move(x + dx // 2, y + dy // 2)
                shown.page.mouse.up()
            elif action == "pan":
                shown.press("Shift+ArrowLeft" if dx < 0 else "Shift+ArrowDown")
            else:
                shown.page.mouse.wheel(0, -100 if action == "in" else 100)
        while shown.percent() < 100:
            shown.press("+")
        pixels = shown.pixels()
        inside = (pixels != [0x30] * 3).any(2)  # the rest is the wall around the frame
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        frame = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        check_grid(frame, shown.scale(), 20)

    check()


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_pixels_are_exact_at_any_density_of_the_screen(browser: Browser, file: Path, ratio: float) -> None:
    for shown in open_page(browser, file, 900, 601, ratio):
        shown.press("3")
        box = shown.page.locator("#canvas").bounding_box()
        assert box
        pixels = shown.pixels()
        assert abs(pixels.shape[1] - ratio * box["width"]) <= 1
        assert abs(pixels.shape[0] - ratio * box["height"]) <= 1
        check_grid(around_middle(pixels), shown.scale(), 20)


def test_zoom_keeps_the_pixel_under_the_pointer(shown: OpenPage) -> None:
    shown.press("3")
    shown.press("-")
    x, y = shown.middle()
    dx, dy = 40, -30
    shown.page.mouse.move(x + dx, y + dy)

    def under() -> NDArray[np.uint8]:
        pixels = shown.pixels()
        found: NDArray[np.uint8] = pixels[pixels.shape[0] // 2 + dy, pixels.shape[1] // 2 + dx]
        return found

    before, scales = under(), [shown.scale()]
    for _ in range(4):
        shown.page.mouse.wheel(0, -100)
        scales.append(shown.scale())
        assert np.abs(under().astype(int) - before).max() <= 1
    assert scales == sorted(set(scales))
    for _ in range(4):
        shown.page.mouse.wheel(0, 100)
    assert np.abs(under().astype(int) - before).max() <= 1


def test_the_source_is_enlarged_by_nearest_neighbour(shown: OpenPage) -> None:
    shown.press("1")
    check_grid(around_middle(shown.pixels()), 4 * shown.scale(), 200)
    column, row = shown.pixels()[shown.pixels().shape[0] // 2, shown.pixels().shape[1] // 2, :2]
    assert abs(4 * int(column) - SPOT[0]) <= 24
    assert abs(4 * int(row) - SPOT[1]) <= 18


def test_digits_show_one_picture_and_the_space_bar_swaps(shown: OpenPage) -> None:
    for number, blue in (("3", 20), ("5", 21), ("3", 20)):
        shown.press(number)
        assert shown.pressed("header") == ["One"]
        assert shown.tags()[0].startswith(LABELS[int(number) - 1])
        check_grid(around_middle(shown.pixels()), shown.scale(), blue)
    for blue in (21, 20, 21):
        shown.press("Space")
        check_grid(around_middle(shown.pixels()), shown.scale(), blue)
    shown.press("9")  # no such picture
    assert shown.tags()[0].startswith("reference")


def test_the_slider_shows_two_pictures_at_one_place(shown: OpenPage) -> None:
    shown.press("3")
    shown.press("Shift+Digit5")
    shown.press("s")
    pixels = shown.pixels()
    half = pixels.shape[1] // 2
    middle = slice(pixels.shape[0] // 2 - 60, pixels.shape[0] // 2 + 60)
    left, right = pixels[middle, half - 200 : half], pixels[middle, half : half + 200]

    assert (left[:, :, 2] == 21).all()
    assert (right[:, :, 2] == 20).all()
    check_grid(
        np.hstack([left[:, :, :2], right[:, :, :2]])[:, :, [0, 1, 1]] * np.array([1, 1, 0], np.uint8), shown.scale(), 0
    )
    assert [tag.split()[0] for tag in shown.tags()] == ["reference", "one"]

    x, y = shown.middle()
    shown.page.mouse.move(x, y + 100)
    shown.page.mouse.down()
    shown.page.mouse.move(x - 150, y + 100, steps=3)
    shown.page.mouse.up()
    moved = shown.pixels()[middle]
    assert (moved[:, half - 140 : half, 2] == 20).all()
    assert (moved[:, half - 200 : half - 160, 2] == 21).all()

    handle = shown.page.locator("#handle")
    before = int(handle.get_attribute("aria-valuenow") or 0)
    handle.focus()
    shown.press("ArrowRight")
    assert int(handle.get_attribute("aria-valuenow") or 0) == before + 2


def test_the_difference_is_eight_times_as_strong(shown: OpenPage) -> None:
    shown.press("3")
    shown.press("Shift+Digit5")
    shown.press("d")
    assert np.unique(around_middle(shown.pixels()).reshape(-1, 3), axis=0).tolist() == [[0, 0, 8]]
    shown.press("Shift+Digit4")  # differs by 20, and by 128 at the spot
    assert {int(value) for value in np.unique(around_middle(shown.pixels())[:, :, 2])} == {160, 255}


def test_frames_change_by_keys_and_by_the_list(shown: OpenPage) -> None:
    shown.press("3")
    shown.press("ArrowRight")
    shown.wait_for(1)
    pixels = shown.pixels()
    assert (around_middle(pixels, 20)[:, :, 2] == 27).all()
    status = shown.page.locator("#status").inner_text()
    assert "part 64x64 at " in status
    assert "of 240x160" in status
    # Nothing beyond the crop is shown.
    shown.press("0")
    inside = (shown.pixels() != [0x30] * 3).any(2)
    assert len(np.flatnonzero(inside.any(0))) == 64 * shown.scale()

    options = shown.page.locator("#frame option").all_inner_texts()
    assert options == [
        "Frame 0 \u00b7 0:00:00.000 \u00b7 scene 1 (1 of 2)",
        "Frame 7 \u00b7 0:00:00.292 \u00b7 scene 2 (2 of 2)",
    ]
    shown.page.locator("#frame").select_option("0")
    shown.wait_for(0)
    shown.press("ArrowLeft")
    shown.wait_for(1)


def test_the_figures_name_what_is_nearest_to_the_reference(shown: OpenPage) -> None:
    shown.press("t")
    dialog = shown.page.locator("#details")
    assert dialog.is_visible()
    first = dialog.locator("table").first
    head = first.locator("thead th").all_inner_texts()
    assert head == ["Frame", *(f"{label}: {name}" for name in ("PSNR, dB", "SSIM") for label in LABELS[1:4])]
    rows = first.locator("tbody tr").all()
    assert [row.locator("th").inner_text()[:7] for row in rows] == ["Frame 0", "Frame 7", "Mean"]
    best = rows[0].locator("td.best").all_inner_texts()
    assert best[0] == rows[0].locator("td").nth(1).inner_text()
    assert float(best[0]) > 60  # one code value of blue
    text = dialog.inner_text()
    assert "</script><script>alert(1)</script>" in text
    assert "<b>two</b> & co" in text
    assert "1 of 2 frames: only a part around the largest difference" in text
    shown.press("3")  # keys of the page rest meanwhile
    assert shown.pressed("header") == ["All"]
    shown.press("Escape")
    assert not dialog.is_visible()
    assert "dB" in shown.tags()[2]
    assert shown.page.title() == "source \u00b7 one \u00b7 <b>two</b> & co \u00b7 reference"


def test_everything_works_without_a_pointer(shown: OpenPage) -> None:
    names = shown.page.evaluate(
        "[...document.querySelectorAll('button, select, [role=slider], canvas')]"
        ".map(each => each.ariaLabel || each.innerText || each.getAttribute('aria-label'))"
    )
    assert all(names)
    shown.press("?")
    assert "swap the two pictures" in shown.page.locator("#help").inner_text()
    shown.press("Escape")
    shown.page.locator("[data-mode=slider]").focus()
    shown.press("Enter")
    assert shown.pressed("header") == ["Slider"]
    shown.press("n")
    assert "difference 2 of " in shown.page.locator("#status").inner_text()


@pytest.mark.parametrize(("width", "height", "ratio"), [(1366, 768, 1), (3840, 2160, 1), (1920, 1080, 2)])
def test_everything_is_visible(browser: Browser, file: Path, width: int, height: int, ratio: int) -> None:
    for shown in open_page(browser, file, width, height, ratio):
        for element in shown.page.locator("#canvas, header button, footer button, select, #status").all():
            box = element.bounding_box()
            assert box
            assert box["width"] > 20 < box["height"] + 10
            assert box["x"] >= 0 <= box["y"]
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
        canvas = shown.page.locator("#canvas").bounding_box()
        assert canvas
        assert canvas["height"] > 0.85 * height


def test_the_page_is_one_file_that_asks_for_nothing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert "default-src 'none'; img-src data:" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("</script>") == 2
    data: dict[str, Any] = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    assert [view["label"] for view in data["views"]] == LABELS
    assert "{{" not in text

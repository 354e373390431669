"""The page of an evaluation in a real browser: the right pictures under the slider, the tables, no request."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.browser import needs_chromium, start_chromium, watch_page
from trainer.evaluation.measures import NIQE, PSNR
from trainer.evaluation.models import HQ, LR
from trainer.evaluation.page import render
from trainer.evaluation.run import Record, _encode
from trainer.evaluation.tables import Evaluation

PIXEL = """(right) => {
    const { width, height } = canvas;
    return [...canvas.getContext("2d").getImageData(width / 2 + right, height / 2, 1, 1).data];
}"""
"""Reads the pixel beside the middle."""

pytestmark = needs_chromium
MODELS = ["bicubic", "<b>mine</b>", HQ]
CLIPS = ["first", "second </script>"]


def colour(clip: int, model: int) -> tuple[int, int, int]:
    return 10 + 100 * clip, 20 + 50 * model, 200


@pytest.fixture
def file(tmp_path: Path) -> Path:
    records = {}
    for number, clip in enumerate(CLIPS):
        for place, model in enumerate([LR, *MODELS]):
            picture = torch.tensor(colour(number, place), dtype=torch.uint8)[:, None, None].expand(
                3, 64 + 32 * number, 96
            )
            values = {NIQE: 5.0 + place, PSNR: 30.0 + number} if model != LR else {}
            records[clip, model] = Record(values, _encode(picture))
    found = Evaluation(MODELS, [MODELS[1], MODELS[0]], [NIQE, PSNR], CLIPS, records, notes=["Made by a test."])
    (tmp_path / "report.html").write_text(render(found), encoding="utf-8")
    return tmp_path / "report.html"


def test_each_clip_is_under_the_slider(file: Path) -> None:
    with start_chromium() as browser, watch_page(browser, 800, 600) as (page, requests):
        page.goto(file.as_uri())
        for number, clip in enumerate(CLIPS):
            page.locator(f"body[data-ready='{number}']").wait_for(state="attached")
            assert page.locator("#frame option:checked").inner_text().startswith(clip)
            left, right = (page.evaluate(PIXEL, offset) for offset in (-20, 20))
            assert (tuple(left[:3]), tuple(right[:3])) == (colour(number, 1), colour(number, 2))  # bicubic, mine
            tags = " ".join(page.locator(".tag").all_inner_texts())
            assert f"PSNR-Y {30 + number}.00" in tags
            page.keyboard.press("ArrowRight")
        page.keyboard.press("t")
        assert page.locator("#details h3").all_inner_texts() == [
            "Means of 2 clips",
            "Differences to <b>mine</b>",
            "Clips",
        ]
        cells = page.locator("#details table").first.locator("tbody tr").first.locator("th, td").all_inner_texts()
        assert (cells[0], cells[4]) == ("bicubic", "6.0000")
        assert page.locator("#details td.strong").first.inner_text() == "6.0000"  # the lowest NIQE of those compared
        assert "Made by a test." in page.locator("#facts").inner_text()
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]

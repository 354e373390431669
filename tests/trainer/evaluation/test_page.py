"""The page of an evaluation in a real browser: the right pictures under the slider, the tables, no request."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import needs_chromium, start_chromium, watch_page
from trainer.evaluation import page
from trainer.evaluation.measures import NIQE, PSNR
from trainer.evaluation.models import HQ, LR
from trainer.evaluation.page import render
from trainer.evaluation.run import Record, encode
from trainer.evaluation.tables import Evaluation

PIXEL = """(right) => {
    const { width, height } = canvas;
    return [...canvas.getContext("2d").getImageData(width / 2 + right, height / 2, 1, 1).data];
}"""
"""Reads the pixel beside the middle."""

MODELS = ["bicubic", "<b>mine</b>", HQ]
CLIPS = ["first", "second </script>"]


def make_evaluation() -> Evaluation:
    records = {}
    for number, clip in enumerate(CLIPS):
        for place, model in enumerate([LR, *MODELS]):
            picture = Image.new("RGB", (96, 64 + 32 * number), colour(number, place))
            values = {NIQE: 5.0 + place, PSNR: 30.0 + number} if model != LR else {}
            records[clip, model] = Record(values, encode(picture))
    return Evaluation(MODELS, [MODELS[1], MODELS[0]], [NIQE, PSNR], CLIPS, records, notes=["Made by a test."])


def colour(clip: int, model: int) -> tuple[int, int, int]:
    return 10 + 100 * clip, 20 + 50 * model, 200


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "report.html").write_text(render(make_evaluation()), encoding="utf-8")
    return tmp_path / "report.html"


@needs_chromium
def test_each_clip_is_under_the_slider(file: Path) -> None:
    with start_chromium() as browser, watch_page(browser, 800, 600) as (shown, requests):
        shown.goto(file.as_uri())
        for number, clip in enumerate(CLIPS):
            shown.locator(f"body[data-ready='{number}']").wait_for(state="attached")
            assert shown.locator("#frame option:checked").inner_text().startswith(clip)
            left, right = (shown.evaluate(PIXEL, offset) for offset in (-20, 20))
            assert (tuple(left[:3]), tuple(right[:3])) == (colour(number, 1), colour(number, 2))  # bicubic, mine
            tags = " ".join(shown.locator(".tag").all_inner_texts())
            assert f"PSNR-Y {30 + number}.00" in tags
            shown.keyboard.press("ArrowRight")
        shown.keyboard.press("t")
        assert shown.locator("#details h3").all_inner_texts() == [
            "Means of 2 clips",
            "Differences to <b>mine</b>",
            "Clips",
        ]
        cells = shown.locator("#details table").first.locator("tbody tr").first.locator("th, td").all_inner_texts()
        assert (cells[0], cells[4]) == ("bicubic", "6.0000")
        assert shown.locator("#details td.strong").first.inner_text() == "6.0000"  # the lowest NIQE of those compared
        assert "Made by a test." in shown.locator("#facts").inner_text()
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]


def test_a_page_of_many_pictures_shows_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = make_evaluation()
    total = sum(len(record.picture) for record in found.records.values())
    monkeypatch.setattr(page, "LARGEST", total // 4)
    data = json.loads(re.findall(r'type="application/json">(.*?)</script>', render(found), re.DOTALL)[0])
    assert [shot["crop"] for shot in data["shots"]] == [[0, 0, 48, 32], [0, 0, 48, 48]]
    assert data["shots"][0]["pictures"][0]["box"] == [0, 0, 48, 32]


def test_a_smaller_part_keeps_the_pixels_of_lr_whole() -> None:
    rows, columns = np.indices((100, 100)) // 4
    picture = encode(Image.fromarray(np.dstack([rows, columns, rows]).astype(np.uint8)))
    with page._decode(page._crop(picture, 0.25)) as part:
        pixels = np.asarray(part)
    assert pixels.shape == (48, 48, 3)
    assert (pixels == pixels[::4, ::4].repeat(4, 0).repeat(4, 1)).all()

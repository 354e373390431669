"""The page at the end of a recipe, in a real browser, and when it is made again."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser

from tests.browser import needs_chromium, start_chromium, watch_page
from tests.trainer.core.test_train import SMALL
from tests.trainer.lbo.networks import save_network
from trainer.core.validation import FLICKER, PSNR
from trainer.data.clips import Episode, require_clip
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.errors import LossError
from trainer.lbo.folder import PATCHES_FILE, WINDOWS_FILE
from trainer.report import page
from trainer.report.curves import draw_curves, read_curves
from trainer.report.page import Result, read_report_origin, write_report
from trainer.report.scenes import LENGTH, SHOWN, choose_scenes, open_frames
from trainer.settings import override
from trainer.vsr import scorer
from trainer.vsr.config import preset
from trainer.vsr.train import train
from vsanimesr.network.torch_network import AnimeSR

SCORED = ("validation.every=1", "validation.windows=1", "validation.frames=2", "validation.size=64")
EPISODES = ("<b>old & one", "two")
FIRSTS = (2, 20)


def _out_of_reach() -> None:
    raise LossError("VGG16 is not available")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two episodes with windows and patches, and a run of two steps."""
    folder = tmp_path_factory.mktemp("recipe")
    episodes: list[Episode] = []
    operators: list[Path] = []
    for number, name in enumerate(EPISODES):
        write_toy_episode(folder / name, seed=number)
        episodes.append(require_clip(folder / name, "episode"))
        operators.append(folder / f"lbo{number}")
        operators[-1].mkdir()
        windows = [{"first": first, "shot": 0, "motion": 1.0} for first in FIRSTS]
        (operators[-1] / WINDOWS_FILE).write_text(json.dumps({"origin": {}, "windows": windows}))
        Image.new("RGB", (40 + number, 20), (200, 40, 40)).save(operators[-1] / PATCHES_FILE)
    write_toy_clips(folder / "hq", clips=1)
    settings = [*SMALL, *SCORED, f"data={folder / 'hq'}", "start=random", "steps=2", "validation.criterion=psnr_y"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scorer, "read_lpips_vgg16", _out_of_reach)
        train(override(preset("vsr-gan", "debug"), settings), folder / "vsr-gan")
    models = {}
    for seed, name in enumerate(("start", "new model")):
        torch.manual_seed(seed)
        models[name] = save_network(AnimeSR(features=4, blocks=(1, 0, 0)), folder / f"{name}.safetensors")
    return Result(episodes, operators, [folder / "vsr-gan"], models, "1, 2")


@pytest.fixture(scope="module")
def file(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    write_report(file, result)
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


@needs_chromium
def test_the_page_shows_scenes_patches_and_curves(file: Path, browser: Browser) -> None:
    with watch_page(browser, 1400, 900) as (shown, requests):
        shown.goto(file.as_uri())
        assert shown.title() == "new model beside the source and start"
        assert [each.inner_text() for each in shown.locator("h2").all()] == [
            *EPISODES,
            "Training: vsr-gan",
            *(f"What the operator of {name} does" for name in EPISODES),
        ]
        frames = [shown.frame_locator("iframe").nth(number) for number in range(2)]
        for each in frames:
            each.locator("body[data-ready='0']").wait_for(state="attached")
            options = [option.inner_text() for option in each.locator("#frame option").all()]
            assert [text.split(" (")[0] for text in options] == [f"Frame {first + SHOWN}" for first in FIRSTS]
            views = [button.inner_text() for button in each.locator("#views button").all()]
            assert [text[1:].strip() for text in views] == [
                *("source (nearest)", "source (bicubic)", "start", "new model"),
            ]
        widths = shown.evaluate("[...document.images].map((image) => image.naturalWidth)")
        assert widths == [40, 41]
        captions = [each.inner_text().split(":")[0] for each in shown.locator("figcaption").all()]
        assert captions == ["L1", "GAN loss", "discriminator, real", "discriminator, fake", *["held out"] * 2]
        assert shown.locator("td").first.inner_text() == "PSNR-Y, dB"
        assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [file.as_uri()]


def test_the_pictures_are_frames_of_the_episode_and_what_the_plugin_makes_of_them(file: Path, result: Result) -> None:
    (compared, _) = (unescape(each) for each in re.findall(r'srcdoc="(.*?)"', file.read_text(), re.DOTALL))
    shot = json.loads(compared.split('<script id="data" type="application/json">')[1].split("</script>")[0])["shots"][1]
    source, _, start, new = (
        np.asarray(Image.open(BytesIO(b64decode(picture["image"].partition(",")[2]))).convert("RGB"))
        for picture in shot["pictures"]
    )
    episode, first = result.episodes[0], FIRSTS[1]
    frames = episode.read(range(first, first + LENGTH))

    assert shot["n"] == first + SHOWN
    assert shot["time"] is None
    assert np.array_equal(source, frames[SHOWN])
    for shown, model in ((start, result.models["start"]), (new, result.models["new model"])):
        clip = open_frames(frames).animesr.Upscale(model=model, backend="torch", scene_change="none")
        with clip.get_frame(SHOWN) as expected:
            assert np.array_equal(shown, np.dstack([np.asarray(plane) for plane in expected]))
    assert not np.array_equal(start, new)


def test_the_page_is_made_again_only_when_something_changed(
    result: Result, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def render(episode: Episode, *_: object) -> str:
        made.append(episode.name)
        return ""

    monkeypatch.setattr(page, "render_scenes", render)
    copy = Path(shutil.copy(file, tmp_path / "report.html"))
    origin = read_report_origin(copy)
    assert {f"curves of {run.name}" for run in result.runs} < origin.keys()

    write_report(copy, result)
    assert not made
    changes = (
        replace(result, weights="1, 3"),
        replace(result, episodes=result.episodes[::-1]),
        replace(result, models={"v2": "v2", "new model": ""}),
        replace(result, operators=result.operators[::-1]),
        replace(result, runs=[]),
    )
    for changed in changes:
        shutil.copy(file, copy)
        write_report(copy, changed)
        assert len(made) == 2
        assert read_report_origin(copy) != origin
        made.clear()
    copy.write_text("damaged")
    write_report(copy, result)
    assert len(made) == 2
    assert read_report_origin(copy) == origin


@pytest.mark.parametrize(("windows", "count", "chosen"), [(2, 12, [0, 1]), (12, 12, [*range(12)]), (200, 2, [50, 150])])
def test_scenes_are_spread_over_the_windows(windows: int, count: int, chosen: list[int]) -> None:
    assert choose_scenes(range(windows), count) == chosen
    assert 0 <= SHOWN < LENGTH - 1


def test_curves_are_those_of_the_columns_that_have_values(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text(f"step,{PSNR},l1,gradient_norm\n0,30.5,,\n1,,0.5,7\n2,31.5,0.25,7\n")

    assert read_curves(file) == {"l1": [(1, 0.5), (2, 0.25)], PSNR: [(0, 30.5), (2, 31.5)]}
    drawn = draw_curves(file, best=2)
    assert drawn.count("<svg") == drawn.count('class="best"') == 2
    assert 'points="6.0,114.0 294.0,6.0"' in drawn  # PSNR: from the lower left to the upper right
    assert 'points="150.0,6.0 294.0,114.0"' in drawn
    assert FLICKER not in drawn
    assert read_curves(tmp_path / "a short run wrote no file") == {}

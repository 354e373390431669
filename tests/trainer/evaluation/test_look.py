"""Looking at networks without HQ: measures follow what was changed, and the page shows each network's own crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.trainer.clips import cartoon_clip
from tests.trainer.lbo.networks import save_debug_network
from trainer.cli import main
from trainer.evaluation import look
from trainer.vsr.evaluation import upscale_bicubic

LQ = cartoon_clip(6, 64, 80).float() / 255
STILL = LQ[:1].repeat(6, 1, 1, 1)


def measure(lq: Tensor, change: Callable[[Tensor, int], Tensor] = lambda frame, _: frame) -> tuple[float, float, float]:
    frames = (change(frame, n) for n, frame in enumerate(torch.split(upscale_bicubic(lq).clamp(0, 1), 1)))
    return look._measure(lq, frames)[0]


def blur(frame: Tensor, _: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(frame, 9, 1, 4, count_include_pad=False)


def test_blur_makes_edges_less_steep() -> None:
    assert measure(LQ, blur)[0] < 0.7 * measure(LQ)[0]


def test_noise_is_texture_and_not_steepness() -> None:
    def add_noise(frame: Tensor, n: int) -> Tensor:
        return frame + 4 / 255 * torch.randn(frame.shape[-2:], generator=torch.Generator().manual_seed(0))

    plain, noisy = measure(STILL), measure(STILL, add_noise)
    assert noisy[1] == pytest.approx(4, rel=0.1)
    assert plain[1] < 1
    assert noisy[2] == pytest.approx(plain[2], abs=0.1)  # the same noise in each frame


def test_flicker_is_counted_where_lq_is_still() -> None:
    def flash(frame: Tensor, n: int) -> Tensor:
        return frame * 0.9 + 3 / 255 * (n % 2)

    assert measure(STILL)[2] == 0
    assert measure(STILL, flash)[2] == pytest.approx(3, rel=0.05)


def test_evaluate_looks_at_lq(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, episode = save_debug_network(tmp_path / "mine.safetensors"), tmp_path / "old"
    episode.mkdir()
    for n, picture in enumerate(LQ.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(episode / f"{n:08}.png")
    show = tmp_path / "look.png"

    assert main(["evaluate", network, "--lq", str(episode), "--show", str(show)]) == 0
    printed = capsys.readouterr().out
    assert "bicubic" in printed
    assert "None of them is quality" in " ".join(printed.split())
    with Image.open(show) as page:
        columns = [np.asarray(page.crop((6 + 262 * n, 30, 250 + 262 * n, 200)), np.float32) for n in range(3)]
    assert np.abs(columns[0] - columns[1]).mean() > 1
    assert np.abs(columns[1] - columns[2]).mean() > 1

    monkeypatch.setattr(look, "look", lambda *_: pytest.fail("the name of the picture is looked at first"))
    assert main(["evaluate", network, "--lq", str(episode), "--show", str(tmp_path / "look.what")]) == 1
    assert "--show" in capsys.readouterr().err


def test_no_upscaler_can_be_named_as_the_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LQ").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "LQ" / "0.png")
    assert main(["evaluate", "LQ", "--lq", "LQ"]) == 1
    assert "name it ./LQ" in capsys.readouterr().err


def test_hq_or_lq_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "v2"])
    assert "one of the arguments --data --lq is required" in capsys.readouterr().err


def test_a_page_has_a_row_for_each_part() -> None:
    class Frames:
        name = "clip"

        def __len__(self) -> int:
            return 60

        def read(self, numbers: range) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
            return [np.full((64, 64, 3), n, np.uint8) for n in numbers]

    parts: Iterator[Tensor] = look._parts(Frames())  # type: ignore[arg-type]
    shown = [round(255 * part[-1].mean().item()) for part in parts]
    assert (len(shown), shown[0], shown[-1]) == (look.PLACES, look.LENGTH - 1, 59)

"""Baselines are found by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.baselines.load import FILES, NAMES, is_baseline, load_baseline
from trainer.baselines.network import Baseline
from trainer.baselines.realbasicvsr import RealBasicVsr
from trainer.baselines.released import MODELS
from trainer.baselines.rrdb import Rrdb
from trainer.errors import BaselineError


@pytest.mark.parametrize("name", MODELS)
def test_released_names(name: str, realesrgan_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(realesrgan_folder))
    upscaler = load_baseline(name)

    assert is_baseline(name)
    assert name in NAMES
    assert upscaler.name == name
    assert isinstance(upscaler, Baseline)
    assert upscaler(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


@pytest.mark.parametrize(
    ("kind", "network"),
    [("bsrgan", Rrdb(blocks=1)), ("realesrgan", Rrdb(blocks=1)), ("realbasicvsr", RealBasicVsr())],
)
def test_names_with_a_path(kind: str, network: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights = 1.pth"
    torch.save(network.state_dict(), path)

    upscaler = load_baseline(f"{kind}={path}")

    assert is_baseline(f"{kind}={path}")
    assert f"{kind}=PATH" in NAMES
    assert upscaler.name == f"{kind}={path}"
    assert upscaler.parameters == sum(each.numel() for each in network.parameters())


def test_all_kinds_of_files_are_tested() -> None:
    assert set(FILES) == {"bsrgan", "realesrgan", "realbasicvsr"}


@pytest.mark.parametrize("name", ["v2", "bicubic", "runs/gan", "realesr-animevideov3=x.pth", "bsrgan.pth", ""])
def test_other_names(name: str) -> None:
    assert not is_baseline(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("realesr-animevideo", "'realesr-animevideo' is no baseline; did you mean 'realesr-animevideov3'?"),
        ("bsrgam=x.pth", "'bsrgam=x.pth' is no baseline; did you mean 'bsrgan'?"),
        ("other", "'other' is no baseline; use realesr-animevideov3, .*, realbasicvsr=PATH"),
        ("bsrgan", "'bsrgan' names no file of weights; use bsrgan=PATH"),
        ("bsrgan=", "'bsrgan=' names no file of weights; use bsrgan=PATH"),
        ("bsrgan=missing.pth", "bsrgan='missing.pth' cannot be read: No such file"),
    ],
)
def test_a_name_that_is_none(name: str, reason: str) -> None:
    with pytest.raises(BaselineError, match=reason):
        load_baseline(name)

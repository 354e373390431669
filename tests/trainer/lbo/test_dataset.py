"""Training samples for operators: crops, flips, and where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.trainer.lbo.toy_pairs import degrade_toy
from trainer.degradation.settings import PRESETS, Modes
from trainer.lbo import folder
from trainer.lbo.config import preset
from trainer.lbo.dataset import Pairs
from trainer.lbo.train import train_operator
from trainer.settings import override


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 9),
    index=st.integers(0, 23),
    halves=st.booleans(),
    flip=st.booleans(),
)
def test_input_and_target_show_the_same_place(
    pairs: Path, seed: int, epoch: int, index: int, halves: bool, flip: bool
) -> None:
    sample = Pairs(pairs, size=64, halves=halves, seed=seed, flip=flip)[epoch, index]
    again = Pairs(pairs, size=64, halves=halves, seed=seed, flip=flip, memory=1)[epoch, index]

    assert torch.equal(sample.input, again.input)
    assert torch.equal(sample.target, again.target)
    assert (sample.target.shape, sample.target.dtype) == ((1, 3, 32, 32), torch.uint8)
    side = 64 if halves else 32
    assert (sample.input.shape, sample.input.dtype) == ((1, 3, side, side), torch.float32)
    if halves:
        assert (degrade_toy(sample.input) - sample.target / 255).abs().max() < 2 / 255
    else:
        blue = 0.7 * sample.input[:, 2] + 0.1
        assert (blue - sample.target[:, 2] / 255).abs().mean() < 0.02


def test_pairs_are_halved_in_the_mix_of_use(pairs: Path) -> None:
    mixed = Pairs(pairs, size=64, halves=False, seed=0)
    mean, cubic = (
        Pairs(pairs, size=64, halves=False, seed=0, modes=Modes(area=1 - share, bilinear=0, bicubic=share))
        for share in (0.0, 1.0)
    )
    places = [(epoch, index) for epoch in range(20) for index in range(0, 24, 2)]
    kinds = [
        (torch.equal(mixed[each].input, mean[each].input), torch.equal(mixed[each].input, cubic[each].input))
        for each in places
    ]

    assert all(is_mean != is_cubic for is_mean, is_cubic in kinds)
    use = PRESETS["paper"].down.modes
    share = use.bicubic / (use.area + use.bilinear + use.bicubic)
    assert sum(is_cubic for _, is_cubic in kinds) / len(kinds) == pytest.approx(share, abs=0.08)


def is_ramp(lq: torch.Tensor, axis: int) -> bool:
    """Return whether brightness rises along an axis."""
    return bool((lq.float().diff(dim=axis) > 0).all())


@pytest.mark.parametrize("flip", [False, True])
def test_the_setting_flip_reaches_the_samples(flip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without flips, faults with a direction keep it: ringing stays to the right of edges."""
    ramp = np.broadcast_to(np.arange(20, 52, dtype=np.uint8)[None, :, None] * 4, (32, 32, 3))
    for kind, frame in ((folder.hq(tmp_path), ramp.repeat(2, 0).repeat(2, 1)), (folder.lq(tmp_path), ramp)):
        (kind / "ramp").mkdir(parents=True)
        Image.fromarray(frame).save(kind / "ramp" / "00000000.png")
    datasets: list[Pairs] = []
    monkeypatch.setattr("trainer.lbo.train.run_training", lambda pairs, *_, **__: datasets.append(pairs))

    train_operator(override(preset("lbo-l1", "debug"), [f"data={tmp_path}", f"flip={str(flip).lower()}"]), tmp_path)

    targets = [datasets[0][epoch, 0].target for epoch in range(40)]
    assert all(is_ramp(target, -1) for target in targets) is not flip
    assert any(is_ramp(target, -2) for target in targets) is flip


def test_samples_differ_and_cover_the_frames(pairs: Path) -> None:
    data = Pairs(pairs, size=64, halves=True, seed=0)

    assert len(data) == 24
    assert [text.partition(",")[0] for text in data.digests().values()] == ["8 frames"] * 3
    assert len(set(data.digests().values())) == 3
    crops = {data[epoch, 3].input.numpy().tobytes() for epoch in range(20)}
    assert len(crops) > 15

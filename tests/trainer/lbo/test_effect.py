"""How near an operator comes to its episode: what is measured, and what is told of one that has learned nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.cli import main
from trainer.degradation.learned.operator import Operator
from trainer.lbo import folder
from trainer.lbo.config import OperatorConfig, preset
from trainer.lbo.effect import UNSEEN, Effect, measure_effect, read_effect, write_effect
from trainer.lbo.train import train_stages
from trainer.settings import override


def write_pairs(path: Path, *, darker: float, grain: float) -> None:
    """Write pairs whose LQ is pseudo-HQ, darker by so many grey levels and with grain of its own in each frame."""
    generator = np.random.default_rng(0)
    for clip in range(3):
        for number in range(3):
            lq = np.repeat(np.repeat(generator.integers(60, 200, (4, 4, 3)), 16, 0), 16, 1)
            hq = np.repeat(np.repeat(lq, 2, 0), 2, 1)
            bad = lq - darker + grain * generator.standard_normal(lq.shape)
            for where, picture in ((folder.hq(path), hq), (folder.lq(path), bad)):
                file = where / f"clip{clip}" / f"{number:08d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.round().clip(0, 255).astype(np.uint8)).save(file)


def shift(levels: float, *, halves: bool) -> Operator:
    """Return an operator that adds so many grey levels to frames, and does nothing else."""
    operator = Operator(halves=halves, features=8)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in operator.state_dict().items()}
    first, second, last = (name for name in tensors if name.endswith("weight"))
    inputs = tensors[first].shape[1] // 3
    for colour in range(3):  # all values are positive, so the activations change nothing
        tensors[first][colour, colour * inputs : (colour + 1) * inputs, 1, 1] = 1 / inputs
        for name in (second, last):
            tensors[name][colour, colour, 1, 1] = 1
    tensors[last.replace("weight", "bias")] += levels / 255
    operator.load_state_dict(tensors)
    return operator


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("grain", [0, 8])
def test_what_an_operator_gets_wrong_is_measured_and_grain_is_not(halves: bool, grain: float, tmp_path: Path) -> None:
    write_pairs(tmp_path, darker=10, grain=grain)
    for levels, expected in ((-10, 0), (0, 10), (-4, 6), (-25, 15)):
        effect = measure_effect(shift(levels, halves=halves), tmp_path)
        assert effect.operator == pytest.approx(expected, abs=1)
        assert effect.plain == pytest.approx(10, abs=1)
        assert effect.is_worse == (levels == -25)


def test_small_differences_are_no_fault() -> None:
    assert not Effect(operator=UNSEEN, plain=0.1).is_worse
    assert Effect(operator=UNSEEN + 0.1, plain=0.1).is_worse


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"operator": 1}'])
def test_a_damaged_file_is_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / folder.EFFECT_FILE).write_bytes(content)
    assert read_effect(tmp_path) is None


def test_an_operator_of_few_steps_is_told_from_one_that_has_learned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def train(steps: int) -> list[str]:
        path = tmp_path / str(steps)
        write_pairs(path, darker=20, grain=2)

        def settings(stage: str) -> OperatorConfig:
            rate = ("optimiser.rate=0.01", "losses.gan=0", "operator.features=8", "size=64", "records.preview=0")
            return override(preset(stage, "debug"), [f"steps={steps}", *rate])

        caplog.clear()
        with caplog.at_level(logging.INFO, "trainer"):
            assert train_stages(path, settings, ["lbo-l1"])
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    (warning,) = train(1)
    assert "has not learned its episode" in warning
    assert "more steps" in warning
    assert train(300) == []
    few, many = (read_effect(tmp_path / name) for name in ("1", "300"))
    assert few
    assert many
    assert few.is_worse
    assert many.operator < many.plain


@pytest.mark.parametrize("from_home", [False, True])
def test_a_pool_with_an_operator_that_has_learned_nothing_is_told_of(
    from_home: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    names = {"good": Effect(0.7, 1.8), "bad": Effect(8.4, 1.7), "old": None}
    for name, effect in names.items():
        (tmp_path / name).mkdir()
        if effect:
            write_effect(tmp_path / name, effect)
    pool = ",".join(str(Path("~" if from_home else tmp_path, name)) for name in names)

    assert main(["vsr-final", "debug", f"lbo_pool=[{pool}]", "-o", str(tmp_path / "run")]) == 1

    (warning,) = [each for each in caplog.messages if "has not learned" in each]
    assert warning.startswith(f"{tmp_path / 'bad'} has not learned its episode: it is {names['bad']}")

"""The final stage of the network, which degrades clips by a pool of operators."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import torch

from tests.trainer.degradation.learned.operators import save_random_operator
from trainer.core import checkpoints
from trainer.core.records import METRICS_FILE
from trainer.data.clips import find_clips
from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.learned.operator import Operator
from trainer.degradation.learned.pool import OPERATOR_FILE, pairs_folder, read_pool, save_operator
from trainer.degradation.settings import LBO_PRESETS, Degradation
from trainer.errors import CheckpointError, OperatorError, SettingError
from trainer.origin import write_origin
from trainer.settings import override
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.dataset import DegradedClips, Sampling
from trainer.vsr.train import train


def read_losses(run: Path) -> list[str]:
    with (run / METRICS_FILE).open(newline="") as file:
        return [row["l1"] for row in csv.DictReader(file)]


def tiny_config(clips: Path, pool: list[Path], *assignments: str) -> VSRConfig:
    tiny = ("network.features=4", "discriminator.features=2", "discriminator.layers=[2,1]", "sampling.size=32")
    more = ("sampling.frames=3", "records.log=1", "records.preview=0", "steps=2", f"data={clips}", "start=random")
    return override(
        preset("vsr-final", "debug"), [*tiny, *more, f"lbo_pool=[{','.join(map(str, pool))}]", *assignments]
    )


def test_it_degrades_by_the_pool(clips: Path, tmp_path: Path) -> None:
    pool = [save_random_operator(tmp_path / str(n), halves=False, seed=n) for n in range(2)]

    train(tiny_config(clips, pool), tmp_path / "run")

    train(tiny_config(clips, pool[:1]), tmp_path / "other")
    assert len(checkpoints.paths_in(tmp_path / "run")) == 1
    train(tiny_config(clips, pool, "workers=1"), tmp_path / "workers")
    assert read_losses(tmp_path / "run") != read_losses(tmp_path / "other")
    assert read_losses(tmp_path / "run") == read_losses(tmp_path / "workers")
    assert preset("vsr-final", "paper").degradation == LBO_PRESETS["paper"]
    down = preset("vsr-final", "release").degradation.down
    assert (down.factors, down.lbo, down.lbo_mode) == ((2, 2), 0.5, "replace")
    shutil.rmtree(tmp_path / "1")
    save_random_operator(tmp_path / "1", halves=False, seed=9)
    with pytest.raises(CheckpointError, match=r"was trained otherwise: operator 2 was \w+, now"):
        train(tiny_config(clips, pool, "steps=3"), tmp_path / "run")


def test_an_operator_beside_other_pairs_than_its_own_is_refused(clips: Path, tmp_path: Path) -> None:
    operator = Operator(halves=False, features=4)
    write_origin(pairs_folder(tmp_path), {"factor": "0.5"})
    save_operator(tmp_path / OPERATOR_FILE, operator, {"stage": "lbo-gan", "pairs: factor": "0.5"})
    assert len(read_pool([str(tmp_path)], "after_down")) == 1

    write_origin(pairs_folder(tmp_path), {"factor": "0.8"})

    message = r"trained on other pairs than are there now: factor was 0\.5, now 0\.8; .* trainer lbo train "
    with pytest.raises(OperatorError, match=message):
        train(tiny_config(clips, [tmp_path]), tmp_path / "run")
    assert len(read_pool([str(tmp_path / OPERATOR_FILE)], "after_down")) == 1  # a file has no pairs beside it


@pytest.mark.parametrize("halves", [False, True])
def test_samples_are_degraded_by_the_operators(halves: bool, clips: Path) -> None:
    """The operator here makes everything red."""
    operator = Operator(halves=halves, features=4).requires_grad_(False)
    for parameter in operator.parameters():
        parameter.zero_()
    operator.state_dict()["main.4.bias"].copy_(torch.tensor([0.9, 0.1, 0.1]))
    down = {"lbo": 1, "lbo_mode": "replace" if halves else "after_down"}
    degradation = Degradation.model_validate({"down": down})

    data = DegradedClips(find_clips(clips), Sampling(frames=3, size=64), degradation, 0, [Degrader(operator)])
    red, green, blue = data[0, 5].input.mean((0, 2, 3)).tolist()

    assert red == pytest.approx(0.9, abs=0.03)
    assert green == pytest.approx(0.1, abs=0.03)
    assert blue == pytest.approx(0.1, abs=0.03)


def test_it_needs_a_pool_and_a_pool_must_be_used(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"lbo_pool is not set; .* lbo_pool=\[lbo1,lbo2,lbo3\]"):
        train(override(tiny_config(clips, []), ["lbo_pool=[]"]), tmp_path / "run")
    with pytest.raises(SettingError, match=r"^lbo_pool is set, and degradation\.down\.lbo=0 never uses it"):
        override(preset("vsr-l1", "paper"), ["lbo_pool=[a]"])
    with pytest.raises(OperatorError, match="nowhere cannot be read"):
        train(tiny_config(clips, [tmp_path / "nowhere"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()

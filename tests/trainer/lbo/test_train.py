"""Training of operators: its stages, its results, and pairs that are refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from trainer.cli import main
from trainer.core import checkpoints
from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.learned.pool import OPERATOR_FILE, read_operator, read_operator_origin
from trainer.errors import PairError, TrainerError
from trainer.lbo import folder
from trainer.lbo import train as lbo_train
from trainer.lbo.config import STAGES, OperatorConfig, preset
from trainer.lbo.dataset import Pairs
from trainer.lbo.train import train_operator
from trainer.origin import write_origin
from trainer.settings import override

TINY = ("records.preview=0", "size=64")


def tiny_config(stage: str) -> OperatorConfig:
    return override(preset(stage, "debug"), TINY)


def read_last(path: Path, stage: str) -> checkpoints.State:
    return checkpoints.read(checkpoints.paths_in(folder.run(path, stage))[-1])


def _remove_hq(path: Path) -> None:
    shutil.rmtree(folder.hq(path) / "shapes-1")


def _resize_hq(path: Path) -> None:
    for file in (folder.hq(path) / "shapes-1").iterdir():
        Image.new("RGB", (120, 128)).save(file)


def _truncate_lq(path: Path) -> None:
    file = folder.lq(path) / "shapes-1" / "00000003.png"
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: shutil.rmtree(path / "pairs"), "holds no pairs; make them: python -m trainer lbo pairs EPISODE"),
        (_remove_hq, "clip 'shapes-1' of .* has 8 LQ frames and 0 of pseudo-HQ"),
        (lambda path: (folder.hq(path) / "shapes-1" / "00000007.png").unlink(), "has 8 LQ frames and 7 of pseudo-HQ"),
        (_resize_hq, "clip 'shapes-1' has 64x64 pixels, and 120x128 as pseudo-HQ, which should be twice"),
        (_truncate_lq, "00000003.png cannot be read"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_before_training(
    spoil: Callable[[Path], object], message: str, pairs_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(pairs_copy)

    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 1

    assert re.search(f"^error: .*{message}", capsys.readouterr().err, re.MULTILINE)
    assert not (pairs_copy / "lbo-l1").exists()


def test_a_crop_larger_than_the_frames_is_refused(pairs_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lbo", "train", str(pairs_copy), "debug", "size=160"]) == 1

    assert "has 128x128 pixels, and size=160 is larger; set a smaller one" in capsys.readouterr().err


def test_training_learns_a_degradation(pairs_copy: Path) -> None:
    """From random weights to a few grey levels."""
    steps = (
        "steps=1000",
        "records.log=1000",
        "records.save=1000",
        "optimiser.rate=0.003",
        "operator.features=16",
        "ema=0.5",
    )

    assert main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-l1", *TINY, *steps]) == 0

    degrade = Degrader(read_operator(pairs_copy))
    ema = read_last(pairs_copy, "lbo-l1")["ema"]
    assert all(torch.equal(ema[name], tensor) for name, tensor in load_file(pairs_copy / OPERATOR_FILE).items())
    data = Pairs(pairs_copy, size=64, halves=False, seed=7)
    errors = []
    for index in range(0, 24, 4):
        sample = data[0, index]
        target = sample.target / 255
        errors.append([(found - target).abs().mean().item() for found in (degrade(sample.input), sample.input)])
    with_operator, without = np.mean(errors, 0)
    assert with_operator < 0.25 * without
    with Image.open(pairs_copy / folder.PATCHES_FILE) as page:
        assert page.size[0] > 5 * 256 < page.size[1] + 1000


def test_both_stages_train_resume_and_write_the_operator(pairs_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 0

    first, second = (read_last(pairs_copy, stage) for stage in STAGES)
    assert [first["step"], second["step"]] == [10, 10]
    assert "discriminator" not in first
    assert "discriminator" in second
    written = load_file(pairs_copy / OPERATOR_FILE)
    assert all(torch.equal(second["ema"][name], tensor) for name, tensor in written.items())
    before = (pairs_copy / OPERATOR_FILE).read_bytes()
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 0
    assert (pairs_copy / OPERATOR_FILE).read_bytes() == before
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "batch=3"]) == 1
    assert "was trained otherwise: batch was 2, now 3" in capsys.readouterr().err


def test_the_second_stage_starts_from_the_first(pairs_copy: Path) -> None:
    main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-l1", *TINY])
    main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-gan", *TINY, "steps=1", "optimiser.rate=1e-30"])

    first, second = (read_last(pairs_copy, stage)["network"] for stage in STAGES)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_all_stages_are_checked_before_the_first(pairs_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(pairs_copy.rglob("*"))
    for wrong, message in (
        (["size=128", "discriminator.layers=[3,3,3]"], "half of size=64 is too small for discriminator.layers"),
        (["start=nowhere.pth"], "start='nowhere.pth'"),
        (["losses.perceptual.weight=1", "losses.perceptual.weights=nothing"], "losses.perceptual.weights='nothing'"),
        (["size=160"], "size=160 is larger"),
    ):
        assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, *wrong]) == 1
        assert message in capsys.readouterr().err
        assert sorted(pairs_copy.rglob("*")) == before
    only_gan = ["size=64", "discriminator.layers=[1]", "steps=1", "workers=0", "losses.perceptual.weights=nothing"]
    assert main(["lbo", "train", str(pairs_copy), "paper", *only_gan]) == 1  # it has no perceptual loss in the first
    assert "losses.perceptual.weights='nothing'" in capsys.readouterr().err
    assert sorted(pairs_copy.rglob("*")) == before


def test_training_one_stage_again_keeps_the_operator_of_a_later_one(
    pairs_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 0
    before = (pairs_copy / OPERATOR_FILE).read_bytes()

    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "--stage", "lbo-l1", "steps=11"]) == 0

    assert (pairs_copy / OPERATOR_FILE).read_bytes() == before
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "steps=12"]) == 1
    assert "lbo-gan was trained from lbo-l1, which has more steps to train now" in capsys.readouterr().err
    assert read_last(pairs_copy, "lbo-l1")["step"] == 11
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "steps=11"]) == 1
    assert "lbo-gan was trained otherwise: start was " in capsys.readouterr().err
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "steps=11", "--renew"]) == 0
    assert (pairs_copy / OPERATOR_FILE).read_bytes() != before
    assert read_operator_origin(pairs_copy)["steps"] == "11"


def test_an_operator_says_what_it_was_made_of(pairs_copy: Path) -> None:
    write_origin(folder.pairs(pairs_copy), {"episode": "mine", "clips": "3"})
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 0

    origin = read_operator_origin(pairs_copy)

    assert origin["stage"] == "lbo-gan"
    assert origin["steps"] == "10"
    assert origin["pairs: episode"] == "mine"
    assert origin["clips"].startswith("3, ")
    assert origin["losses.gan"] == "1"
    assert not {"workers", "data", "start: name"} & origin.keys()


def test_other_pairs_are_refused_and_trained_on_if_asked_for(
    pairs_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 0
    before = (pairs_copy / OPERATOR_FILE).read_bytes()
    file = folder.hq(pairs_copy) / "shapes-1" / "00000003.png"
    Image.new("RGB", (128, 128)).save(file)

    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY]) == 1

    assert "lbo-l1 was trained otherwise: clip shapes-1 was 8 frames, " in capsys.readouterr().err
    assert (pairs_copy / OPERATOR_FILE).read_bytes() == before
    assert main(["lbo", "train", str(pairs_copy), "debug", *TINY, "--renew"]) == 0
    assert (pairs_copy / OPERATOR_FILE).read_bytes() != before


def test_weights_of_another_shape_are_refused(pairs_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-l1", *TINY])

    assert main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-gan", *TINY, "operator.halves=true"]) == 1

    assert "set operator.features and operator.halves as they were for it" in capsys.readouterr().err


def test_no_operator_is_written_after_a_request_to_stop(pairs_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train_half(settings: OperatorConfig, run: Path, **_: object) -> None:
        train_operator(settings.model_copy(update={"steps": 5}), run)

    monkeypatch.setattr(lbo_train, "train_operator", train_half)

    (pairs_copy / OPERATOR_FILE).write_bytes(b"an older one")
    (pairs_copy / folder.EFFECT_FILE).write_bytes(b"that of the older one")
    assert not lbo_train.train_stages(pairs_copy, tiny_config)

    assert sorted(path.name for path in pairs_copy.iterdir()) == ["lbo-l1", "pairs"]
    monkeypatch.undo()
    assert lbo_train.train_stages(pairs_copy, tiny_config)
    assert (pairs_copy / OPERATOR_FILE).is_file()


def test_the_run_of_an_operator_is_no_network(
    pairs_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["lbo", "train", str(pairs_copy), "debug", "--stage", "lbo-l1", *TINY])
    run = str(folder.run(pairs_copy, "lbo-l1"))
    capsys.readouterr()

    assert main(["export", run, "--to", str(tmp_path / "x.safetensors")]) == 1
    assert "is a checkpoint of stage lbo-l1; name a run of vsr-l1" in capsys.readouterr().err
    assert main(["evaluate", run, "--data", str(tmp_path)]) == 1
    assert "is a checkpoint of stage lbo-l1" in capsys.readouterr().err


def test_errors_are_the_trainer_s() -> None:
    assert issubclass(PairError, TrainerError)

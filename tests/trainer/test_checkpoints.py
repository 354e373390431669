"""Checkpoints: whole or not there, the last few kept, nothing run on reading, other settings refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from trainer import checkpoints
from trainer.checkpoints import State
from trainer.errors import CheckpointError
from trainer.settings import changed
from trainer.stages import preset

DEBUG = preset("vsr-l1", "debug")


def state(step: int = 1) -> State:
    return {"step": step, "settings": DEBUG.model_dump_json(), "network": {"a": torch.ones(3)}, "average": {}}


def test_what_was_saved_is_read_and_the_last_few_stay(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9, 11):
        checkpoints.save(tmp_path, step, state(step), keep=2)

    assert [path.name for path in checkpoints.all_of(tmp_path)] == ["checkpoint-00000010.pt", "checkpoint-00000011.pt"]
    read = checkpoints.read(checkpoints.path_of(tmp_path, 11))
    assert (read["step"], read["network"]["a"].tolist()) == (11, [1, 1, 1])


def test_a_disk_that_is_full_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(tmp_path, 1, state(1), keep=1)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match=r"00000002.pt cannot be written \(No space left on device\)"):
        checkpoints.save(tmp_path, 2, state(2), keep=1)

    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]
    assert checkpoints.read(checkpoints.all_of(tmp_path)[0])["step"] == 1


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("it was run",)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"text", pickle.dumps({"step": 1})])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=str(path)):
        checkpoints.read(path)


def test_what_would_run_on_reading_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save({**state(), "more": Hostile()}, path)

    with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
        checkpoints.read(path)
    assert capsys.readouterr().out == ""


def test_a_file_of_weights_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save({"params": {"a": torch.ones(3)}}, path)

    with pytest.raises(CheckpointError, match="is no checkpoint of this trainer"):
        checkpoints.read(path)


def test_every_file_that_is_cut_off_is_seen(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, state(), keep=1)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
            checkpoints.read(path)


def test_a_weight_that_has_changed_on_the_disk_is_seen(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, {**state(), "network": {"a": torch.full((3,), 1.5)}}, keep=1)
    whole = path.read_bytes()
    weight = torch.full((3,), 1.5).numpy().tobytes()
    assert whole.count(weight) == 1
    path.write_bytes(whole.replace(weight, torch.full((3,), 2.5).numpy().tobytes()))

    with pytest.raises(CheckpointError, match="has another checksum"):
        checkpoints.read(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        checkpoints.read(tmp_path / "checkpoint-00000009.pt")


def test_a_run_goes_on_with_other_bookkeeping_and_with_no_other_setting(tmp_path: Path) -> None:
    free = changed(DEBUG, ["steps=99", "workers=3", "records.log=7", "records.keep=1"])
    checkpoints.require_same(tmp_path, state(), free)

    other = changed(DEBUG, ["optimiser.rate=0.5", "degradation.noise.sigma=[0,1]"])
    with pytest.raises(CheckpointError) as refused:
        checkpoints.require_same(tmp_path / "x.pt", state(), other)
    assert (
        "x.pt was trained with optimiser.rate=0.0002, now 0.5; degradation.noise.sigma=(0.0, 10.0), now (0.0, 1.0)"
        in str(refused.value)
    )


def test_settings_of_another_release_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="another release"):
        checkpoints.settings_of(tmp_path, {**state(), "settings": '{"nothing": 1}'})

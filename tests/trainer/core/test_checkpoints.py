"""Checkpoints: written whole, the last few kept, read without running code, refused with other settings."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from trainer.core import checkpoints
from trainer.core.checkpoints import State
from trainer.errors import CheckpointError
from trainer.origin import Origin
from trainer.settings import override
from trainer.vsr.config import VSRConfig, preset

DEBUG = preset("vsr-l1", "debug")


def state(step: int = 1) -> State:
    return {"step": step, "settings": DEBUG.model_dump_json(), "network": {"a": torch.ones(3)}, "ema": {}}


def test_a_checkpoint_is_read_as_saved_and_the_last_few_stay(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9, 11):
        checkpoints.save(tmp_path, step, state(step), keep=2)

    assert [path.name for path in checkpoints.paths_in(tmp_path)] == [
        "checkpoint-00000010.pt",
        "checkpoint-00000011.pt",
    ]
    read = checkpoints.read(checkpoints.path_of(tmp_path, 11))
    assert (read["step"], read["network"]["a"].tolist()) == (11, [1, 1, 1])


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(tmp_path, 1, state(1), keep=1)

    def fail(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CheckpointError, match=r"00000002.pt cannot be written \(No space left on device\)"):
        checkpoints.save(tmp_path, 2, state(2), keep=1)

    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]
    assert checkpoints.read(checkpoints.paths_in(tmp_path)[0])["step"] == 1


class Hostile:
    """An object whose unpickling would print."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("it was run",)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"text", pickle.dumps({"step": 1})])
def test_files_that_are_no_checkpoints_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=str(path)):
        checkpoints.read(path)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save({**state(), "more": Hostile()}, path)

    with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
        checkpoints.read(path)
    assert capsys.readouterr().out == ""


def test_a_weights_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save({"params": {"a": torch.ones(3)}}, path)

    with pytest.raises(CheckpointError, match="is no checkpoint of this trainer"):
        checkpoints.read(path)


def test_a_truncated_file_is_damaged_at_any_length(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, state(), keep=1)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
            checkpoints.read(path)


def test_a_changed_weight_is_detected_by_its_checksum(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, {**state(), "network": {"a": torch.full((3,), 1.5)}}, keep=1)
    whole = path.read_bytes()
    weight = torch.full((3,), 1.5).numpy().tobytes()
    assert whole.count(weight) == 1
    path.write_bytes(whole.replace(weight, torch.full((3,), 2.5).numpy().tobytes()))

    with pytest.raises(CheckpointError, match="has another checksum"):
        checkpoints.read(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        checkpoints.read(tmp_path / "checkpoint-00000009.pt")


SOURCES = {"format": "2", "start": "random", "operators": "2", "operator 1": "ab", "operator 2": "cd", "clip a": "3"}


def change(*assignments: str, sources: Origin = SOURCES, step: int = 1) -> str:
    """Return what differs in a run of DEBUG and SOURCES from these."""
    begun = {**state(step), "sources": SOURCES}
    return checkpoints.describe_change(Path("x.pt"), begun, override(DEBUG, assignments), sources)


def test_a_run_resumes_with_other_records_and_with_no_other_setting() -> None:
    free = ("steps=99", "workers=3", "records.log=7", "records.keep=1", "data=x", "losses.perceptual.weights=y")
    assert change(*free) == ""

    other = change("optimiser.rate=0.5", "degradation.noise.sigma=[0,1]")
    assert other == "optimiser.rate was 0.0002, now 0.5; degradation.noise.sigma was [0, 10], now [0, 1]"


@pytest.mark.parametrize(
    "assignment",
    [
        *("seed=1", "batch=3", "ema=0.5", "precision=bf16", "channels_last=true", "recompute=true"),
        *("network.features=4", "sampling.frames=3", "losses.l1=2", "discriminator.features=2"),
    ],
)
def test_a_setting_that_changes_the_run_is_named(assignment: str) -> None:
    assert change(assignment).startswith(f"{assignment.partition('=')[0]} was ")


def test_a_source_that_differs_is_named() -> None:
    assert change(sources=SOURCES) == ""
    assert change(sources={**SOURCES, "clip a": "4"}) == "clip a was 3, now 4"
    assert change(sources={**SOURCES, "format": "3"}) == "format was 2, now 3"
    without = {name: text for name, text in SOURCES.items() if name != "operator 2"}
    assert change(sources={**without, "operators": "1"}) == "operators was 2, now 1; operator 2 was cd, now nothing"


def test_operators_that_are_not_known_yet_are_taken_for_the_same_but_not_their_number() -> None:
    others = {name: text for name, text in SOURCES.items() if not name.startswith("operator ")}
    assert change(sources=others) == ""
    assert change(sources={**others, "operators": "0"}) == "operators was 2, now 0"


def test_a_start_that_cannot_be_read_any_more_is_known_by_its_name() -> None:
    others = {name: text for name, text in SOURCES.items() if name != "start"}
    assert change(sources=others) == ""
    assert change("start=x", sources=others) == "start was nothing, now x"
    assert change("start=x") == ""  # it has the same content


def test_a_run_with_more_steps_than_asked_for_is_another_run() -> None:
    assert change("steps=7", step=7) == ""
    assert change("steps=6", step=7) == "steps was 7, now 6"


@pytest.mark.parametrize("schedule", ["cosine", "halved"])
def test_more_steps_change_a_run_whose_learning_rate_depends_on_them(schedule: str) -> None:
    begun = override(DEBUG, [f"optimiser.schedule={schedule}"])
    found = {**state(), "settings": begun.model_dump_json(), "sources": SOURCES}

    assert checkpoints.describe_change(Path("x.pt"), found, begun, SOURCES) == ""
    longer = override(begun, ["steps=99"])
    assert checkpoints.describe_change(Path("x.pt"), found, longer, SOURCES) == "steps was 10, now 99"


def test_a_run_of_an_older_release_is_another_run() -> None:
    old = {**state(), "sources": {"clips": {"a": 3}, "vgg": "", "operators": []}}
    assert checkpoints.describe_change(Path("x.pt"), old, DEBUG, SOURCES).startswith("format was nothing, now 2")


def test_settings_of_another_release_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="another release"):
        checkpoints.read_config(tmp_path, {**state(), "settings": '{"nothing": 1}'}, VSRConfig)

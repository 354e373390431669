"""LR frames for other programs: all of them, none of an earlier call, and results are known to be made of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data.toy_clips import write_toy_clips
from trainer.degradation.settings import PRESETS
from trainer.errors import ClipError, TrainerError
from trainer.evaluation.lr import LR_FILE, knows_lr, write_lr
from trainer.evaluation.sets import SetClip, open_set
from trainer.settings import override


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_toy_clips(tmp_path / "set")
    return tmp_path / "set"


def clips_of(folder: Path, *settings: str, frames: int = 2, seed: int = 0) -> Sequence[SetClip]:
    return open_set(folder, frames, override(PRESETS["paper"], settings), seed=seed)


def test_frames_are_those_that_are_measured(folder: Path, tmp_path: Path) -> None:
    clips = clips_of(folder)
    write_lr(tmp_path / "lr", clips)
    for clip in clips:
        for n, frame in enumerate(clip.load().lr.movedim(1, -1).numpy()):
            with Image.open(tmp_path / "lr" / clip.name / f"{n:08}.png") as image:
                assert np.array_equal(np.asarray(image), frame)


def test_after_a_stop_what_is_missing_is_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, lr = clips_of(folder), tmp_path / "lr"
    write_lr(lr, clips)
    lost, kept = lr / "shapes-1" / "00000001.png", lr / "shapes-1" / "00000000.png"
    content, time = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    write_lr(lr, clips)
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == time
    monkeypatch.setattr(SetClip, "load", lambda _: pytest.fail("all is there"))
    write_lr(lr, clips)


def test_frames_of_something_else_are_neither_mixed_in_nor_lost(folder: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    write_lr(lr, clips_of(folder, frames=3))
    before = sorted(lr.rglob("*"))
    for other, difference in (
        (clips_of(folder), "'shapes-0': frames was 3, now 2"),
        (clips_of(folder, frames=3, seed=1), "'shapes-0': draw was 0 0, now 1 0"),
        (clips_of(folder, "noise.sigma=[0,2]", frames=3), "'shapes-0': noise.sigma was"),
        (clips_of(folder, frames=3)[:1], "'shapes-1' is no longer in the set"),
    ):
        with pytest.raises(TrainerError, match="holds something else") as refused:
            write_lr(lr, other)
        assert difference in str(refused.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(TrainerError, match=f"no {LR_FILE}"):
        write_lr(tmp_path / "mine", clips_of(folder))
    assert sorted(lr.rglob("*")) == before


def test_results_of_other_lr_are_refused(folder: Path, tmp_path: Path) -> None:
    clips, results = clips_of(folder), tmp_path / "results"
    results.mkdir()
    assert not knows_lr(results, clips)
    write_lr(tmp_path / "lr", clips)
    shutil.copy(tmp_path / "lr" / LR_FILE, results)
    assert knows_lr(results, clips)
    assert knows_lr(results, clips[:1])
    for other in (clips_of(folder, seed=1), clips_of(folder, frames=3), clips_of(folder, "noise.sigma=[0,2]")):
        with pytest.raises(ClipError, match="is of other LR"):
            knows_lr(results, other)
    Image.new("RGB", (128, 128)).save(folder / "shapes-1" / "00000000.png")
    with pytest.raises(ClipError, match="'shapes-1': clip was"):
        knows_lr(results, clips_of(folder))


def test_hq_beside_lq_makes_no_other_lr(folder: Path, tmp_path: Path) -> None:
    write_lr(tmp_path / "lr", open_set(folder, 2, None))
    pairs = tmp_path / "pairs"
    shutil.copytree(folder, pairs / "lq")
    for picture in folder.glob("*/*.png"):
        place = pairs / "hq" / picture.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (512, 512)).save(place)
    assert knows_lr(tmp_path / "lr", open_set(pairs, 2, None))


@pytest.mark.parametrize("text", ["", "[]", "3", '{"shapes-0": 3}'])
def test_a_damaged_file_is_told(text: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / LR_FILE).write_text(text)
    with pytest.raises(ClipError, match="cannot be read"):
        knows_lr(tmp_path, clips_of(folder))

"""The study of fast students: what is measured, and what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from scripts.studies.fast import __main__ as study
from scripts.studies.fast.judge import DRIFT_FRAMES, DRIFT_PART, KINDS, Scenes, drift, judge, upscale
from tests.scripts.studies.measures import MeanDifference
from trainer.data.clips import find_clips
from trainer.errors import ClipError
from trainer.losses.metrics import MAX_PSNR
from vsanimesr.network.torch_network import AnimeSR


def write_clip(folder: Path, count: int = 6) -> None:
    """Write a clip whose left half stands still."""
    generator = np.random.default_rng(len(folder.name))
    folder.mkdir(parents=True)
    still = generator.integers(0, 255, (96, 128, 3), np.uint8)
    for n in range(count):
        picture = still.copy()
        picture[:, 64:] = np.roll(still[:, 64:], 3 * n, 1)
        Image.fromarray(picture).save(folder / f"{n:08}.png")


def network(seed: int, features: int = 4) -> AnimeSR:
    torch.manual_seed(seed)
    made = AnimeSR(features=features, blocks=(2, 1, 1))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.05)
    return made.eval()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, folder in enumerate((*study.SOURCES[:2], *study.HELD_OUT)):
        for each in range(2):
            write_clip(tmp_path / folder / f"clip{number}-{each}")
    write_clip(tmp_path / study.SOURCES[2])  # in the place of the video
    return tmp_path


def test_marks_are_to_hq_and_to_the_teacher(data: Path) -> None:
    scenes = Scenes(find_clips(data / study.HELD_OUT[0]), frames=4)
    teacher, student = network(1), network(2)

    found = dict(judge({"student": student, "same": teacher}, teacher, scenes, MeanDifference()))

    assert [scene.kind for scene in found] == list(KINDS[:2])
    for scene, marks in found.items():
        assert marks["same"] == marks["teacher"]
        assert marks["teacher"].teacher == MAX_PSNR > marks["student"].teacher
        assert marks["student"].psnr_y != marks["teacher"].psnr_y
        assert scene.lr.shape[-2:] == (24, 32)
        assert marks["teacher"].flicker is not None  # half of it stands still


def test_drift_is_measured_by_parts(data: Path) -> None:
    lr = torch.rand(3, 3, 8, 8)
    teacher = network(1)

    same, other = drift(teacher, teacher, lr), drift(network(2), teacher, lr)

    assert same == [MAX_PSNR] * (DRIFT_FRAMES // DRIFT_PART)
    assert len(other) == len(same)
    assert max(other) < MAX_PSNR
    assert upscale(teacher, lr).shape == (3, 3, 32, 32)


def test_clips_to_learn_on_are_put_together(data: Path, tmp_path: Path) -> None:
    for _ in range(2):  # again: links are kept
        study.link_clips(data, tmp_path / "all")

    assert [clip.name for clip in find_clips(tmp_path / "all")] == [
        *("art-clip1-0", "art-clip1-1", "bigbuckbunny.mp4", "drawn-clip0-0", "drawn-clip0-1")
    ]
    with pytest.raises(ClipError, match=r"nothing.drawn.train is missing; make it first"):
        study.link_clips(tmp_path / "nothing", tmp_path / "none")


def test_the_report_has_all_networks(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    for name, seed, features in (("teacher", 1, 6), ("small", 2, 4)):
        files[name] = str(tmp_path / f"{name}.safetensors")
        save_file({key: value.contiguous() for key, value in network(seed, features).state_dict().items()}, files[name])
    monkeypatch.setattr(study, "TEACHER", files["teacher"])
    monkeypatch.setattr(study, "Lpips", lambda _: MeanDifference())
    monkeypatch.setattr(study, "read_lpips_vgg16", lambda: None)

    assert study.main([files["small"], "--data", str(data), "-o", str(tmp_path / "out")]) == 0

    text = (tmp_path / "out" / "results.md").read_text()
    assert text.count("| small") == 2 + len(KINDS)  # all scenes, each kind, drift
    assert "nan" not in text
    for picture in ("curve.png", "scenes.png"):
        with Image.open(tmp_path / "out" / picture) as found:
            assert found.width > 200

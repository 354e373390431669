"""A run that distils: what is learned, resumed, refused and kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from trainer import cli
from trainer.core import checkpoints
from trainer.core.batch import Batch
from trainer.core.validation import PSNR, TEACHER_PSNR
from trainer.data.clips import find_clips
from trainer.data.toy_clips import write_toy_clips
from trainer.degradation.settings import PRESETS
from trainer.distil import answers
from trainer.distil.samples import MixedClips, TeacherScorer
from trainer.distil.student import FILE, WEIGHTS_FILE, Student
from trainer.distil.teacher import Teacher, TeacherRun
from trainer.distil.train import distil
from trainer.errors import CheckpointError, SettingError
from trainer.settings import override
from trainer.vsr.config import DistilConfig, distil_preset
from trainer.vsr.dataset import DegradedClips
from trainer.vsr.export import export
from trainer.vsr.recurrence import Recurrence, StateRecurrence
from trainer.vsr.weights import load_network
from vsanimesr.network.shapes import SR_CHANNELS
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.weights.load import load_weights

FEATURES = 10
SMALL = (
    *("network.features=4", "network.blocks=[2,1,1]", "network.fusion=12", "distillation.clips=2"),
    *("sampling.frames=3", "sampling.size=64", "sampling.strides=[1]", "batch=1", "workers=0", "memory=0"),
    *("records.preview=0", "records.save=2", "optimiser.schedule=constant", "ema=0"),
)


def write_network(file: Path, seed: int, blocks: tuple[int, int, int] = (2, 1, 1)) -> str:
    """Write the weights of a random network."""
    torch.manual_seed(seed)
    network = AnimeSR(features=FEATURES, blocks=blocks)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.08)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return str(file)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_toy_clips(folder, clips=2)
    return folder


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    return write_network(tmp_path / "teacher.safetensors", 1)


@pytest.fixture
def small(clips: Path, teacher: str) -> Callable[..., DistilConfig]:
    def settings(*assignments: str) -> DistilConfig:
        return override(distil_preset(teacher, "debug"), [*SMALL, f"data={clips}", *assignments])

    return settings


def newest(run: Path) -> checkpoints.State:
    return checkpoints.read_newest(run)


def equal(a: Path, b: Path) -> bool:
    first, second = newest(a)["network"], newest(b)["network"]
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_student_comes_nearer_to_its_teacher(small: Callable[..., DistilConfig], tmp_path: Path) -> None:
    run = tmp_path / "run"

    distil(small("steps=60", "records.save=60", "optimiser.rate=0.003"), run)

    network = load_network(small().teacher)
    scorer = TeacherScorer(small("validation.size=64", "validation.frames=3"), find_clips(Path(small().data)), network)
    scorer.__dict__["_lpips"] = None
    before, after = (
        scorer.score(Recurrence(load_network(str(path))))[TEACHER_PSNR] for path in (run / WEIGHTS_FILE, run)
    )
    assert after > before + 0.5
    assert scorer.score(Recurrence(network))[TEACHER_PSNR] > 60  # the teacher is like itself
    assert scorer.criterion == TEACHER_PSNR
    assert TeacherScorer(small("validation.criterion=psnr_y"), [], network).criterion == PSNR


def test_a_resumed_run_is_the_same_to_the_last_bit(small: Callable[..., DistilConfig], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    distil(small("steps=4"), whole)
    for steps in (1, 4):
        distil(small(f"steps={steps}"), parts)

    assert equal(whole, parts)


def test_the_target_is_the_part_of_the_teachers_state_that_the_student_has(small: Callable[..., DistilConfig]) -> None:
    settings = small()
    network = load_network(settings.teacher)
    kept = (2, 3, 7, 9)
    taught = Teacher(settings, network, Student(kept, (1.0,) * 4, {}, {}, ""))
    lr = torch.rand(1, 3, 3, 16, 16)

    batch = taught.teach(Batch(lr, torch.zeros(1, 3, 3, 64, 64), 0))

    with torch.no_grad():
        states = StateRecurrence(network)(lr)
        frames = Recurrence(network)(lr)
    assert torch.equal(batch.target[:, :, SR_CHANNELS:], states[:, :, [SR_CHANNELS + n for n in kept]])
    assert torch.equal(torch.pixel_shuffle(batch.target[:, :, :SR_CHANNELS].flatten(0, 1), 4), frames.flatten(0, 1))


def test_the_losses_compare_frames_hidden_states_and_features(small: Callable[..., DistilConfig]) -> None:
    seen: list[Tensor] = []

    class Features(torch.nn.Module):
        def forward(self, sr: Tensor, expected: Tensor) -> Tensor:
            seen.append(sr)
            return (sr - expected).abs().mean()

    settings = small("distillation.state=0.5", "losses.perceptual.weight=2", "distillation.perceptual_frames=2")
    taught = Teacher(settings, load_network(settings.teacher), Student((0, 1), (0.5, 2.0), {}, {}, ""))
    objective = taught.objective(Features())  # type: ignore[arg-type]
    target = torch.rand(1, 4, SR_CHANNELS + 2, 8, 8)

    assert not any(objective.generator_losses(target, target, None).values())
    output = target.clone()
    output[:, :, SR_CHANNELS] += 0.1  # a fifth of its deviation
    output[:, :, SR_CHANNELS + 1] += 0.6  # three tenths
    losses = objective.generator_losses(output, target, None)
    assert losses["state"].item() == pytest.approx(0.5 * (0.2 + 0.3) / 2, rel=1e-3)
    assert losses["l1"] == losses["perceptual"] == 0
    output = target.clone()
    output[:, 3, :SR_CHANNELS] += 0.1
    losses = objective.generator_losses(output, target, None)
    assert losses["l1"].item() == pytest.approx(0.1 / 4, rel=1e-3)
    assert losses["perceptual"].item() == pytest.approx(2 * 0.1 / 2, rel=1e-3)  # of two frames, one is the last
    assert losses["state"] == 0
    assert seen[0].shape == (2, 3, 32, 32)


def test_samples_are_degraded_in_all_ways(small: Callable[..., DistilConfig]) -> None:
    settings = small()
    found = find_clips(Path(settings.data))
    mixed = MixedClips(found, settings)

    kinds = {"own": settings.degradation, **{name: PRESETS[name] for name in ("release", "dvd", "clean")}}
    singles = {name: DegradedClips(found, settings.sampling, kind, settings.seed) for name, kind in kinds.items()}
    seen = set()
    for index in range(12):
        sample = mixed[0, index]
        same = [name for name, each in singles.items() if torch.equal(each[0, index].input, sample.input)]
        assert len(same) == 1
        seen.add(same[0])
    assert seen == set(kinds)
    only = MixedClips(found, small(*(f"distillation.mix.{name}=0" for name in ("own", "release", "clean"))))
    assert torch.equal(only[0, 5].input, singles["dvd"][0, 5].input)


def test_another_teacher_is_refused_or_learned_anew(
    small: Callable[..., DistilConfig], teacher: str, tmp_path: Path
) -> None:
    run, fresh = tmp_path / "run", tmp_path / "fresh"
    distil(small("steps=1"), run)
    before = (run / FILE).read_bytes()
    write_network(Path(teacher), 2)

    with pytest.raises(CheckpointError, match=r"trained otherwise: teacher's weights .*--renew"):
        distil(small("steps=1"), run)
    assert (run / FILE).read_bytes() == before  # nothing is lost
    distil(small("steps=1"), run, renew=True)
    distil(small("steps=1"), fresh)

    assert equal(run, fresh)
    assert (run / FILE).read_bytes() == (fresh / FILE).read_bytes() != before


def test_a_teacher_may_move(small: Callable[..., DistilConfig], teacher: str, tmp_path: Path) -> None:
    distil(small("steps=1"), tmp_path / "run")
    moved = Path(teacher).rename(tmp_path / "moved.safetensors")

    distil(small("steps=2", f"teacher={moved}"), tmp_path / "run")

    assert newest(tmp_path / "run")["step"] == 2


@pytest.mark.parametrize("damage", [f"half of {FILE}", f"half of {WEIGHTS_FILE}", "another weight"])
def test_a_damaged_cut_is_made_again(damage: str, small: Callable[..., DistilConfig], tmp_path: Path) -> None:
    run = tmp_path / "run"
    distil(small("steps=1"), run)
    file = run / (FILE if damage.endswith(FILE) else WEIGHTS_FILE)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if "half" in damage else whole[:-1] + bytes([whole[-1] ^ 1]))

    distil(small("steps=2"), run)

    assert file.read_bytes() == whole
    assert newest(run)["step"] == 2


def test_a_run_may_start_from_a_student_or_any_weights(small: Callable[..., DistilConfig], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    distil(small("steps=2"), first)
    export(first, tmp_path / "student.safetensors")

    distil(small("steps=1", "seed=3", f"start={first}"), second)
    distil(small("steps=1", "seed=3", f"start={tmp_path / 'student.safetensors'}"), tmp_path / "third")

    assert (second / WEIGHTS_FILE).read_bytes() != (first / WEIGHTS_FILE).read_bytes()
    begun, learned = load_weights(str(second / WEIGHTS_FILE)), load_weights(str(tmp_path / "student.safetensors"))
    assert all(np.array_equal(begun[name], learned[name]) for name in learned)
    assert equal(second, tmp_path / "third")
    with pytest.raises(CheckpointError, match=r"trained otherwise: weights it starts from"):
        distil(small("steps=1", "seed=3", f"start={second}"), tmp_path / "third")
    with pytest.raises(CheckpointError, match=r"is of another network"):
        distil(small("steps=1", "network.features=3", f"start={first}"), tmp_path / "fourth")


def answer_files(cache: Path) -> dict[str, int]:
    """The files of answers with the times at which they were written."""
    return {str(path): path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(answers, "folder", lambda: folder)
    monkeypatch.setattr(answers, "BLOCK", 2)
    return folder


def test_answers_are_the_teachers(small: Callable[..., DistilConfig], cache: Path) -> None:
    settings = small("distillation.kept=5")
    network = load_network(settings.teacher)
    samples = MixedClips(find_clips(Path(settings.data)), settings)
    kept = (1, 4, 8)

    answered = answers.Answers(samples, TeacherRun(settings, network), {"of": "test"}, 0).open(5, kept)

    assert len(answered) == 5
    assert len(answer_files(cache)) == 3
    inputs = [samples[0, index].input for index in range(len(samples))]
    taught_as = Student(kept, (1.0,) * 3, {}, {}, "")
    taught = Teacher(small(), network, taught_as)
    seen = set()
    for number in range(5):
        sample = answered.at_step((7, number), 3)
        seen |= {index for index, each in enumerate(inputs) if torch.equal(each, sample.input)}
        expected = taught.teach(Batch(sample.input[None], torch.zeros(1), 0)).target[0]
        assert torch.allclose(sample.target.float(), expected, atol=2e-3)
        batch = Batch(sample.input[None], sample.target[None], 0).to(torch.device("cpu"))
        assert torch.equal(Teacher(settings, network, taught_as).teach(batch).target[0], sample.target.float())
        picture = answered[7, number].target
        frames = torch.pixel_shuffle(expected[:, :SR_CHANNELS], 4).clamp(0, 1)
        assert (picture.float() / 255 - frames).abs().max() < 5e-3
    assert len(seen) == 5


def test_the_teacher_runs_in_the_precision_of_the_training(small: Callable[..., DistilConfig]) -> None:
    lr = torch.rand(1, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    exact, coarse = (
        TeacherRun(settings, load_network(settings.teacher))(lr)
        for settings in (small(), small("precision=bf16", "channels_last=true"))
    )

    assert exact.dtype == coarse.dtype == torch.float32
    assert 1e-4 < (exact - coarse).abs().mean() / exact.abs().mean() < 0.05


def test_answers_are_used_again_by_what_they_are_made_of(
    small: Callable[..., DistilConfig], cache: Path, tmp_path: Path
) -> None:
    kept = "distillation.kept=4"
    distil(small("steps=1", kept), tmp_path / "run")
    before = answer_files(cache)
    assert len(before) == 2

    distil(small("steps=1", kept, "network.features=3", "optimiser.rate=0.001"), tmp_path / "smaller")
    assert answer_files(cache) == before
    distil(small("steps=1", "distillation.kept=6"), tmp_path / "more")
    assert answer_files(cache).items() > before.items()

    for number, change in enumerate(("seed=1", "sampling.reverse=false", "distillation.mix.dvd=0", "precision=bf16")):
        count = len(answer_files(cache))
        distil(small("steps=1", kept, change), tmp_path / f"other{number}")
        assert len(answer_files(cache)) == count + 2


def test_damaged_answers_are_computed_again(small: Callable[..., DistilConfig], cache: Path, tmp_path: Path) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    distil(small("steps=3", "distillation.kept=4"), whole)
    first, second = (Path(name) for name in answer_files(cache))
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(data)
    second.unlink()

    distil(small("steps=3", "distillation.kept=4"), run)

    assert equal(run, whole)
    assert len(answer_files(cache)) == 2
    distil(small("steps=2", "distillation.kept=4", "seed=9"), run, renew=True)  # a run that had finished
    assert newest(run)["step"] == 2


def test_a_full_disk_is_told_before_the_teacher_answers(
    small: Callable[..., DistilConfig], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))

    with pytest.raises(CheckpointError, match=r"1\.0 kB are free, and .* needed\).*set less for distillation\.kept"):
        distil(small("steps=1", "distillation.kept=4"), tmp_path / "run")
    assert not answer_files(cache)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["teacher="], r"teacher is not set; .* for example v2"),
        (["teacher=nothing"], r"'nothing'"),
        (["network.features=11", "network.fusion=12"], r"network\.features=11 is more than the 10 of the teacher"),
        (["network.fusion=117"], r"network\.fusion=117 is more than the 116 of the teacher .*set 116 or less"),
        (["network.blocks=[3,1,1]"], r"network\.blocks=\[3, 1, 1\] are not .*set network\.blocks=\[2,1,1\]"),
        (["network.multi_scale=false"], r"set network\.multi_scale=true"),
        (["losses.gan=1", "sampling.size=96"], r"set losses\.gan=0"),
        (["data="], r"data is not set"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_is_written(
    assignments: list[str], message: str, small: Callable[..., DistilConfig], tmp_path: Path
) -> None:
    with pytest.raises((SettingError, CheckpointError), match=message):
        distil(small(*assignments), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_of_another_architecture_are_no_teacher(small: Callable[..., DistilConfig], tmp_path: Path) -> None:
    save_file({"body.0.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")

    with pytest.raises(CheckpointError, match=r"holds weights of another network"):
        distil(small(f"teacher={tmp_path / 'other.safetensors'}"), tmp_path / "run")


def test_the_command_trains_and_its_student_is_exported(clips: Path, teacher: str, tmp_path: Path) -> None:
    run, file = tmp_path / "run", tmp_path / "student.safetensors"

    assert cli.main(["distil", teacher, "debug", *SMALL, f"data={clips}", "steps=1", "-o", str(run)]) == 0
    export(run, file)

    weights = load_weights(str(file))
    assert weights["recurrent_cell.fusion.0.weight"].shape == (12, 12, 3, 3)
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["stage"], settings["teacher"]) == ("distil", teacher)
    assert "teacher's weights" in json.loads((run / FILE).read_text())["origin"]

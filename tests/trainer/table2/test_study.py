"""The command: real trainings of two steps, from inputs to a table; stops, refusals, and what differs between rows."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import trainer.table2.inputs
from tests.trainer.lbo.networks import save_debug_network
from tests.trainer.losses.features import random_tensors
from trainer.cli import main
from trainer.core import checkpoints
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.errors import PairError
from trainer.lbo.effect import read_effect
from trainer.lbo.factor import read_choice
from trainer.origin import read_origin
from trainer.table2 import scores, study
from trainer.table2.inputs import Inputs
from trainer.table2.rows import Variant

CHEAP = ("psnr_y",)
QUICK = [
    *("--steps", "2", "--preset", "debug", "--count", "2", "--factor", "0.5", "--frames", "2", "lbo.size=64"),
    *("sampling.size=64", "sampling.frames=2", "discriminator.layers=[1]", "lbo.discriminator.layers=[1]"),
]
SETTINGS = "settings.json"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, vgg: None) -> None:
    monkeypatch.setattr(study, "TRIAL", 0.01)
    monkeypatch.setattr(scores, "MEASURED", CHEAP)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets of HQ, two episodes, and a set with HQ and LQ."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, seed in (("hq", 0), ("other", 3), ("set/hq", 9)):
        write_toy_clips(folder / name, seed=seed)
    for number in (1, 2):
        write_toy_episode(folder / f"old{number}", seed=number)
    for picture in (folder / "set" / "hq").rglob("*.png"):
        small = folder / "set" / "lq" / picture.relative_to(folder / "set" / "hq")
        small.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            image.reduce(4).save(small)
    return folder


def command(inputs: Path, out: Path, *more: str, episodes: int = 2) -> list[str]:
    """Return the command line of a table."""
    olds = [str(inputs / f"old{number}") for number in range(1, episodes + 1)]
    given = ["--data", str(inputs / "hq"), "--scored", str(inputs / "set"), "-o", str(out), "--seeds", "1"]
    return ["table2", *olds, *given, *QUICK, *more]


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory, vgg: None) -> Path:
    """The folder of a finished table."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study, "TRIAL", 0.01)
        patched.setattr(scores, "MEASURED", CHEAP)
        assert main(command(inputs, out, "--other", str(inputs / "other"))) == 0
    return out


def read_settings(whole: Path, run: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((whole / "runs" / run / SETTINGS).read_text())
    return settings


def test_the_runs_differ_in_nothing_but_what_is_compared(whole: Path, inputs: Path) -> None:
    runs = whole / "runs"
    for suffix, stage in (("-l1", "vsr-l1"), ("", "vsr-final")):
        one = read_settings(whole, f"lbo-1{suffix}-0")
        assert one["stage"] == stage
        assert one["lbo_pool"] == [str(runs / "operator-1-0")]
        assert one["start"] == ("random" if suffix else str(runs / "lbo-1-l1-0"))
        differences = {
            "lbo-2": {"lbo_pool"},
            "pool": {"lbo_pool"},
            "other-set": {"data"},
            "single-scale": {"network"},
            "basic": {"lbo_pool", "degradation"} | (set() if suffix else {"stage"}),
            "nn-only": {"lbo_pool", "degradation"},
        }
        for name, expected in differences.items():
            other = read_settings(whole, f"{name}{suffix}-0")
            found = {key for key in one if key != "start" and other[key] != one[key]}
            assert found == expected, name
            assert other["start"] == ("random" if suffix else str(runs / f"{name}-l1-0"))
    assert read_settings(whole, "pool-0")["lbo_pool"] == [str(runs / f"operator-{number}-0") for number in (1, 2)]
    assert read_settings(whole, "other-set-0")["data"] == str(inputs / "other")
    assert read_settings(whole, "single-scale-0")["network"]["multi_scale"] is False
    assert read_settings(whole, "basic-0")["degradation"]["down"]["lbo"] == 0
    counts = {name: checkpoints.read_newest(runs / name)["sources"]["operators"] for name in ("basic-0", "nn-only-0")}
    assert counts == {"basic-0": "0", "nn-only-0": "1"}
    choice = read_choice(runs / "operator-1-0")
    assert choice
    assert choice.model == str(runs / "basic-0")  # pseudo-HQ is of the network with basic operators, as in the paper


def test_a_finished_table_is_printed_again_and_nothing_is_made(
    whole: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*.pt")}
    text = (whole / "results.md").read_text()
    again = command(inputs, whole, "--other", str(inputs / "other"))
    capsys.readouterr()

    assert main([*again, "--minutes", "0.001"]) == 0
    assert capsys.readouterr().out == text
    assert main([*again, "--dry-run"]) == 0
    assert "0 jobs of 25 left" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in whole.rglob("*.pt")}
    assert "25 of 25 jobs are done, for 1 seed" in text
    assert text.count("| 1 |") >= 11 + 8  # rows, and orders


def test_a_table_may_be_moved_and_get_seeds_and_lose_an_ablation(
    whole: Path, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(whole, tmp_path / "moved")

    assert main(command(inputs, moved, "--seeds", "2", "--minutes", "0.001")) == 0
    found = capsys.readouterr()
    assert "(--other)" in found.out
    assert "22 of 43 jobs are done, for 2 seeds" in found.out
    assert "start the same command again" in found.err


def test_what_changed_has_to_be_made_again_with_all_that_follows(
    whole: Path, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = shutil.copytree(whole, tmp_path / "changed")
    (changed / "runs" / "basic-0" / "checkpoint-00000002.pt").unlink()
    (changed / "scores" / "lbo-2-0.json").write_text("{}")

    def left() -> list[str]:
        assert main([*command(inputs, changed, "--other", str(inputs / "other")), "--dry-run"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.split("|")[1].strip() for line in lines if "| about" in line]

    operators = ["operator-1-0 pairs and training", "operator-2-0 pairs and training"]
    assert left() == ["basic-0 training", "basic-0 score", *operators, "lbo-2-0 score"]
    file = changed / "runs" / "operator-1-0" / "operator.safetensors"
    file.write_bytes((changed / "runs" / "operator-2-0" / "operator.safetensors").read_bytes())
    names = ("lbo-1", "pool", "other-set", "single-scale")
    assert {f"{name}{part}-0 training" for name in names for part in ("-l1", "")} <= set(left())


PROGRAM = f"""
import sys
from trainer.cli import main
from trainer.table2 import nn_only, scores, study
study.TRIAL, scores.MEASURED = 0.01, {CHEAP}
sys.exit(main(sys.argv[1:]))
"""


def kill_when(appears: Path, arguments: Sequence[str]) -> None:
    """Run the command in a process, and kill it when a file is there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment)
    try:
        while not appears.exists():
            assert process.poll() is None, f"it ended before {appears}"
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_anywhere_it_goes_on_and_gives_the_same_table(whole: Path, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = command(inputs, out, "--other", str(inputs / "other"))
    runs = out / "runs"
    for place in (
        runs / "operator-2-0" / "lbo-gan" / "checkpoint-00000001.pt",
        runs / "nn-only-network-0" / "checkpoint-00000001.pt",
    ):
        kill_when(place, arguments)

    assert main(arguments) == 0
    for name in ("results.md", "results.csv", "orders.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_table_from_a_network_has_one_stage_and_trains_both_scales_from_random_weights(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_debug_network(tmp_path / "model.safetensors")
    arguments = command(inputs, tmp_path / "out", "--start", model, "--seeds", "2", "--dry-run", episodes=1)
    assert main(arguments) == 0
    jobs = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]

    own = [f"{name}-0 training" for name in ("basic", "lbo-1", "nn-only-network", "nn-only")]
    own += [f"{name}{part}-0 training" for name in ("single-scale", "multi-scale") for part in ("-l1", "")]
    assert [name for name in jobs if "-0 training" in name] == own
    assert {"bicubic-0 score", "start-0 score", "multi-scale-1 score"} <= set(jobs)
    assert not list((tmp_path / "out").rglob("*.pt"))

    made = Inputs([inputs / "old1"], inputs / "hq", tmp_path / "out", start=model, preset="debug")
    ((settings, _),) = made.stages(Variant("lbo-1", (1,)), 3)
    assert (settings.start, settings.seed) == (model, 3)
    assert [each.start for each, _ in made.stages(Variant("single-scale", (1,), from_random=True), 3)] == [
        "random",
        str(tmp_path / "out" / "runs" / "single-scale-l1-3"),
    ]


def test_a_small_budget_has_the_settings_of_short_runs_and_the_papers_has_the_papers(inputs: Path) -> None:
    def last(steps: int, *assignments: str) -> Any:
        made = Inputs([inputs / "old1"], inputs / "hq", inputs, steps=steps, assignments=assignments)
        return made.stages(Variant("lbo-1", (1,)), 0)[-1][0], made.operator_settings("lbo-gan", 0)

    (paper, operator), (short, narrow) = last(300_000), last(600)
    assert (paper.ema, paper.optimiser.schedule, paper.losses.gan, operator.steps) == (0.999, "constant", 1, 100_000)
    assert (short.optimiser.schedule, narrow.optimiser.schedule, narrow.steps) == ("cosine", "cosine", 3000)
    assert short.ema < 0.99
    assert max(short.losses.gan, narrow.losses.gan) < 1
    assert last(600, "ema=0.5", "lbo.steps=7")[0].ema == 0.5
    assert last(600, "ema=0.5", "lbo.steps=7")[1].steps == 7


def test_the_stage_by_l1_may_have_steps_of_its_own(inputs: Path, tmp_path: Path) -> None:
    def stages(l1_steps: int | None = None) -> list[Any]:
        made = Inputs([inputs / "old1"], inputs / "hq", tmp_path, steps=600, l1_steps=l1_steps)
        return [settings for settings, _ in made.stages(Variant("basic"), 0)]

    (same, _), (l1, final) = stages(), stages(l1_steps=30_000)
    assert (same.steps, l1.steps, final.steps) == (600, 30_000, 600)
    assert (same.optimiser.schedule, l1.optimiser.schedule, final.optimiser.schedule) == (
        "cosine",
        "constant",
        "cosine",
    )
    assert (l1.ema, l1.records.save) == (0.999, 3000)
    assert final.ema < 0.99


def test_operators_and_nn_only_may_have_steps_of_their_own(inputs: Path, tmp_path: Path) -> None:
    def steps(all_steps: int, own: int | None, preset: str = "paper") -> tuple[int, ...]:
        episodes = [inputs / "old1"]
        made = Inputs(episodes, inputs / "hq", tmp_path, steps=all_steps, own_operator_steps=own, preset=preset)
        stages = [settings for settings, _ in made.stages(Variant("lbo-1", (1,)), 0)]
        operators = [made.operator_settings(stage, 0) for stage in ("lbo-l1", "lbo-gan")]
        return (made.operator_steps, *(each.steps for each in [*operators, *stages]))

    assert steps(30_000, None) == (10_000, 10_000, 10_000, 30_000, 30_000)
    assert steps(600, None) == (3000, 3000, 3000, 600, 600)  # fewer teach an operator nothing
    assert steps(600, 900) == (900, 900, 900, 600, 600)
    assert steps(600, None, "debug") == (200, 200, 200, 600, 600)


def test_the_table_names_operators_that_have_not_learned_their_episode(whole: Path) -> None:
    worse = {run.name for run in (whole / "runs").glob("operator-*") if (found := read_effect(run)) and found.is_worse}
    assert worse  # after two steps
    (note,) = [line for line in (whole / "results.md").read_text().splitlines() if "Not learned" in line]
    assert {name for name in ("operator-1-0", "operator-2-0") if name in note} == worse


def test_pseudo_hq_has_the_colours_that_are_asked_for(
    whole: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {read_origin(each / "pairs")["colour"] for each in (whole / "runs").glob("operator-?-?")} == {"source"}
    asked: list[str] = []

    def note(*_: object, colour: str, **__: object) -> None:
        asked.append(colour)
        raise PairError("enough is seen")

    monkeypatch.setattr(study, "make_pairs", note)
    start = save_debug_network(tmp_path / "start.safetensors")
    options = "--start", start, "--pseudo-hq-colour", "network"
    assert main(command(inputs, tmp_path / "out", *options)) == 1
    assert asked == ["network"]


def test_with_other_colours_operators_are_made_again(
    whole: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--pseudo-hq-colour", "network", "--renew", "--dry-run"
    assert main(command(inputs, whole, "--other", str(inputs / "other"), *options)) == 0
    plan = dict(re.findall(r"^\| (\S+) .*\| (.*) \|$", capsys.readouterr().out, re.MULTILINE))
    assert plan["basic-0"] == plan["nn-only-0"] == "done"
    assert "done" not in {plan["operator-1-0"], plan["operator-2-0"]}


def test_all_compare_features_of_one_vgg_also_when_another_can_be_had_later(
    whole: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vgg(folder: Path, *assignments: str, renew: bool = False) -> tuple[str, str]:
        made = Inputs([inputs / "old1"], inputs / "hq", folder, assignments=assignments, renew=renew)
        return made.vgg, made.operator_settings("lbo-gan", 0).losses.perceptual.weights

    begun = vgg(tmp_path)[0]
    assert begun in {"torchvision", "lpips-vgg16"}
    for run in (whole / "runs").glob("*/" + SETTINGS):
        weights = json.loads(run.read_text())["losses"]["perceptual"]["weights"]
        assert weights == ("auto" if "-l1-" in run.parent.name else begun), run  # by L1, none is read

    later = "lpips-vgg16" if begun == "torchvision" else "torchvision"
    monkeypatch.setattr(trainer.table2.inputs, "resolve_vgg", lambda weights: later if weights == "auto" else weights)
    assert vgg(whole) == (begun, begun)
    assert vgg(tmp_path) == vgg(whole, renew=True) == (later, later)
    name = "losses.perceptual.weights"
    assert vgg(whole, f"{name}=own.pth") == ("own.pth", "own.pth")
    assert vgg(whole, f"lbo.{name}=own.pth") == (begun, "own.pth")


@pytest.mark.parametrize("what", ["VGG", "start", "data", "other", "episode 2"])
def test_other_content_at_the_same_place_is_another_table(
    what: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = shutil.copytree(inputs, tmp_path / "inputs")
    files = {"VGG": tmp_path / "own.safetensors", "start": tmp_path / "start.safetensors"}
    folders = {"data": "hq", "other": "other", "episode 2": "old2"}
    save_file(random_tensors(16, 1), files["VGG"])
    save_debug_network(files["start"])
    options = [f"losses.perceptual.weights={files['VGG']}", "--start", str(files["start"]), "--minutes", "0.001"]
    arguments = command(given, tmp_path / "out", *options, "--other", str(given / "other"))
    assert main(arguments) == 0
    assert main(arguments) == 0
    capsys.readouterr()

    if what in files:
        tensors = load_file(files[what])
        name = next(iter(tensors))
        save_file({**tensors, name: tensors[name] + 0.01}, files[what])
    else:
        picture = sorted((given / folders[what]).rglob("*.png"))[-1]
        with Image.open(picture) as image:
            image.transpose(Image.Transpose.ROTATE_180).save(picture)
    assert main(arguments) == 1
    assert f"({what} was" in capsys.readouterr().err


def test_ctrl_c_while_jobs_are_timed_ends_the_command(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed = []

    def interrupt(*_: object) -> float:
        timed.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "time_stage", interrupt)
    assert main(command(inputs, tmp_path / "out")) == 130
    assert timed == [1]


def test_damaged_records_are_made_anew(whole: Path, inputs: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(whole, tmp_path / "damaged")
    kept = {path: path.stat().st_mtime_ns for path in damaged.rglob("checkpoint-*.pt")}
    for name in ("done.json", "times.json"):
        (damaged / name).write_bytes((damaged / name).read_bytes()[:-9])
    assert main(command(inputs, damaged, "--other", str(inputs / "other"))) == 0
    for name in ("results.md", "results.csv", "orders.csv"):
        assert (damaged / name).read_bytes() == (whole / name).read_bytes()
    assert kept == {path: path.stat().st_mtime_ns for path in damaged.rglob("checkpoint-*.pt")}


def test_a_file_in_place_of_the_folder_is_refused(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").touch()
    assert main(command(inputs, tmp_path / "out")) == 1
    assert f"-o {tmp_path / 'out'} is a file" in capsys.readouterr().err
    assert main(command(inputs, tmp_path / "out" / "deep")) == 1
    assert f"-o {tmp_path / 'out' / 'deep'}: Not a directory; use another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "0"], "--steps 0"),
        (["--l1-steps", "0"], "--l1-steps 0"),
        (["--operator-steps", "0"], "--operator-steps 0"),
        (["--count", "0"], "--count 0"),
        (["--seeds", "0"], "--seeds 0"),
        (["--minutes", "0"], "--minutes 0"),
        (["--frames", "0"], "--frames 0"),
        (["--factor", "7"], "7"),
        (["--other", "nowhere"], "nowhere"),
        (["--scored", "nowhere"], "nowhere"),
        (["--start", "nowhere.pt"], "nowhere.pt"),
        (["steps=5"], "steps=5 is decided by --steps"),
        (["network.multi_scale=false"], "network.multi_scale=false is decided by"),
        (["lbo.seed=3"], "lbo.seed=3 is decided by --seeds"),
        (["lbo.operator.halves=true"], "lbo.operator.halves=true do not fit"),
        (["lbo.size=4096"], "lbo.size=4096"),
        (["sampling.size=512"], "512"),
        (["nonsense=1"], "nonsense"),
    ],
    ids=str,
)
def test_a_wrong_input_is_refused_before_anything_is_made(
    more: list[str], message: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(inputs, tmp_path / "out", *more)) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_table_is_refused_with_the_difference(
    whole: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, difference in (
        (["ema=0.7"], "ema"),
        (["--count", "3"], "count"),
        (["lbo.steps=3"], "lbo-l1 steps was 1, now 3"),
        (["--pseudo-hq-colour", "network"], "colour was source, now network"),
    ):
        assert main(command(inputs, whole, *more)) == 1
        assert difference in (error := capsys.readouterr().err)
        assert "--renew" in error
    assert main(command(inputs, whole, episodes=1)) == 1
    assert "episode 2" in capsys.readouterr().err

"""Recipes: what they train, what they keep, names of folders, and faults that are found at the start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trainer.lbo.networks import save_debug_network
from trainer import recipe
from trainer.advice import estimates
from trainer.cli import main
from trainer.core import checkpoints
from trainer.core.start import describe_start
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.errors import SettingError
from trainer.lbo.config import OperatorConfig
from trainer.lbo.folder import PATCHES_FILE
from trainer.origin import digest_tensors, read_origin
from trainer.report.page import Result
from trainer.vsr.config import VSRConfig
from trainer.vsr.train import check
from trainer.vsr.weights import load_network

STAGES = ("vsr-l1", "vsr-final")


@pytest.mark.parametrize(("data", "folder"), [("2024", "out"), ("clips", "runs/a,b"), ("[1,2]", "[out]")])
def test_folders_keep_their_names(
    data: str, folder: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_clips(tmp_path / data)
    write_toy_clips(tmp_path / "episodes", clips=1)
    monkeypatch.chdir(tmp_path)
    checked: list[VSRConfig] = []
    pairs: list[Path] = []

    def note_settings(settings: VSRConfig, run: Path, **_: object) -> None:
        check(settings, run)
        checked.append(settings)

    monkeypatch.setattr(recipe, "check", note_settings)
    monkeypatch.setattr(recipe, "make_pairs", lambda _episode, path, **_: pairs.append(path))
    monkeypatch.setattr(recipe, "train_stages", lambda *_, **__: False)  # as after a request to stop
    command = ["recipe", "episodes/shapes-0", "--data", data, "-o", folder, "--preset", "debug", "--model", model]
    command += ["--no-estimate", "steps=3", "lbo.size=64"]

    assert main(command) == 0

    (settings,) = checked
    assert (settings.data, settings.steps) == (data, 3)
    assert settings.lbo_pool == (str(Path(folder) / "lbo1"),)
    assert pairs == [Path(folder) / "lbo1"]


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "TRIAL", 0.5)


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("episode") / "old"
    write_toy_episode(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_debug_network(tmp_path_factory.mktemp("model") / "debug.safetensors")


def test_a_recipe_trains_a_network_and_resumes(
    episode: Path,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    write_toy_clips(tmp_path / "hq")
    other, out = Path(shutil.copytree(episode, tmp_path / "other")), tmp_path / "out"
    command = ["recipe", str(episode), str(other), "-o", str(out), "--data", str(tmp_path / "hq"), "--preset", "debug"]
    command += ["--model", model, "--count", "2", "lbo.size=64", "lbo.records.preview=0", "records.preview=0"]
    command += ["lbo.steps=2", "sampling.size=64", "sampling.frames=2", "discriminator.layers=[1]"]

    assert main([*command, "steps=2"]) == 0
    printed, told = capsys.readouterr().out, caplog.text
    first = (out / "model.safetensors").read_bytes()
    before = {file: file.stat().st_mtime_ns for file in out.glob("lbo?/**/*.png") if file.name != PATCHES_FILE}
    assert "vsr-final: about" in told
    assert told.index("all of it: about") < told.index(": pairs of")
    assert main([*command, "--no-estimate", "steps=4"]) == 0

    assert before == {file: file.stat().st_mtime_ns for file in before}
    assert len(before) > 2 * 2 * 2 * 10
    assert first != (out / "model.safetensors").read_bytes()
    assert printed.splitlines() == [
        "import vapoursynth as vs",
        "core = vs.core",
        f"clip = core.bs.VideoSource({str(episode)!r})",
        f"core.animesr.Upscale(clip, model={str(out / 'model.safetensors')!r}).set_output()",
    ]
    settings = json.loads((out / "vsr-final" / "settings.json").read_text())
    assert settings["lbo_pool"] == [str(out / "lbo1"), str(out / "lbo2")]
    assert settings["start"] == model
    assert {name.name for name in out.iterdir()} == {"lbo1", "lbo2", "vsr-final", "model.safetensors", "report.html"}
    assert read_origin(out / "lbo1" / "pairs")["colour"] == "source"
    assert main([*command, "--no-estimate", "--pseudo-hq-colour", "network", "steps=4"]) == 1
    assert "was trained on other pairs: colour was source, now network" in capsys.readouterr().err

    import vapoursynth as vs

    clip = vs.core.std.BlankClip(width=24, height=16, format=vs.RGBS, length=2)
    frame = vs.core.animesr.Upscale(clip, model=str(out / "model.safetensors")).get_frame(1)
    assert (frame.width, frame.height) == (96, 64)


@pytest.fixture
def two_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the preset `debug` the two stages of `paper`."""
    monkeypatch.setattr(recipe, "TWO_STAGES", {"debug"})
    monkeypatch.setattr("trainer.cli.recipe.TWO_STAGES", {"debug"})


SCORED = ("validation.every=1", "validation.windows=1", "validation.frames=2", "validation.size=64")


@pytest.mark.usefixtures("two_stages")
def test_the_paper_trains_the_network_in_two_stages_from_random_weights(
    episode: Path,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_toy_clips(tmp_path / "hq")
    shown: list[Result] = []
    monkeypatch.setattr(recipe, "write_report", lambda _, result: shown.append(result))
    out = tmp_path / "out"
    command = ["recipe", str(episode), "-o", str(out), "--data", str(tmp_path / "hq"), "--preset", "debug"]
    command += [
        "--pseudo-hq-model",
        model,
        "--pseudo-hq-colour",
        "network",
        "--count",
        "1",
        "--factor",
        "0.5",
        "lbo.steps=1",
        "lbo.size=64",
    ]
    command += [
        "sampling.size=64",
        "sampling.frames=2",
        "discriminator.layers=[1]",
        *SCORED,
        "losses.gan=0.5",
        "steps=2",
    ]
    still = "l1.optimiser.rate=1e-30"  # so the first stage ends early

    assert main([*command, still, "l1.validation.patience=1"]) == 0

    first, last = (VSRConfig.model_validate_json((out / stage / "settings.json").read_text()) for stage in STAGES)
    assert (first.start, first.losses.gan, first.steps, first.optimiser.rate) == ("random", 0, 2, 1e-30)
    assert (last.start, last.losses.gan, last.steps) == (str(out / "vsr-l1"), 0.5, 2)
    assert first.lbo_pool == last.lbo_pool == (str(out / "lbo1"),)
    assert first.degradation == last.degradation
    assert first.degradation.down.lbo == 1
    assert checkpoints.read_newest(out / "vsr-l1")["step"] == 1
    assert read_origin(out / "vsr-final")["start"] == describe_start(str(out / "vsr-l1"))
    network, origin = load_network(model), read_origin(out / "lbo1" / "pairs")
    assert (origin["model"], origin["colour"]) == (digest_tensors(network.state_dict()), "network")
    assert [run.name for run in shown[0].runs] == ["vsr-l1", "vsr-final"]
    assert list(shown[0].models) == ["debug", "new model"]

    times = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint*")}
    assert main([*command, still, "l1.validation.patience=1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint*")} == times
    assert main([*command, still, "l1.validation.patience=2"]) == 1
    assert "vsr-l1 was trained otherwise: validation.patience was 1, now 2" in capsys.readouterr().err
    shutil.rmtree(out / "vsr-l1")
    assert main([*command, still, "l1.validation.patience=1"]) == 1
    assert "vsr-final was trained from" in capsys.readouterr().err


def test_the_paper_preset_has_two_stages_and_the_others_one(tmp_path: Path) -> None:
    def stages(preset: str, *assignments: str) -> dict[str, VSRConfig]:
        given = recipe.Recipe([], "hq", tmp_path, "v2", preset, start="random")
        return {run.name: settings for settings, run in recipe._network_stages(given, [tmp_path / "lbo1"], assignments)}

    paper = stages("paper", "batch=8", "losses.l1=2", "l1.seed=3")
    assert list(paper) == ["vsr-l1", "vsr-final"]
    assert [each.steps for each in paper.values()] == [300_000, 300_000]
    assert [each.batch for each in paper.values()] == [8, 8]
    assert [each.seed for each in paper.values()] == [3, 0]
    assert [(each.losses.l1, each.losses.gan) for each in paper.values()] == [(1, 0), (2, 1)]
    assert [each.optimiser.rate for each in paper.values()] == [2e-4, 1e-4]
    assert [list(stages(name)) for name in ("finetune", "release", "debug")] == [["vsr-final"]] * 3
    short = stages("finetune")["vsr-final"]
    assert short.losses.gan < 1
    assert short.validation.every
    assert short.validation.patience
    with pytest.raises(
        SettingError, match=r"l1\.steps=3 is for a first stage, which the preset finetune does not have"
    ):
        stages("finetune", "l1.steps=3")


@pytest.mark.parametrize(("assignments", "features"), [((), 8), (("lbo.operator.features=64",), 64)])
def test_operators_of_a_recipe_are_narrow_by_default(
    assignments: Sequence[str],
    features: int,
    episode: Path,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_toy_clips(tmp_path / "hq")
    trained: list[OperatorConfig] = []
    monkeypatch.setattr(recipe, "make_pairs", lambda *_, **__: None)
    monkeypatch.setattr(recipe, "train_stages", lambda _, configs, **__: trained.append(configs("lbo-l1")))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / recipe.MODEL_FILE).write_bytes(b"an older one")
    given = recipe.Recipe([episode], str(tmp_path / "hq"), tmp_path / "out", model, "debug", estimate=False)

    assert (
        recipe.run_recipe(given, [*assignments, "degradation.down.modes.bicubic=5"]) is None
    )  # as after a request to stop

    assert [each.operator.features for each in trained] == [features]
    assert [each.modes.bicubic for each in trained] == [5]
    assert not (tmp_path / "out" / recipe.MODEL_FILE).exists()


def test_faults_of_a_recipe_are_found_before_anything_is_made(
    episode: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_clips(tmp_path / "hq")
    command = ["-o", str(tmp_path / "out"), "--preset", "debug", "--model", model]

    for more, message in (
        (["bach=2"], "'bach' is not a setting; did you mean 'batch'?"),
        (["lbo.bach=2"], "'bach' is not a setting; did you mean 'batch'?"),
        (["--factor", "3"], "factor 3 is refused"),
        (["--data", str(episode)], "holds no clips"),
        (["sampling.frames=40"], "clip 'shapes-0' has 17 frames"),
        (["network.features=4"], "is of another network"),
        (["lbo.size=224"], "will have 192x160 pixels, and lbo.size=224 is larger"),
        (["lbo.discriminator.layers=[3,3,3]"], "half of size=32 is too small for discriminator.layers"),
        (["degradation.down.lbo_mode=replace"], "lbo_mode=replace and lbo.operator.halves=false do not fit"),
        (["--factor", "0.15"], "frames of 96x80 scaled down by 0.15 have 14x12 pixels"),
        (["--model", "v3"], "start='v3'"),
    ):
        assert main(["recipe", str(episode), "--data", str(tmp_path / "hq"), *command, *more]) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(["recipe", str(tmp_path / "nowhere.mkv"), "--data", str(tmp_path / "hq"), *command]) == 1
    assert "nowhere.mkv is no episode" in capsys.readouterr().err


def test_a_page_that_fails_costs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise SettingError("no GPU for it")

    monkeypatch.setattr(recipe, "export", lambda *_: None)
    monkeypatch.setattr(recipe, "_write_page", fail)
    monkeypatch.setattr(checkpoints, "read_run", lambda path: (path, {"step": 1}))

    assert recipe._write_results(recipe.Recipe([], "hq", tmp_path), [], [], []) == tmp_path / recipe.MODEL_FILE
    assert "model.safetensors is ready, but the page is not: no GPU for it" in caplog.text


def test_the_memory_of_a_gpu_is_for_the_last_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def card_assignments(_base: VSRConfig, own: Sequence[str], _gigabytes: float) -> list[str]:
        asked.append(own)
        return ["parts=2"]

    run: list[Sequence[str]] = []
    monkeypatch.setattr("trainer.cli.recipe.card_assignments", card_assignments)
    monkeypatch.setattr("trainer.cli.recipe.run_recipe", lambda _, assignments: run.append(assignments))
    command = ["recipe", "old.mkv", "--data", "hq", "-o", str(tmp_path), "--preset", "paper", "--gpu-memory", "12"]

    assert main([*command, "l1.steps=5000", "lbo.steps=10", "batch=4"]) == 0
    assert asked == [["batch=4"]]
    assert run == [["parts=2", "l1.steps=5000", "lbo.steps=10", "batch=4"]]

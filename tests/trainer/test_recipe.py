"""Recipes: what they train, what they keep, names of folders, and faults that are found at the start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trainer.lbo.episodes import write_toy_episode
from tests.trainer.lbo.networks import save_debug_network
from trainer import recipe
from trainer.cli import main
from trainer.data.toy_clips import write_toy_clips
from trainer.lbo.config import OperatorConfig
from trainer.lbo.folder import PATCHES_FILE
from trainer.vsr.config import VSRConfig
from trainer.vsr.train import check


@pytest.mark.parametrize(("data", "folder"), [("2024", "out"), ("clips", "runs/a,b"), ("[1,2]", "[out]")])
def test_folders_keep_their_names(data: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy_clips(tmp_path / data)
    write_toy_clips(tmp_path / "episodes", clips=1)
    monkeypatch.chdir(tmp_path)
    checked: list[VSRConfig] = []
    pairs: list[Path] = []

    def note_settings(settings: VSRConfig) -> None:
        check(settings)
        checked.append(settings)

    monkeypatch.setattr(recipe, "check", note_settings)
    monkeypatch.setattr(recipe, "make_pairs", lambda _episode, path, **_: pairs.append(path))
    monkeypatch.setattr(recipe, "train_stages", lambda *_: False)  # as after a request to stop
    command = ["recipe", "episodes/shapes-0", "--data", data, "-o", folder, "--preset", "debug", "steps=3"]

    assert main(command) == 0

    (settings,) = checked
    assert (settings.data, settings.steps) == (data, 3)
    assert settings.lbo_pool == (str(Path(folder) / "lbo1"),)
    assert pairs == [Path(folder) / "lbo1"]


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_episode(tmp_path_factory.mktemp("episode") / "old")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_debug_network(tmp_path_factory.mktemp("model") / "debug.safetensors")


def test_a_recipe_trains_a_network_and_resumes(
    episode: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_clips(tmp_path / "hq")
    other, out = Path(shutil.copytree(episode, tmp_path / "other")), tmp_path / "out"
    command = ["recipe", str(episode), str(other), "-o", str(out), "--data", str(tmp_path / "hq"), "--preset", "debug"]
    command += ["--model", model, "--count", "2", "lbo.size=64", "lbo.records.preview=0", "records.preview=0"]

    assert main([*command, "steps=2"]) == 0
    printed = capsys.readouterr().out
    first = (out / "model.safetensors").read_bytes()
    before = {file: file.stat().st_mtime_ns for file in out.glob("lbo?/**/*.png") if file.name != PATCHES_FILE}
    assert main([*command, "steps=4"]) == 0

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
    assert {name.name for name in out.iterdir()} == {"lbo1", "lbo2", "vsr-final", "model.safetensors"}

    import vapoursynth as vs

    clip = vs.core.std.BlankClip(width=24, height=16, format=vs.RGBS, length=2)
    frame = vs.core.animesr.Upscale(clip, model=str(out / "model.safetensors")).get_frame(1)
    assert (frame.width, frame.height) == (96, 64)


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
    monkeypatch.setattr(recipe, "train_stages", lambda _, configs: trained.append(configs("lbo-l1")))
    given = recipe.Recipe([episode], str(tmp_path / "hq"), tmp_path / "out", model, "debug")

    assert recipe.run_recipe(given, assignments) is None  # as after a request to stop

    assert [each.operator.features for each in trained] == [features]


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
    ):
        assert main(["recipe", str(episode), "--data", str(tmp_path / "hq"), *command, *more]) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(["recipe", str(tmp_path / "nowhere.mkv"), "--data", str(tmp_path / "hq"), *command]) == 1
    assert "nowhere.mkv is no episode" in capsys.readouterr().err

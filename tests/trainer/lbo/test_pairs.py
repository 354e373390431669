"""Pairs of an episode: their content, the choice of the factor, what is kept, and what is refused."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.lbo.episodes import open_episode
from tests.trainer.lbo.networks import Tinting, save_network
from trainer.cli import main
from trainer.data.clips import Frame
from trainer.errors import CheckpointError, PairError
from trainer.lbo import folder
from trainer.lbo.dataset import Pairs
from trainer.lbo.factor import FactorHint, Suggestion, read_choice
from trainer.lbo.pairs import WINDOW_LENGTH, count_missing, make_pairs, read_difference
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.lbo.scenes import Scene
from trainer.lbo.suggestion import MEASURED
from trainer.origin import ORIGIN_FILE
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def read_frames(path: Path) -> list[Frame]:
    clip = open_episode(path)
    return clip.read(range(len(clip)))


def test_pairs_are_frames_of_the_episode_and_their_pseudo_hq(episode: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "lbo1"

    assert main(["lbo", "pairs", str(episode), "-o", str(out), "--model", model, "--factor", "0.5"]) == 0

    firsts = [window["first"] for window in json.loads((out / folder.WINDOWS_FILE).read_text())["windows"]]
    assert names(folder.lq(out)) == names(folder.hq(out)) == [f"{first:06}" for first in firsts]
    assert {first // 17 for first in firsts} == {0, 1}  # both shots
    frames = read_frames(episode)
    for first in firsts:
        lq_clip, hq_clip = (read_frames(each / f"{first:06}") for each in (folder.lq(out), folder.hq(out)))
        assert len(lq_clip) == len(hq_clip) == WINDOW_LENGTH - 1
        assert all(np.array_equal(lq, frames[first + 1 + n]) for n, lq in enumerate(lq_clip))
        assert {hq.shape for hq in hq_clip} == {(160, 192, 3)}
        for lq, hq in zip(lq_clip, hq_clip, strict=True):
            back = np.asarray(Image.fromarray(hq).resize((96, 80), Image.Resampling.BOX), np.int16)
            assert np.abs(back - lq).mean() < 14  # halved and enlarged again
    choice = read_choice(out)
    assert choice is not None
    assert (choice.factor, choice.by, choice.model, choice.hints) == (0.5, "argument", model, ())
    assert main(["lbo", "train", str(out), "debug", "size=64", "records.preview=0"]) == 0


def test_the_recurrence_warms_up_on_the_frame_before_a_pair(episode: Path, debug_model: str, tmp_path: Path) -> None:
    make_pairs(open_episode(episode), tmp_path, model=debug_model, count=1, factor=0.5, pick_factor=None)

    (clip,) = folder.hq(tmp_path).iterdir()
    first = int(clip.name)
    window = open_episode(episode).read(range(first, first + WINDOW_LENGTH))
    warm, cold = (
        [np.asarray(each) for each in Rescaling(load_network(debug_model)).pseudo_hq(frames, 0.5, "source")]
        for frames in (window, window[1:])
    )
    found = read_frames(clip)
    assert all(np.array_equal(a, b) for a, b in zip(found, warm[1:], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(found, cold, strict=True))


def test_the_suggestion_is_taken_told_and_kept(
    episode: Path, model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    choice = make_pairs(open_episode(episode), tmp_path, model=model, count=2, pick_factor=None)

    assert choice.suggestion is not None
    assert (choice.by, choice.factor) == ("suggestion", choice.suggestion.factor)
    assert read_choice(tmp_path) == choice
    assert choice.suggestion.describe() in caplog.messages
    assert any(f"not with {model}" in line for line in caplog.messages)  # another network than it was measured with
    assert tuple(hint.factor for hint in choice.hints) == FACTORS


def test_missing_pairs_are_counted(episode: Path, model: str, tmp_path: Path) -> None:
    assert count_missing(tmp_path, 200) == 200
    make_pairs(open_episode(episode), tmp_path, model=model, count=2, factor=0.5, pick_factor=None)
    assert count_missing(tmp_path, 200) == 0
    shutil.rmtree(next(iter(sorted((tmp_path / "pairs" / "hq").iterdir()))))
    assert count_missing(tmp_path, 200) == 1


def test_the_user_sees_the_scenes_and_chooses_once(episode: Path, model: str, tmp_path: Path) -> None:
    shown: list[Suggestion] = []

    def pick_factor(scenes: Sequence[Scene], hints: Sequence[FactorHint], suggestion: Suggestion) -> float:
        assert [set(scene.pseudo_hq) for scene in scenes] == [set(FACTORS)] * len(scenes)
        assert all(file.is_file() for scene in scenes for file in (scene.lq, *scene.pseudo_hq.values()))
        assert tuple(hint.factor for hint in hints) == FACTORS
        shown.append(suggestion)
        return 0.7

    for _ in range(2):
        choice = make_pairs(open_episode(episode), tmp_path, model=model, count=2, pick_factor=pick_factor)
        assert (choice.factor, choice.by) == (0.7, "page")

    assert shown == [choice.suggestion]
    for scene in folder.scenes(tmp_path).glob("0*"):
        assert names(scene) == sorted(["lq.png", *(f"x{factor:.1f}.png" for factor in FACTORS)])
        with Image.open(scene / "lq.png") as lq, Image.open(scene / "x0.3.png") as hq:
            assert (lq.size, hq.size) == ((96, 80), (192, 160))


def test_existing_pairs_are_kept_and_another_factor_replaces_them(episode: Path, model: str, tmp_path: Path) -> None:
    make = partial(make_pairs, open_episode(episode), tmp_path, model=model, count=2, pick_factor=None)

    def times() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in sorted(tmp_path.glob("pairs/*/*/*.png"))}

    make(factor=0.5)
    first = times()
    shutil.rmtree(sorted(folder.hq(tmp_path).iterdir())[0])
    make(factor=0.5)
    second = times()
    make(factor=0.8)
    third = times()

    assert first.keys() == second.keys() == third.keys()
    written_again = {file.parent for file in first if first[file] != second[file]}
    assert {file.name for file in written_again} == {sorted(names(folder.hq(tmp_path)))[0]}
    assert all(second[file] != third[file] for file in first if "hq" in file.parts)
    choice = read_choice(tmp_path)
    assert choice is not None
    assert choice.factor == 0.8


def read_all(path: Path) -> dict[str, bytes]:
    """Return what the folder of an operator holds."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("factor", [0.5, None])
def test_pairs_of_something_else_are_made_again(
    factor: float | None,
    episode: Path,
    model: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trainer.lbo.scenes.FACTORS", MEASURED)
    random_model = save_network(AnimeSR(features=2, blocks=(1, 0, 0)), tmp_path / "random.safetensors")
    caplog.set_level(logging.INFO)
    other = Path(shutil.copytree(episode, tmp_path / "other"))
    with Image.open(other / "00000007.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other / "00000007.png")
    make = partial(make_pairs, pick_factor=None, count=1)
    for number, (path, upscaler) in enumerate([(episode, random_model), (other, random_model), (other, model)]):
        make(open_episode(path), tmp_path / "out", model=upscaler, factor=factor)
        make(open_episode(path), tmp_path / f"new-{number}", model=upscaler, factor=factor)

        assert read_all(tmp_path / "out") == read_all(tmp_path / f"new-{number}")
    assert "pairs is made again: episode was 34 frames, " in caplog.text
    assert "pairs is made again: model was " in caplog.text


@pytest.mark.parametrize("given", [(), ("--colour", "source"), ("--colour", "network")])
def test_operators_do_not_take_the_colours_of_a_network_for_a_fault(
    given: tuple[str, ...], episode: Path, tmp_path: Path
) -> None:
    tinting = save_network(Tinting(), tmp_path / "tinting.safetensors")
    command = ["lbo", "pairs", str(episode), "-o", str(tmp_path), "--model", tinting, "--factor", "0.8", "--count", "2"]

    assert main([*command, *given]) == 0

    shifts = []
    for hq, lq in zip(*(sorted(part.iterdir()) for part in (folder.hq(tmp_path), folder.lq(tmp_path))), strict=True):
        shifts += [a.mean((0, 1)) - b.mean((0, 1)) for a, b in zip(read_frames(hq), read_frames(lq), strict=True)]
    most = np.abs(np.mean(shifts, 0)).max()
    assert most > 10 if "network" in given else most < 0.5


def test_pairs_with_other_colours_are_made_again_and_no_windows(
    episode: Path, model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.lbo.scenes.FACTORS", MEASURED)
    caplog.set_level(logging.INFO)
    make = partial(make_pairs, open_episode(episode), tmp_path, model=model, count=1, pick_factor=None)
    make(colour="network")
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.*") if file.is_file()}
    assert read_difference(open_episode(episode), tmp_path, model=model, count=1, colour="network") == ""
    difference = read_difference(open_episode(episode), tmp_path, model=model, count=1)
    assert difference == "colour was network, now source"
    caplog.clear()

    make()

    assert f"pairs is made again: {difference}" in caplog.text
    after = {file: file.stat().st_mtime_ns for file in before}
    changed = {file.relative_to(tmp_path).parts[0] for file in before if before[file] != after[file]}
    assert changed == {"pairs", folder.CHOICE_FILE}


def test_pairs_of_other_code_are_made_again(
    episode: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = partial(make_pairs, open_episode(episode), tmp_path, model=model, count=1, factor=0.5, pick_factor=None)

    def times() -> list[int]:
        return [file.stat().st_mtime_ns for file in sorted([*tmp_path.glob("pairs/*/*/*.png"), *tmp_path.glob("w*")])]

    make()
    before = times()
    make()
    assert times() == before
    monkeypatch.setattr("trainer.lbo.pairs.FORMAT", "new")
    make()
    assert not set(before) & set(times())


def test_clips_are_added_and_removed_with_another_count(episode: Path, model: str, tmp_path: Path) -> None:
    make = partial(make_pairs, open_episode(episode), tmp_path, model=model, factor=0.5, pick_factor=None)
    make(count=1)
    (first,) = folder.hq(tmp_path).iterdir()
    before = {file: file.stat().st_mtime_ns for file in first.iterdir()}

    make(count=2)

    assert len(names(folder.hq(tmp_path))) == len(names(folder.lq(tmp_path))) == 2
    assert before == {file: file.stat().st_mtime_ns for file in before}
    make(count=1)
    assert names(folder.hq(tmp_path)) == names(folder.lq(tmp_path)) == [first.name]


def test_a_factor_that_was_an_argument_is_not_taken_for_a_choice(
    episode: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.lbo.scenes.FACTORS", MEASURED)
    make = partial(make_pairs, open_episode(episode), tmp_path, model=model, count=1)
    make(factor=0.4, pick_factor=None)
    assert make(pick_factor=None).by == "suggestion"
    assert make(pick_factor=lambda *_: 0.7).factor == 0.7
    assert make(pick_factor=None).by == "suggestion"


def test_incomplete_pairs_are_not_trained_on(episode: Path, model: str, tmp_path: Path) -> None:
    make_pairs(open_episode(episode), tmp_path, model=model, count=2, factor=0.5, pick_factor=None)
    for part in (folder.hq(tmp_path), folder.lq(tmp_path)):
        shutil.rmtree(sorted(part.iterdir())[0])

    with pytest.raises(PairError, match="holds 1 of 2 pairs; start lbo pairs again to make the others"):
        Pairs(tmp_path, size=64, halves=False, seed=0)


def test_an_interruption_leaves_no_incomplete_clip(
    episode: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, count = Image.Image.save, [0]

    def interrupted_save(self: Image.Image, *arguments: object, **more: object) -> None:
        count[0] += 1
        if count[0] == 14:
            raise KeyboardInterrupt
        save(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", interrupted_save)
    with pytest.raises(KeyboardInterrupt):
        make_pairs(open_episode(episode), tmp_path, model=model, count=2, factor=0.5, pick_factor=None)
    monkeypatch.undo()
    assert all(len(names(clip)) == WINDOW_LENGTH - 1 for clip in tmp_path.glob("pairs/[hl]q/*"))

    make_pairs(open_episode(episode), tmp_path, model=model, count=2, factor=0.5, pick_factor=None)

    clips = list(tmp_path.glob("pairs/[hl]q/*"))
    assert len(clips) == 4
    assert all(len(names(clip)) == WINDOW_LENGTH - 1 for clip in clips)
    assert names(tmp_path / "pairs") == ["hq", "lq", ORIGIN_FILE]


def _make_still(path: Path) -> None:
    first = (path / "00000000.png").read_bytes()
    for file in path.iterdir():
        file.write_bytes(first)


def _make_black(path: Path) -> None:
    for file in path.iterdir():
        Image.new("RGB", (96, 80)).save(file)


def _shorten(path: Path) -> None:
    for file in path.glob("0000001*.png"):
        file.unlink()
    for file in path.glob("000000[23]*.png"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (_shorten, (), "old has 10 frames, and needs at least 11"),
        (_make_still, (), "old has no 11 frames of one shot with 2 new drawings"),
        (_make_black, (), "all 34 frames of old are nearly of one shade"),
        (shutil.rmtree, (), "old is no episode; name a video, or a folder of images"),
        (None, ("--factor", "1.5"), "factor 1.5 is refused; use a factor from 0.1 to 1"),
        (None, ("--factor", "0.01"), "factor 0.01 is refused"),
        (None, ("--factor", "nan"), "factor nan is refused"),
        (None, ("--factor", "0.15"), "frames of 96x80 scaled down by 0.15 have 14x12 pixels"),
        (None, ("--count", "0"), "--count 0 is refused; use 1 or more"),
        (None, ("--model", "v3"), "start='v3'"),
    ],
)
def test_unsuitable_arguments_are_refused(
    spoil: Callable[[Path], object] | None,
    arguments: tuple[str, ...],
    message: str,
    episode: Path,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path(shutil.copytree(episode, tmp_path / "old"))
    if spoil:
        spoil(path)
    defaults = {"--factor": "0.5", "--model": model} | dict(zip(arguments[::2], arguments[1::2], strict=True))

    command = ["lbo", "pairs", str(path), "-o", str(tmp_path / "out"), *chain(*defaults.items())]
    assert main(command) == 1

    assert re.search(f"^error: .*{re.escape(message)}", capsys.readouterr().err, re.MULTILINE)


def test_a_damaged_choice_is_an_error(episode: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / folder.CHOICE_FILE).write_text("{")
    with pytest.raises(PairError, match=f"{folder.CHOICE_FILE} cannot be read"):
        make_pairs(open_episode(episode), tmp_path, model=model, count=2, pick_factor=None)


def test_a_missing_model_is_an_error_before_anything_is_made(episode: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth"):
        make_pairs(open_episode(episode), tmp_path / "out", model=str(tmp_path / "nowhere.pth"), pick_factor=None)
    assert not (tmp_path / "out").exists()

"""From an episode to pairs: rescaling, its measures, the choice, what is kept, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from trainer import recipe, weights
from trainer.cli import main
from trainer.clips import Episode, Picture, open_clip
from trainer.drawn_clips import draw_clips
from trainer.errors import CheckpointError, PairError
from trainer.lbo import folder
from trainer.lbo.choice import Hint, read_choice
from trainer.lbo.making import LENGTH, make_pairs
from trainer.lbo.measures import Measure, measured, suggested
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.lbo.scenes import Scene
from trainer.lbo.stages import OperatorTraining, preset
from trainer.recurrence import Recurrence
from trainer.settings import changed
from vsanimesr.torch_network import AnimeSR


class Bilinear(AnimeSR):
    """A network that has learned nothing: what it makes is the picture, enlarged."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=(1, 1, 1))
        for parameter in self.parameters():
            parameter.requires_grad_(False).zero_()


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 17 frames, as one folder of pictures."""
    clips = tmp_path_factory.mktemp("clips")
    draw_clips(clips)
    path = tmp_path_factory.mktemp("episode") / "old"
    path.mkdir()
    for number, file in enumerate(sorted(clips.glob("*/*.png"))):
        with Image.open(file) as picture:
            picture.resize((96, 80)).save(path / f"{number:08}.png")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_file(Bilinear().state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def debug_sized(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "debug.safetensors"
    save_file(AnimeSR(features=8, blocks=(2, 1, 1)).state_dict(), path)
    return str(path)


def picture(width: int, height: int, seed: int = 0) -> Picture:
    """Smooth, so that enlarging it changes little."""
    small = np.random.default_rng(seed).integers(40, 220, (4, 5, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@settings(max_examples=30, deadline=None)
@given(width=st.integers(54, 90), height=st.integers(54, 90), factor=st.floats(0.3, 1))
def test_pseudo_hq_is_exactly_twice_as_large_at_any_factor_and_size(width: int, height: int, factor: float) -> None:
    pictures = [picture(width, height, seed) for seed in range(2)]

    found = list(Rescaling(Bilinear()).pseudo_hq(pictures, factor))

    assert [each.size for each in found] == [(2 * width, 2 * height)] * 2
    for own, lq in zip(found, pictures, strict=True):
        back = np.asarray(own.resize((width, height), Image.Resampling.BOX), np.int16)
        assert np.abs(back - lq).mean() < 4  # in its place, and in its colours
        for edge in (np.s_[-1], np.s_[:, -1]):  # also where it was padded
            assert np.abs(back[edge] - lq[edge]).mean() < 8


def test_it_is_the_network_s_own_frames_of_the_shrunk_clip() -> None:
    torch.manual_seed(0)
    network = AnimeSR(features=4, blocks=(1, 1, 1)).eval()
    pictures = [picture(64, 48, seed) for seed in range(4)]

    found = list(Rescaling(network).pseudo_hq(pictures, 0.5))

    shrunk = [np.array(Image.fromarray(each).resize((32, 24), Image.Resampling.LANCZOS)) for each in pictures]
    lr = torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = (255 * Recurrence(network)(lr[None])[0].clamp(0, 1)).permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack([np.asarray(each) for each in found]) - expected).max() < 4  # bfloat16


def test_pictures_too_small_for_a_factor_are_refused() -> None:
    with pytest.raises(PairError, match=r"pictures of 50x40 shrunk by 0\.3 have 15x12 pixels, and 16 are the least"):
        list(Rescaling(Bilinear()).pseudo_hq([picture(50, 40)], 0.3))


def lines(noise: float = 0, blur: float = 0) -> Image.Image:
    """Flat areas with hard edges."""
    levels = np.full((120, 160), 200.0)
    levels[:, 40:80] = 60
    levels[30:34] = 20
    levels[70:, 120:] = 120
    levels += np.random.default_rng(0).normal(0, noise, levels.shape) if noise else 0
    grey = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")
    return grey.filter(ImageFilter.GaussianBlur(blur)) if blur else grey


def test_sharpness_falls_with_blur_and_artefacts_rise_with_noise() -> None:
    sharp = [measured([lines(blur=blur)]).sharpness for blur in (0, 0.7, 1.5, 3)]
    noisy = [measured([lines(noise=noise)]).artefacts for noise in (0, 1, 2, 3)]

    assert sharp == sorted(sharp, reverse=True)
    assert sharp[0] > 0.95
    assert sharp[3] < 0.4
    assert noisy == sorted(noisy)
    assert noisy[0] < 0.01
    assert noisy[3] == pytest.approx(3, rel=0.15)
    assert measured([lines(), lines(blur=3)]).sharpness == pytest.approx((sharp[0] + sharp[3]) / 2)


def test_a_picture_of_one_colour_measures_nothing() -> None:
    assert measured([Image.new("RGB", (64, 64), "grey")]) == Measure(0, 0)


def test_suggested_is_where_artefacts_are_gone_and_sharpness_is_not() -> None:
    sharpness = dict(zip(FACTORS, (1, 1, 0.98, 0.97, 0.95, 0.9, 0.6, 0.3), strict=True))
    artefacts = dict(zip(FACTORS, (4, 3.6, 3, 2, 1.2, 0.4, 0.35, 0.3), strict=True))

    assert suggested({f: Measure(sharpness[f], artefacts[f]) for f in FACTORS}) == 0.5
    assert suggested({f: Measure(sharpness[f], 1) for f in FACTORS}) == 1  # nothing to gain


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def pictures_of(path: Path) -> list[Picture]:
    clip = open_clip(path)
    assert clip is not None
    return clip.read(range(len(clip)))


def test_pairs_are_the_episode_s_frames_and_their_pseudo_hq(episode: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "lbo1"

    assert main(["lbo", "pairs", str(episode), "-o", str(out), "--model", model, "--factor", "0.5"]) == 0

    firsts = [window["first"] for window in json.loads((out / folder.WINDOWS).read_text())]
    assert names(folder.lq(out)) == names(folder.hq(out)) == [f"{first:06}" for first in firsts]
    assert {first // 17 for first in firsts} == {0, 1}  # both shots
    whole = pictures_of(episode)
    for first in firsts:
        lq, hq = (pictures_of(each / f"{first:06}") for each in (folder.lq(out), folder.hq(out)))
        assert len(lq) == len(hq) == LENGTH - 1
        assert all(np.array_equal(own, whole[first + 1 + n]) for n, own in enumerate(lq))
        assert {each.shape for each in hq} == {(160, 192, 3)}
        for small, large in zip(lq, hq, strict=True):
            back = np.asarray(Image.fromarray(large).resize((96, 80), Image.Resampling.BOX), np.int16)
            assert np.abs(back - small).mean() < 14  # halved and enlarged again
    choice = read_choice(out)
    assert choice is not None
    assert (choice.factor, choice.by, choice.model, choice.hints) == (0.5, "argument", model, ())
    assert main(["lbo", "train", str(out), "debug", "size=64", "records.show=0"]) == 0


def test_the_frame_before_a_pair_has_warmed_the_recurrence_up(episode: Path, debug_sized: str, tmp_path: Path) -> None:
    make_pairs(opened(episode), tmp_path, model=debug_sized, count=1, factor=0.5, picks=None)

    (clip,) = folder.hq(tmp_path).iterdir()
    first = int(clip.name)
    window = opened(episode).read(range(first, first + LENGTH))
    warm, cold = (
        [np.asarray(each) for each in Rescaling(weights.opened(debug_sized)).pseudo_hq(pictures, 0.5)]
        for pictures in (window, window[1:])
    )
    found = pictures_of(clip)
    assert all(np.array_equal(a, b) for a, b in zip(found, warm[1:], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(found, cold, strict=True))


def opened(path: Path) -> Episode:
    clip = open_clip(path)
    assert clip is not None
    return clip


def test_a_suggestion_is_of_all_factors_and_kept(episode: Path, model: str, tmp_path: Path) -> None:
    choice = make_pairs(opened(episode), tmp_path, model=model, count=2, picks=None)

    assert choice.by == "suggestion"
    assert (
        choice.factor
        == choice.suggested
        == suggested({hint.factor: Measure(hint.sharpness, hint.artefacts) for hint in choice.hints})
    )
    assert tuple(hint.factor for hint in choice.hints) == FACTORS
    for scene in folder.scenes(tmp_path).iterdir():
        assert names(scene) == sorted(["lq.png", *(f"x{factor:.1f}.png" for factor in FACTORS)])
        with Image.open(scene / "lq.png") as lq, Image.open(scene / "x0.3.png") as hq:
            assert (lq.size, hq.size) == ((96, 80), (192, 160))


def test_who_picks_is_shown_the_scenes_and_is_asked_once(
    episode: Path, model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []

    def picks(scenes: Sequence[Scene], hints: Sequence[Hint], suggestion: float) -> float:
        assert [set(scene.pseudo_hq) for scene in scenes] == [set(FACTORS)] * len(scenes)
        assert all(file.is_file() for scene in scenes for file in (scene.lq, *scene.pseudo_hq.values()))
        assert suggestion in {hint.factor for hint in hints}
        asked.append(suggestion)
        return 0.7

    for _ in range(2):
        choice = make_pairs(opened(episode), tmp_path, model=model, count=2, picks=picks)
        assert (choice.factor, choice.by) == (0.7, "page")

    assert len(asked) == 1


def test_what_is_there_is_not_made_again_and_another_factor_makes_it_anew(
    episode: Path, model: str, tmp_path: Path
) -> None:
    def made() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in sorted(tmp_path.glob("pairs/*/*/*.png"))}

    make_pairs(opened(episode), tmp_path, model=model, count=2, factor=0.5, picks=None)
    first = made()
    shutil.rmtree(sorted(folder.hq(tmp_path).iterdir())[0])
    make_pairs(opened(episode), tmp_path, model=model, count=2, picks=None)  # the choice holds
    second = made()
    make_pairs(opened(episode), tmp_path, model=model, count=2, factor=0.8, picks=None)
    third = made()

    assert first.keys() == second.keys() == third.keys()
    again = {file.parent for file in first if first[file] != second[file]}
    assert {file.name for file in again} == {sorted(names(folder.hq(tmp_path)))[0]}
    assert all(second[file] != third[file] for file in first if "hq" in file.parts)
    choice = read_choice(tmp_path)
    assert choice is not None
    assert choice.factor == 0.8


def test_killed_in_between_it_leaves_no_half_clip(
    episode: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, count = Image.Image.save, [0]

    def breaks(self: Image.Image, *arguments: object, **more: object) -> None:
        count[0] += 1
        if count[0] == 14:
            raise KeyboardInterrupt
        save(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", breaks)
    with pytest.raises(KeyboardInterrupt):
        make_pairs(opened(episode), tmp_path, model=model, count=2, factor=0.5, picks=None)
    monkeypatch.undo()
    assert all(len(names(clip)) == LENGTH - 1 for clip in tmp_path.glob("pairs/[hl]q/*"))

    make_pairs(opened(episode), tmp_path, model=model, count=2, factor=0.5, picks=None)

    clips = list(tmp_path.glob("pairs/*/*"))
    assert len(clips) == 4
    assert all(len(names(clip)) == LENGTH - 1 for clip in clips)
    assert sorted(each.name for each in (tmp_path / "pairs").iterdir()) == ["hq", "lq"]


def _still(path: Path) -> None:
    first = (path / "00000000.png").read_bytes()
    for file in path.iterdir():
        file.write_bytes(first)


def _black(path: Path) -> None:
    for file in path.iterdir():
        Image.new("RGB", (96, 80)).save(file)


def _short(path: Path) -> None:
    for file in path.glob("0000001*.png"):
        file.unlink()
    for file in path.glob("000000[23]*.png"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "arguments", "said"),
    [
        (_short, (), "old has 10 frames, and 11 are the least"),
        (_still, (), "old has no 11 frames of one shot with 2 new drawings in them"),
        (_black, (), "every one of the 34 frames of old is nearly of one shade"),
        (shutil.rmtree, (), "old is no episode; name a video, or a folder of pictures"),
        (None, ("--factor", "1.5"), "factor 1.5 is refused; give one from 0.1 to 1"),
        (None, ("--factor", "0.01"), "factor 0.01 is refused"),
        (None, ("--factor", "nan"), "factor nan is refused"),
        (None, ("--factor", "0.15"), "pictures of 96x80 shrunk by 0.15 have 14x12 pixels"),
        (None, ("--count", "0"), "--count 0 is refused; give 1 or more"),
        (None, ("--model", "v3"), "start='v3'"),
    ],
)
def test_what_is_wrong_is_told(
    spoil: Callable[[Path], object] | None,
    arguments: tuple[str, ...],
    said: str,
    episode: Path,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path(shutil.copytree(episode, tmp_path / "old"))
    if spoil:
        spoil(path)
    more = arguments if "--factor" in arguments else ("--factor", "0.5", *arguments)
    given_ = more if "--model" in more else ("--model", model, *more)

    assert main(["lbo", "pairs", str(path), "-o", str(tmp_path / "out"), *given_]) == 1

    assert re.search(f"^error: .*{re.escape(said)}", capsys.readouterr().err, re.MULTILINE)


def test_damaged_notes_are_told(episode: Path, model: str, tmp_path: Path) -> None:
    for name in (folder.CHOICE, folder.WINDOWS):
        out = tmp_path / name
        out.mkdir()
        (out / name).write_text("{")
        with pytest.raises(PairError, match=f"{name} (is damaged|cannot be read)"):
            make_pairs(opened(episode), out, model=model, count=2, picks=None)


def test_a_model_that_is_none_is_told_before_anything_is_made(episode: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth"):
        make_pairs(opened(episode), tmp_path / "out", model=str(tmp_path / "nowhere.pth"), picks=None)
    assert not (tmp_path / "out").exists()


def test_the_recipe_makes_a_network_that_upscales_and_goes_on_where_it_stopped(
    episode: Path, debug_sized: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_clips(tmp_path / "hq")
    other, out = Path(shutil.copytree(episode, tmp_path / "other")), tmp_path / "out"
    command = ["recipe", str(episode), str(other), "-o", str(out), "--data", str(tmp_path / "hq"), "--preset", "debug"]
    command += ["--model", debug_sized, "--count", "2", "lbo.size=64", "lbo.records.show=0", "records.show=0"]

    assert main([*command, "steps=2"]) == 0
    printed = capsys.readouterr().out
    first = (out / "model.safetensors").read_bytes()
    before = {file: file.stat().st_mtime_ns for file in out.glob("lbo?/**/*.png") if file.name != folder.PATCHES}
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
    settings_ = json.loads((out / "vsr-final" / "settings.json").read_text())
    assert settings_["lbo_pool"] == [str(out / "lbo1"), str(out / "lbo2")]
    assert settings_["start"] == debug_sized
    assert {name.name for name in out.iterdir()} == {"lbo1", "lbo2", "vsr-final", "model.safetensors"}

    import vapoursynth as vs

    clip = vs.core.std.BlankClip(width=24, height=16, format=vs.RGBS, length=2)
    frame = vs.core.animesr.Upscale(clip, model=str(out / "model.safetensors")).get_frame(1)
    assert (frame.width, frame.height) == (96, 64)


@pytest.mark.parametrize(("given", "features"), [((), 8), (("lbo.operator.features=64",), 64)])
def test_operators_of_a_recipe_are_narrow_unless_somebody_says_otherwise(
    given: Sequence[str],
    features: int,
    episode: Path,
    debug_sized: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw_clips(tmp_path / "hq")
    learned: list[OperatorTraining] = []
    monkeypatch.setattr(recipe, "make_pairs", lambda *_, **__: None)
    monkeypatch.setattr(recipe, "learn", lambda _, name, own: learned.append(changed(preset("lbo-l1", name), own)))
    wanted = recipe.Recipe([episode], str(tmp_path / "hq"), tmp_path / "out", debug_sized, "debug")

    assert recipe.follow(wanted, given) is None  # what stands for learning says that it was stopped

    assert [each.operator.features for each in learned] == [features]


def test_a_recipe_with_something_wrong_ends_before_it_begins(
    episode: Path, debug_sized: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_clips(tmp_path / "hq")
    command = ["-o", str(tmp_path / "out"), "--preset", "debug", "--model", debug_sized]

    for more, said in (
        (["bach=2"], "'bach' is not a setting; did you mean 'batch'?"),
        (["lbo.bach=2"], "'bach' is not a setting; did you mean 'batch'?"),
        (["--factor", "3"], "factor 3 is refused"),
        (["--data", str(episode)], "holds no clips"),
        (["sampling.frames=40"], "clip 'shapes-0' has 17 frames"),
    ):
        assert main(["recipe", str(episode), "--data", str(tmp_path / "hq"), *command, *more]) == 1
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(["recipe", str(tmp_path / "nowhere.mkv"), "--data", str(tmp_path / "hq"), *command]) == 1
    assert "nowhere.mkv is no episode" in capsys.readouterr().err

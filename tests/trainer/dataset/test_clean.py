"""`dataset clean`: every frame once, nothing across a cut, nothing twice, nothing of something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trainer.cli import main
from trainer.data.clips import Frame, find_clips
from trainer.data.toy_clips import write_toy_clips
from trainer.dataset import clean as cleaning
from trainer.dataset.clean import Cleaner, clean_set, plan_runs
from trainer.dataset.clips import encode_png
from trainer.errors import DatasetError
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR

WIDTH, HEIGHT = 70, 50


def write_clip(folder: Path, frames: Sequence[Frame]) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:08}.png")


def scene(seed: int, count: int) -> list[Frame]:
    """Return a soft drawing that moves to the right."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 20, 3), np.uint8)
    drawing = np.asarray(Image.fromarray(small).resize((2 * WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return [drawing[:, n : n + WIDTH] for n in range(count)]


@pytest.fixture
def hq(tmp_path: Path) -> Path:
    write_clip(tmp_path / "hq" / "one", scene(1, 7))
    write_clip(tmp_path / "hq" / "two", scene(2, 5))
    return tmp_path / "hq"


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny networks, by a seed as their name."""

    def load(name: str, argument: str) -> AnimeSR:
        if not name.startswith("v"):
            return load_network(name, argument)
        torch.manual_seed(int(name.removeprefix("v")))
        return AnimeSR(features=4, blocks=(2, 1, 1)).eval()

    monkeypatch.setattr(cleaning, "load_network", load)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all runs."""
    found: list[int] = []
    clean = Cleaner.clean

    def note(self: Cleaner, frames: Sequence[Frame]) -> Iterator[Frame]:
        found.append(len(frames))
        return clean(self, frames)

    monkeypatch.setattr(Cleaner, "clean", note)
    return found


def content(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def frames_of(folder: Path) -> dict[str, list[Frame]]:
    return {clip.name: clip.read(range(len(clip))) for clip in find_clips(folder)}


@settings(deadline=None)
@given(st.lists(st.integers(1, 130), min_size=1, max_size=6))
def test_runs_keep_each_frame_once_in_order_and_do_not_look_across_cuts(lengths: list[int]) -> None:
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]

    runs = plan_runs(starts, ends[-1])

    assert [n for run in runs for n in run.kept] == list(range(ends[-1]))
    for run in runs:
        scene = max(n for n, start in enumerate(starts) if start <= run.kept.start)
        assert starts[scene] <= run.read.start <= run.kept.start
        assert run.kept.stop <= run.read.stop <= ends[scene]
        assert run.read.start == max(run.kept.start - cleaning.WARM_UP, starts[scene])
        assert run.read.stop == min(run.kept.stop + 1, ends[scene])
        assert len(run.kept) <= cleaning.SEGMENT


@pytest.mark.parametrize("segment", [2, cleaning.SEGMENT])
def test_clips_keep_their_size_their_colours_and_their_drawing(
    segment: int, hq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "SEGMENT", segment)
    assert clean_set(hq, tmp_path / "clean", model="v2") == ["one", "two"]

    before, after = frames_of(hq), frames_of(tmp_path / "clean")
    assert {name: len(clip) for name, clip in after.items()} == {"one": 7, "two": 5}
    for name, clip in after.items():
        for old, new in zip(before[name], clip, strict=True):
            assert new.shape == (HEIGHT, WIDTH, 3)
            assert np.abs(new.astype(int) - old).mean() < 6
            assert np.abs(new.mean((0, 1)) - old.mean((0, 1))).max() < 1
            for neighbour in (old[:, :-1] - new[:, 1:].astype(int), old[:, 1:] - new[:, :-1].astype(int)):
                assert np.abs(new.astype(int) - old).mean() < 0.8 * np.abs(neighbour).mean()
        assert not np.array_equal(np.stack(clip), np.stack(before[name]))


def test_a_stop_loses_no_run_that_is_done(
    hq: Path, tmp_path: Path, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "SEGMENT", 2)
    clean_set(hq, tmp_path / "whole", model="v2")
    count = len(runs)
    assert count == 4 + 3
    left = [5]

    def stop(frame: Frame) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return encode_png(frame)

    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "encode_png", stop)
        with pytest.raises(KeyboardInterrupt):
            clean_set(hq, tmp_path / "clean", model="v2")
    assert not (tmp_path / "clean" / "one").exists()  # nobody takes an unfinished clip for a whole one
    del runs[:]

    clean_set(hq, tmp_path / "clean", model="v2")

    assert len(runs) == count - 2
    assert content(tmp_path / "clean") == content(tmp_path / "whole")


def test_what_a_stop_left_of_another_network_is_not_used(
    hq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_set(hq, tmp_path / "whole", model="v3")
    left = [3]

    def stop(self: Cleaner, frames: Sequence[Frame]) -> Iterator[Frame]:
        yield from frames[: left[0]]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Cleaner, "clean", stop)
        with pytest.raises(KeyboardInterrupt):
            clean_set(hq, tmp_path / "clean", model="v2")

    clean_set(hq, tmp_path / "clean", model="v3")

    assert content(tmp_path / "clean") == content(tmp_path / "whole")


def test_clips_that_are_there_stay_and_new_ones_are_added(hq: Path, tmp_path: Path, runs: list[int]) -> None:
    to = tmp_path / "clean"
    clean_set(hq, to, model="v2")
    before = content(to)
    del runs[:]
    clean_set(hq, to, model="v2")
    assert not runs

    write_clip(hq / "three", scene(3, 4))
    clean_set(hq, to, model="v2")

    assert len(runs) == 1
    assert before.items() < content(to).items()


@pytest.mark.parametrize("change", ["network", "clip", "frames"])
def test_what_was_made_of_something_else_is_refused_before_any_work_and_made_again_with_renew(
    change: str, hq: Path, tmp_path: Path, runs: list[int]
) -> None:
    to = tmp_path / "clean"
    clean_set(hq, to, model="v2")
    before = content(to)
    write_clip(hq / "another", scene(4, 3))
    if change == "clip":
        Image.fromarray(scene(9, 1)[0]).save(hq / "two" / "00000002.png")
    if change == "frames":
        (to / "two" / "00000002.png").unlink()
        del before["two/00000002.png"]
    model = "v3" if change == "network" else "v2"
    del runs[:]

    with pytest.raises(DatasetError, match=rf"was made otherwise: {change} was .*; use another .* or add --renew"):
        clean_set(hq, to, model=model)
    assert not runs
    assert content(to) == before

    clean_set(hq, to, model=model, renew=True)
    clean_set(hq, tmp_path / "anew", model=model)
    assert content(to) == content(tmp_path / "anew")


def test_a_clip_that_left_is_refused_before_any_work_and_removed_with_renew(
    hq: Path, tmp_path: Path, runs: list[int]
) -> None:
    to = tmp_path / "clean"
    clean_set(hq, to, model="v2")
    write_clip(to / "mine", scene(8, 2))  # a clip that we did not make is not judged
    before = content(to)
    (hq / "two").rename(tmp_path / "two")
    write_clip(hq / "three", scene(3, 4))
    del runs[:]

    with pytest.raises(DatasetError, match=r"holds two, and FOLDER no longer has .* or add --renew to remove it"):
        clean_set(hq, to, model="v2")
    assert not runs
    assert content(to) == before

    assert clean_set(hq, to, model="v2", renew=True) == ["one", "three"]
    assert sorted(frames_of(to)) == ["mine", "one", "three"]


@pytest.mark.parametrize("own", ["notes.txt", "mine.png", "origin.json"])
@pytest.mark.parametrize("change", ["gone", "other"])
def test_renew_removes_nothing_that_we_did_not_write(own: str, change: str, hq: Path, tmp_path: Path) -> None:
    to = tmp_path / "clean"
    clean_set(hq, to, model="v2")
    file = to / "two" / own
    file.unlink(missing_ok=True)  # without an origin, its frames are not known to be ours
    if own != "origin.json":
        file.write_text("mine")
    if change == "gone":
        (hq / "two").rename(tmp_path / "two")
    else:
        Image.fromarray(scene(9, 1)[0]).save(hq / "two" / "00000002.png")
    before = content(to)

    if change == "gone" and own == "origin.json":
        clean_set(hq, to, model="v2", renew=True)
    else:
        with pytest.raises(DatasetError, match=r"two would be removed, and holds .*; move it elsewhere"):
            clean_set(hq, to, model="v2", renew=True)
    assert content(to) == before


def test_a_scene_does_not_depend_on_the_one_after_a_cut(tmp_path: Path) -> None:
    first = [255 - frame // 2 for frame in scene(1, 5)]
    for name, seed in (("one", 5), ("other", 6)):
        write_clip(tmp_path / "hq" / name, [*first, *(frame // 2 for frame in scene(seed, 5))])
    write_clip(tmp_path / "hq" / "alone", first)

    clean_set(tmp_path / "hq", tmp_path / "clean", model="v2")

    found = frames_of(tmp_path / "clean")
    for name in ("one", "other"):
        assert np.array_equal(np.stack(found[name][:5]), np.stack(found["alone"]))


def test_the_command_prints_the_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_toy_clips(tmp_path / "hq", clips=1)

    assert main(["dataset", "clean", str(tmp_path / "hq"), "-o", str(tmp_path / "clean"), "--model", "v7"]) == 0
    assert capsys.readouterr().out == "shapes-0\n"
    assert main(["dataset", "clean", str(tmp_path / "hq"), "-o", str(tmp_path / "hq")]) == 1
    assert "is the folder of the HQ clips itself; use another folder" in capsys.readouterr().err


def test_errors_name_the_arguments(hq: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nothing").mkdir()
    out = str(tmp_path / "clean")
    for arguments, message in (
        ([hq, "-o", out, "--model", "nosuch"], "error: --model='nosuch': "),
        ([tmp_path / "nowhere", "-o", out], f"error: FOLDER {str(tmp_path / 'nowhere')!r} cannot be read"),
        ([tmp_path / "nothing", "-o", out], f"error: FOLDER {str(tmp_path / 'nothing')!r} holds no clips"),
        ([hq, "-o", tmp_path / "file"], "file is no folder; name a folder for the cleaned clips"),
        ([hq, "-o", tmp_path / "file" / "in"], "; use another folder, and clean again"),
    ):
        assert main(["dataset", "clean", *map(str, arguments)]) == 1
        assert message in capsys.readouterr().err

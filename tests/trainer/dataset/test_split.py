"""`dataset split`: by title, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.dataset.shows import FRAMES, build, files, write
from trainer.cli import main
from trainer.data.clips import find_clips
from trainer.dataset import split as splitting
from trainer.dataset.check import check_set
from trainer.dataset.manifest import Manifest, require_manifest
from trainer.dataset.split import split_set
from trainer.errors import DatasetError

NAMES = ("Blue - 01", "Blue - 02", "Red S01E01", "Red S01E02", "Film")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shows")
    for seed, name in enumerate(NAMES):
        write(folder / f"{name}.mkv", [(seed + 1, FRAMES)])
    return folder


@pytest.fixture(scope="module")
def whole(videos: Path) -> Path:
    folder = videos.parent / f"{videos.name}-avc"
    assert len(build([videos], folder).clips) == len(NAMES)
    return folder


@pytest.fixture
def avc(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "avc"))


def titles(manifest: Manifest) -> set[str]:
    return {manifest.video_of(clip).title for clip in manifest.clips}


@pytest.mark.parametrize("clips", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_no_title_is_on_both_sides_and_no_clip_is_lost(avc: Path, whole: Path, clips: int, seed: int) -> None:
    test = avc.parent / "test"

    found = split_set(avc, test, clips=clips, seed=seed)

    train, held_out = require_manifest(avc), require_manifest(test)
    assert titles(held_out) == set(found.titles) == set(train.held_out)
    assert titles(train) == {"blue", "red", "film"} - set(found.titles)
    assert len(held_out.clips) >= clips
    assert files(avc) | files(test) == files(whole)
    for folder, manifest in ((avc, train), (test, held_out)):
        assert list(check_set(folder)) == []
        assert [clip.name for clip in find_clips(folder)] == [clip.name for clip in manifest.clips]


def test_named_titles_are_held_out_and_stay_so(avc: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = avc.parent / "test"
    for _ in range(2):  # the second time, there is nothing to do
        assert main(["dataset", "split", str(avc), "-o", str(test), "--title", "blue"]) == 0
        assert capsys.readouterr().out == "blue\n"
        assert {clip.name[:4] for clip in find_clips(test)} == {"Blue"}
        assert len(find_clips(avc)) == 3

    manifest = build([videos], avc)

    assert titles(manifest) == {"red", "film"}
    assert {video.reason for video in manifest.videos if video.reason} == {"title 'blue' is held out of this set"}


@pytest.mark.parametrize("seed", range(3))
def test_the_same_draw_again_finds_nothing_to_do(avc: Path, seed: int) -> None:
    test = avc.parent / "test"
    found = split_set(avc, test, clips=2, seed=seed)
    before = {folder: (require_manifest(folder), files(folder)) for folder in (avc, test)}

    for other in (seed, seed + 1):  # there are enough clips already, whatever would be drawn now
        assert split_set(avc, test, clips=2, seed=other) == found

    assert {folder: (require_manifest(folder), files(folder)) for folder in (avc, test)} == before


def test_more_is_held_out_when_more_is_asked_for(avc: Path) -> None:
    test = avc.parent / "test"
    one = split_set(avc, test, titles=["film"])

    more = split_set(avc, test, clips=2)

    assert len(more.titles) == 2
    assert {*one.clips} < {*more.clips} == {clip.name for clip in require_manifest(test).clips}
    assert titles(require_manifest(test)) == {*more.titles}
    with pytest.raises(DatasetError, match="no clip would be left"):
        split_set(avc, test, titles=sorted(titles(require_manifest(avc))))


def test_a_draw_into_another_folder_holds_out_more(avc: Path) -> None:
    one = split_set(avc, avc.parent / "one", clips=1)
    other = split_set(avc, avc.parent / "other", clips=1)

    assert not {*one.titles} & {*other.titles}
    with pytest.raises(DatasetError, match=f"--title {one.titles[0]!r} has no clips"):
        split_set(avc, avc.parent / "other", titles=one.titles)


def test_a_clip_that_was_brought_back_by_hand_is_not_removed(avc: Path) -> None:
    test = avc.parent / "test"
    (name,) = split_set(avc, test, titles=["film"]).clips
    (test / name).rename(avc / name)
    before = files(avc / name)

    split_set(avc, test, titles=["film"])

    assert files(avc / name) == before


@pytest.mark.parametrize("place", ["_copy", "write_manifest", "rmtree"])
@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("options", [{"titles": ["red"]}, {"clips": 2, "seed": 1}])
def test_a_stop_loses_nothing_and_the_same_command_goes_on(
    avc: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, place: str, call: int, options: dict[str, Any]
) -> None:
    test = avc.parent / "test"
    module = shutil if place == "rmtree" else splitting
    original = getattr(module, place)
    calls = iter(range(100))

    def replaced(*args: object, **options: object) -> object:
        if next(calls) == call + (place == "rmtree"):  # the first removes what a stop has left
            raise KeyboardInterrupt
        return original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, place, replaced)
        if place == "_copy" and call:
            return  # it is called once
        with pytest.raises(KeyboardInterrupt):
            split_set(avc, test, **options)
    assert files(avc) | files(test) == files(whole)

    found = split_set(avc, test, **options)

    assert files(avc) | files(test) == files(whole)
    assert titles(require_manifest(test)) == {*found.titles} == {*require_manifest(avc).held_out}
    assert len(found.titles) == 1
    assert not files(avc).keys() & files(test).keys()
    assert list(check_set(avc)) == list(check_set(test)) == []


def test_what_cannot_be_split_is_refused(avc: Path) -> None:
    test = avc.parent / "test"
    for options, message in (
        ({"clips": 0}, "--clips 0 is refused; the set has 5 clips, hold out 1 to 4"),
        ({"clips": 5}, "--clips 5 is refused"),
        ({"titles": ["green"]}, "--title 'green' has no clips; those of the set are blue, film, red"),
        ({"titles": ["blue", "red", "film"]}, "no clip would be left"),
    ):
        with pytest.raises(DatasetError, match=message):
            split_set(avc, test, **options)
    with pytest.raises(DatasetError, match="is the set itself"):
        split_set(avc, avc, clips=1)
    (avc.parent / "file").touch()
    with pytest.raises(DatasetError, match="the set is unchanged: use another folder, and split again"):
        split_set(avc, avc.parent / "file", clips=1)
    with pytest.raises(DatasetError, match=r"nowhere has no manifest\.json"):
        split_set(avc.parent / "nowhere", test, clips=1)
    assert not (avc.parent / "nowhere").exists()
    next(iter(avc.rglob("*.png"))).write_bytes(b"changed")
    with pytest.raises(DatasetError, match="is not as its manifest says"):
        split_set(avc, test, clips=1)
    assert not test.exists()

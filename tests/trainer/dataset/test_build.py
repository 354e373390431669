"""`dataset build`: cuts, repeats, the files it writes, stops, and input that cannot be used."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import wave
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.trainer.dataset.shows import FIRST, FRAMES, OPENING, SECOND, build, cuts, draw, files, write
from tests.trainer.lbo.episodes import HEIGHT, WIDTH
from trainer.cli import main
from trainer.cli.dataset_build import SOME_FAILED
from trainer.data.clips import Frame, VideoClip, find_clips, open_clip
from trainer.dataset import build as building
from trainer.dataset import clips as writing
from trainer.dataset.check import check_set
from trainer.dataset.manifest import MANIFEST_FILE, PAGE_FILE, Manifest, read_manifest, require_manifest
from trainer.dataset.measures import load_measures, measures_file
from trainer.errors import DatasetError
from trainer.vsr.config import VSRConfig


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two episodes with the same opening, in different encodings."""
    folder = tmp_path_factory.mktemp("show")
    write(folder / "Show 01.mkv", FIRST)
    write(folder / "Show 02.mkv", SECOND, crf=28)
    return folder


@pytest.fixture(scope="module")
def whole(show: Path) -> tuple[Path, Manifest]:
    """A set of up to 9 clips of each episode."""
    folder = show.parent / f"{show.name}-avc"
    return folder, build([show], folder, clips=9)


@pytest.fixture
def avc(whole: tuple[Path, Manifest], tmp_path: Path) -> Path:
    """A copy of the set, to be damaged."""
    return Path(shutil.copytree(whole[0], tmp_path / "avc"))


def test_every_known_cut_is_found_and_no_clip_crosses_one(whole: tuple[Path, Manifest]) -> None:
    folder, manifest = whole

    fit = ([1, 2, 3, 4], [0, 4])  # scenes that are long enough, without the opening in the second episode
    for video, scenes, numbers in zip(manifest.videos, (FIRST, SECOND), fit, strict=True):
        file = measures_file(folder / ".work" / "measures", video.digest, "edges")
        measures = load_measures(file)
        assert measures is not None
        assert np.flatnonzero(measures.shot_starts).tolist() == cuts(scenes)
        mine = [clip for clip in manifest.clips if clip.video == video.digest]
        for clip in mine:
            inside = range(clip.first + 1, clip.first + clip.frames)
            assert not [cut for cut in cuts(scenes) if cut in inside], clip.name
        assert {bisect_right(cuts(scenes), clip.first) - 1 for clip in mine} == {*numbers}


def test_a_repeated_opening_is_kept_once(whole: tuple[Path, Manifest]) -> None:
    _, manifest = whole
    first, second = manifest.videos

    assert first.repeats == {}
    assert second.repeats == {"Show 01.mkv": sum(length for _, length in OPENING)}
    opening = range(45, 45 + 76)
    assert not [clip for clip in manifest.clips if clip.video == second.digest and clip.first in opening]
    assert [clip.first for clip in manifest.clips if clip.video == first.digest and clip.first < 86]
    assert any("shown before" in each.reason for each in second.dropped)


def test_training_reads_the_clips_and_they_are_the_frames_of_the_videos(
    show: Path, whole: tuple[Path, Manifest]
) -> None:
    folder, manifest = whole
    found = find_clips(folder)

    assert [clip.name for clip in found] == [clip.name for clip in manifest.clips]
    for clip, entry in zip(found, manifest.clips, strict=True):
        assert len(clip) == entry.frames == FRAMES
        assert clip.check() == (WIDTH, HEIGHT)
        video = VideoClip(show / manifest.video_of(entry).name)
        expected = video.read(range(entry.first, entry.first + FRAMES))
        assert all(np.array_equal(a, b) for a, b in zip(clip.read(range(FRAMES)), expected, strict=True))
    assert list(check_set(folder)) == []


def test_all_outputs_say_that_quality_is_a_stand_in(
    show: Path, whole: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    folder, manifest = whole
    caplog.set_level(logging.INFO)
    build([show], folder, clips=9)

    texts = [caplog.text, (folder / MANIFEST_FILE).read_text(), (folder / PAGE_FILE).read_text().replace("&#x27;", "'")]
    assert all("stand-in for the paper's hyperIQA" in text for text in texts)
    assert manifest.versions["opencv-python-headless"]
    assert manifest.versions["opencv-python-headless"]


def test_the_page_shows_every_clip_the_distributions_and_the_reasons(whole: tuple[Path, Manifest]) -> None:
    folder, manifest = whole
    page = (folder / PAGE_FILE).read_text()

    for clip in manifest.clips:
        assert f"{clip.name}: from frame {clip.first}" in page
    assert page.count('src="data:image/jpeg;base64,/9j/') >= 3 * len(manifest.clips)
    assert page.count("<svg") == 3
    for text in (f"{WIDTH}x{HEIGHT}: {len(manifest.clips)}", "10 frames are left out: black", "shorter than 24 frames"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_best_clip_of_each_video_is_taken(show: Path, whole: tuple[Path, Manifest], tmp_path: Path) -> None:
    manifest = build([show], tmp_path / "avc")

    assert len(manifest.clips) == 2
    for clip in manifest.clips:
        others = [each.score for each in whole[1].clips if each.video == clip.video]
        assert clip.score == max(others)
        video = manifest.video_of(clip)
        reasons = [each.reason for each in video.dropped]
        assert reasons.count("others of this video have higher scores") >= len(others) - 1


def test_nothing_is_done_again(avc: Path, show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {each: each.stat().st_mtime_ns for each in avc.rglob("*.png")}
    manifest = (avc / MANIFEST_FILE).read_bytes()
    monkeypatch.setattr(building, "measure_video", None)
    monkeypatch.setattr(writing, "_write_png", None)

    build([show], avc, clips=9)

    assert {each: each.stat().st_mtime_ns for each in avc.rglob("*.png")} == before
    assert (avc / MANIFEST_FILE).read_bytes() == manifest


def test_a_stop_at_any_place_loses_nothing(
    show: Path, whole: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at(module: object, name: str, call: int) -> None:
        original = getattr(module, name)
        calls = iter(range(1 << 30))

        def replaced(*args: object) -> object:
            if next(calls) == call:
                raise KeyboardInterrupt
            return original(*args)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, replaced)
            with pytest.raises(KeyboardInterrupt):
                build([show], tmp_path / "avc", clips=9)

    stop_at(building, "measure_video", 1)
    measured = {each.name: each.stat().st_mtime_ns for each in (tmp_path / "avc" / ".work" / "measures").iterdir()}
    assert len(measured) == 1
    stop_at(writing, "_write_png", 30)
    assert len(files(tmp_path / "avc")) >= FRAMES
    stop_at(building, "write_manifest", 0)

    build([show], tmp_path / "avc", clips=9)

    assert files(tmp_path / "avc") == files(whole[0])
    assert read_manifest(tmp_path / "avc") == read_manifest(whole[0])
    for name, time in measured.items():
        assert (tmp_path / "avc" / ".work" / "measures" / name).stat().st_mtime_ns == time


def test_a_full_disk_is_reported_and_the_same_command_goes_on(
    show: Path, whole: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(range(1 << 30))
    original = writing._write_png

    def write_png(file: Path, frame: Frame) -> None:
        if FRAMES + 5 <= next(written) < 2 * FRAMES:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(file, frame)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_png", write_png)
        manifest = build([show], tmp_path / "avc", clips=9)

    assert 1 <= len(manifest.failed) < len(whole[1].clips)
    assert all("No space left on device" in each.reason and "build again" in each.reason for each in manifest.failed)
    assert len(manifest.clips) == len(whole[1].clips) - len(manifest.failed)
    assert list(check_set(tmp_path / "avc")) == []
    assert "No space left" in (tmp_path / "avc" / PAGE_FILE).read_text()
    build([show], tmp_path / "avc", clips=9)
    assert files(tmp_path / "avc") == files(whole[0])


def test_bad_videos_are_reported_and_the_rest_goes_on(tmp_path: Path, show: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "text.mkv").write_text("no video")
    (videos / "empty.mp4").write_bytes(b"")
    _write_sound(videos / "sound.mkv")
    write(videos / "short.mkv", [(7, FRAMES - 1)])
    write(videos / "black.mkv", [(-1, 2 * FRAMES)])
    write(videos / "no cut.mkv", [(8, FRAMES)])
    shutil.copy(show / "Show 01.mkv", videos / "Show 01.mkv")
    shutil.copy(show / "Show 01.mkv", videos / "Show 01 again.mkv")
    names = ["深夜アニメ 第1話.mkv", "two\nlines.mkv", " spaces  and 'quotes'.mkv"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"latin-\xe9.mkv"))
    for seed, name in enumerate(names, 20):
        write(tmp_path / "plain.mkv", [(seed, FRAMES + 4)])
        (tmp_path / "plain.mkv").rename(videos / name)

    (tmp_path / "no videos").mkdir()
    manifest = build([tmp_path / "nowhere.mkv", videos, tmp_path / "no videos"], tmp_path / "avc")

    reasons = {each.name: each.reason for each in manifest.failed}
    assert "text.mkv cannot be read" in reasons["text.mkv"]
    assert "empty.mp4 cannot be read" in reasons["empty.mp4"]
    assert "has no video" in reasons["sound.mkv"]
    assert "is the same file as" in reasons["Show 01.mkv"]
    assert "nowhere.mkv does not exist; name videos" in reasons["nowhere.mkv"]
    assert "no videos holds no videos (.avi" in reasons["no videos"]
    assert len(reasons) == 6
    empty = {each.name: each.reason for each in manifest.videos if each.reason}
    assert empty.keys() == {"short.mkv", "black.mkv"}
    assert empty["short.mkv"].startswith("no shot of 1 has enough usable frames in a row (too short: 1; the longest")
    assert f"shorter than {FRAMES} frames" in empty["short.mkv"]
    assert f"{2 * FRAMES} black" in empty["black.mkv"]
    taken = {manifest.video_of(clip).name for clip in manifest.clips}
    assert len(taken) == 2 + len(names)
    assert {"no cut.mkv", "深夜アニメ 第1話.mkv", "two\\nlines.mkv"} <= taken
    assert len(find_clips(tmp_path / "avc")) == len(manifest.clips)
    assert all("\n" not in clip.name and " " not in clip.name for clip in manifest.clips)
    page = (tmp_path / "avc" / PAGE_FILE).read_text(encoding="utf-8")
    assert all(name in page for name in reasons)


def test_titles_are_those_of_folders_where_names_begin_with_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, name in enumerate(["Show/01 - Pilot", "Show/02 - Second", "86 - 01", "two\nlines"]):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "plain.mkv", [(seed, FRAMES)])
        (tmp_path / "plain.mkv").rename(tmp_path / "videos" / f"{name}.mkv")

    manifest = build([tmp_path / "videos"], tmp_path / "avc")

    assert sorted(video.title for video in manifest.videos) == ["86", "show", "show", "two lines"]
    assert "titles begin with a number, perhaps of an episode: 86; correct them in" in caplog.text


def _write_sound(path: Path) -> None:
    with path.open("wb") as file, wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))


def test_pixels_become_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "dvd.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(32, 27)
        for frame in draw([(9, FRAMES)]):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))

    manifest = build([tmp_path / "dvd.mkv"], tmp_path / "avc")

    (clip,) = find_clips(tmp_path / "avc")
    assert clip.check() == (380, HEIGHT)  # 320 * 32 / 27 = 379.3
    assert manifest.videos[0].sample_aspect == "32/27"


def test_a_set_grows_and_knows_what_it_has_shown(show: Path, tmp_path: Path) -> None:
    one, two = show / "Show 01.mkv", show / "Show 02.mkv"
    build([one], tmp_path / "avc")

    manifest = build([two], tmp_path / "avc")

    assert [video.name for video in manifest.videos] == [one.name, two.name]
    assert {clip.video for clip in manifest.clips} == {video.digest for video in manifest.videos}
    assert manifest.videos[1].repeats == {"Show 01.mkv": 76}


def test_a_set_tells_whose_frames_it_no_longer_knows(
    show: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = show / "Show 01.mkv", show / "Show 02.mkv"
    build([one], tmp_path / "avc")
    shutil.rmtree(tmp_path / "avc" / ".work")

    build([two], tmp_path / "avc")

    told = [each.getMessage() for each in caplog.records if "no measures of this version" in each.getMessage()]
    assert len(told) == 1
    assert told[0].endswith(f"name it again too: {one}")
    caplog.clear()
    assert build([one, two], tmp_path / "avc").videos[1].repeats == {"Show 01.mkv": 76}
    assert "no measures" not in caplog.text


def test_changed_files_are_reported_and_stay(avc: Path, show: Path, whole: tuple[Path, Manifest]) -> None:
    clips = whole[1].clips
    changed = avc / clips[0].name / "00000003.png"
    Image.new("RGB", (WIDTH, HEIGHT)).save(changed)
    content = changed.read_bytes()
    shutil.rmtree(avc / clips[1].name)

    manifest = build([show], avc, clips=9)

    assert [each.name for each in manifest.failed] == [clips[0].name]
    assert "has changed since it was written" in manifest.failed[0].reason
    assert changed.read_bytes() == content
    assert manifest.clips == whole[1].clips
    assert list(check_set(avc)) == [f"{clips[0].name}: 00000003.png has changed; remove the folder, and build again"]
    build([show], avc)  # one clip of each video: what was changed is not removed, the rest is
    assert changed.read_bytes() == content


def test_a_folder_of_the_user_is_not_overwritten(show: Path, tmp_path: Path, whole: tuple[Path, Manifest]) -> None:
    name = max(whole[1].clips, key=lambda clip: clip.score).name
    (tmp_path / "avc" / name).mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "avc" / name / "mine.png")

    manifest = build([show], tmp_path / "avc")

    assert [each.name for each in manifest.failed] == [name]
    assert list((tmp_path / "avc" / name).iterdir()) == [tmp_path / "avc" / name / "mine.png"]
    assert len(manifest.clips) == 1


def test_only_what_build_wrote_is_removed_and_rules_that_changed_are_named(
    avc: Path, show: Path, whole: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    for clip in whole[1].clips:
        (avc / clip.name / "notes.txt").write_text("mine")
        (avc / clip.name / "sub").mkdir()
        (avc / clip.name / "sub" / "frame.png").write_text("mine")
    faults = list(check_set(avc))
    assert len(faults) == 2 * len(whole[1].clips)
    assert f"{whole[1].clips[0].name}: notes.txt is not of it; move it elsewhere" in faults

    stay = {clip.name for clip in build([show], avc).clips}

    gone = {clip.name for clip in whole[1].clips} - stay
    assert gone
    for name in gone:
        assert {each.name for each in (avc / name).iterdir()} == {"notes.txt", "sub"}
        assert f"{avc / name} is no longer chosen, and is removed" in caplog.messages
        assert f"{avc / name / 'notes.txt'} is not of the set, and stays" in caplog.messages
    assert all((avc / clip.name / "sub" / "frame.png").exists() for clip in whole[1].clips)
    assert "rules are not those of the last build: clips was 9, now 1; build with those" in caplog.text
    shutil.rmtree(avc / next(iter(gone)))
    caplog.set_level(logging.INFO)
    build([show / "Show 01.mkv"], avc)
    assert "measured already: 1 of 1 video" in caplog.messages
    assert caplog.text.count("rules are not those") == 1


def test_the_exit_code_and_the_reasons_tell_what_failed(
    show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    videos, avc = tmp_path / "videos", tmp_path / "avc"
    shutil.copytree(show, videos)
    command = ["dataset", "build", str(videos), "-o", str(avc), "--frames", str(FRAMES), "--jobs", "1"]
    original = writing._write_png

    def write_png(file: Path, frame: Frame) -> None:
        if file.parent.name.startswith("Show-02"):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(file, frame)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_png", write_png)
        assert main(command) == SOME_FAILED
    manifest = require_manifest(avc)
    assert [bool(video.reason) for video in manifest.videos] == [False, True]
    assert "No space left on device" in manifest.videos[1].reason
    assert "1 clip of 2 videos; 1 of those named now gave none, 1 failed." in caplog.text
    assert main(command) == 0
    (videos / "text.mkv").write_text("no video")
    assert main(command) == SOME_FAILED
    assert main([*command[:2], str(videos / "text.mkv"), "-o", str(tmp_path / "none")]) == 1


def test_what_failed_is_told_of_until_its_video_is_named_again(show: Path, tmp_path: Path) -> None:
    videos, avc = tmp_path / "videos", tmp_path / "avc"
    videos.mkdir()
    (videos / "text.mkv").write_text("no video")
    (tmp_path / "other.mkv").write_text("no video")
    one = show / "Show 01.mkv"
    names = ["other.mkv", "text.mkv"]
    assert sorted(each.name for each in build([videos, tmp_path / "other.mkv", one], avc).failed) == names

    assert sorted(each.name for each in build([show / "Show 02.mkv"], avc).failed) == names
    assert "no video" not in (avc / PAGE_FILE).read_text()
    assert "text.mkv cannot be read" in (avc / PAGE_FILE).read_text()

    shutil.copy(one, tmp_path / "other.mkv")
    (videos / "text.mkv").unlink()
    shutil.copy(show / "Show 02.mkv", videos)
    assert [each.name for each in build([tmp_path / "other.mkv"], avc).failed] == ["text.mkv"]
    assert build([videos], avc).failed == []


@pytest.mark.parametrize("step", ["measure_video", "write"])
def test_an_error_of_a_library_names_the_video(
    step: str, show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("new damage")

    place = (building, "measure_video") if step == "measure_video" else (writing, "_write_png")
    monkeypatch.setattr(*place, fail)
    video = show / "Show 01.mkv"

    (failed,) = build([video], tmp_path / "avc").failed

    assert failed.reason.endswith(f"{video} failed (ValueError: new damage); leave it out")
    assert "Source(" not in failed.reason


def test_frames_smaller_than_what_training_crops_are_told_of(
    show: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build([show / "Show 01.mkv"], tmp_path / "avc")

    size = require_manifest(tmp_path / "avc").videos[0]
    crop = VSRConfig().sampling.size
    (told,) = [each for each in caplog.messages if "training crops" in each]
    assert told.startswith(f"Show 01.mkv has frames of {size.width}x{size.height}, and training crops {crop}x{crop}")


def test_damaged_measures_are_made_again(avc: Path, show: Path, whole: tuple[Path, Manifest]) -> None:
    for file in (avc / ".work" / "measures").iterdir():
        file.write_bytes(file.read_bytes()[:-50])

    assert build([show], avc, clips=9).clips == whole[1].clips


def test_processes_give_the_same_set(show: Path, whole: tuple[Path, Manifest], tmp_path: Path) -> None:
    assert build([show], tmp_path / "avc", clips=9, jobs=2).clips == whole[1].clips
    assert files(tmp_path / "avc") == files(whole[0])


def test_errors_name_the_argument(show: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / MANIFEST_FILE).write_text(json.dumps({"clips": 3}))
    video, out = str(show / "Show 01.mkv"), str(tmp_path / "avc")
    for arguments, message in (
        ([video, "-o", out, "--frames", "1"], "--frames 1 is refused; use 2 or more, the paper has 100"),
        ([video, "-o", out, "--clips", "0"], "--clips 0 is refused; use 1 or more"),
        ([video, "-o", out, "--motion-weight", "1.5"], "--motion-weight 1.5 is refused; use 0"),
        ([video, "-o", out, "--least-quality", "-1"], "--least-quality -1.0 is refused"),
        ([video, "-o", out, "--jobs", "-2"], "--jobs -2 is refused"),
        ([video, "-o", video], "is no folder; name a folder for the clips"),
        ([str(tmp_path / "nowhere.mkv"), "-o", out], "nowhere.mkv does not exist; name videos, or folders of videos"),
        ([str(tmp_path / "nothing"), "-o", out], "nothing holds no videos"),
        ([video, "-o", str(tmp_path / "damaged")], f"{MANIFEST_FILE} cannot be read (it is damaged"),
    ):
        assert main(["dataset", "build", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "avc").exists()
    with pytest.raises(DatasetError, match=r"has no manifest\.json"):
        list(check_set(tmp_path / "nothing"))


def test_check_finds_every_kind_of_fault(
    avc: Path, whole: tuple[Path, Manifest], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert main(["dataset", "check", str(avc)]) == 0
    assert capsys.readouterr().out == ""
    assert caplog.messages == [f"{avc} is as its manifest says"]
    one, two, three, four = (clip.name for clip in whole[1].clips[:4])
    (avc / one / "00000001.png").unlink()
    shutil.copy(avc / one / "00000002.png", avc / one / "extra.png")
    shutil.rmtree(avc / two)
    damaged = avc / three / "00000000.png"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    shutil.copytree(avc / four, avc / "foreign")

    assert main(["dataset", "check", str(avc)]) == 1

    faults = capsys.readouterr().out.splitlines()
    assert any(each.startswith(f"{one}: 00000001.png is missing") for each in faults)
    assert any(each.startswith(f"{one}: extra.png is no frame") for each in faults)
    assert any(each.startswith(f"{two}: its folder is missing") for each in faults)
    assert any(each.startswith(f"{three}: 00000000.png has changed") for each in faults)
    assert any(each.startswith(f"{three}:") and "its end is missing" in each for each in faults)
    assert any(each.startswith("foreign: is not of this set") for each in faults)
    assert len(faults) == 6


def test_work_in_the_folder_is_no_clip(avc: Path) -> None:
    assert open_clip(avc / ".work") is None

"""Whole files, with workers in this process: what the result holds, and what happens if the work stops."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests import sources
from tests.episode import clips
from tests.episode.jobs import (
    QUICK,
    Inline,
    chunks_of,
    clip_digests,
    frame_digests,
    inline,
    needs_episodes,
    request,
    run,
)
from tests.recipes import probe
from tests.sources import CUTS, EPISODE_FRAMES, draw_episode
from tests.test_recipes import DVD_TAGS, WEB_TAGS, assert_has_the_rest, assert_shows, assert_video, frame_times
from tests.video import core
from vsanimesr.episode import encoding, estimate, job, media, pool, worker
from vsanimesr.episode.clips import run_script
from vsanimesr.episode.manifest import Folder, Record
from vsanimesr.episode.request import Request
from vsanimesr.episode.script import Script
from vsanimesr.errors import AnimeSRError, JobError, OptionError

__all__ = ["inline"]
pytestmark = [needs_episodes, pytest.mark.usefixtures("inline")]

SCRIPT = """
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({source!r})
core.animesr.Upscale(clip, backend="null", format=vs.YUV420P10).set_output()
"""


@pytest.fixture(scope="module")
def vfr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn episode with a variable frame rate, H.264 of 10 bits, 64x48."""
    folder = tmp_path_factory.mktemp("vfr")
    sources.write_vfr(folder, draw_episode(64, 48))
    return folder / "episode.mkv"


class Begun:
    """A job of which two of three chunks are finished, made once, and its whole result."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = folder / "episode.mkv"
        self._folder = folder
        shutil.copy(source, self.source)
        self.whole = run(request(self.source, folder / "whole.mkv"))
        with stopping_at(2), pytest.raises(JobError):
            run(request(self.source, folder / "new.mkv"))

    def copy(self, folder: Path, **changes: Any) -> Request:
        """Return the same request in another folder, where the same is finished."""
        shutil.copytree(Folder.of(self._folder / "new.mkv").path, Folder.of(folder / "new.mkv").path)
        return request(self.source, folder / "new.mkv", **changes)

    def copy_finished(self, folder: Path, **changes: Any) -> Request:
        """Return the same request in another folder, where all is finished."""
        for path in (self.whole, job.sidecar_path(self.whole)):
            shutil.copy(path, folder / path.name.replace("whole", "new"))
        return request(self.source, folder / "new.mkv", **changes)


@contextmanager
def stopping_at(number: int) -> Iterator[None]:
    """Make the chunk with this number fail, as if the network did."""
    real = worker.encode_chunk

    def encode_chunk(folder: str, n: int) -> Record:
        if n == number:
            raise JobError("planned")
        return real(folder, n)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker, "encode_chunk", encode_chunk)
        patched.setattr(pool, "Process", Inline)
        yield


@pytest.fixture(scope="module")
def begun(vfr: Path, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """A job in work."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "Process", Inline)
        return Begun(vfr, tmp_path_factory.mktemp("begun"))


def message(wanted: Request) -> str:
    """Return what a request is refused with."""
    with pytest.raises(AnimeSRError) as caught:
        run(wanted)
    return str(caught.value)


def test_a_dvd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = sources.write_dvd(tmp_path, film=draw_episode(60, 40, twos=False))

    result = run(request(tmp_path / "episode.mkv", tmp_path / "new.mkv", {"height": ["160"]}, **QUICK))

    assert_shows(result, film)
    assert_has_the_rest(result, tmp_path / "episode.mkv")
    assert_video(result, DVD_TAGS, codec_name="hevc", width=240, height=160)
    start = frame_times(tmp_path / "episode.mkv")[0]
    assert frame_times(result) == pytest.approx([start + n * 1001 / 24 for n in range(EPISODE_FRAMES)], abs=1)
    pixel = Fraction(probe(result)["streams"][0]["sample_aspect_ratio"].replace(":", "/"))
    assert abs(pixel - Fraction(32, 27)) <= Fraction(1, 2 * 240)  # mkv rounds the shown width
    said = capsys.readouterr().err
    assert "60 of 60 frames that were looked at say that they are interlaced" in said
    assert "one frame in five is dropped (as with --inverse-telecine" in said
    assert [chunk[:2] for chunk in chunks_of(result)] == [[0, 14], [14, 37], [37, 48]]


def test_an_interlaced_pal_dvd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sources.write_interlaced(tmp_path, draw_episode(60, 40))

    result = run(request(tmp_path / "episode.mkv", tmp_path / "new.mkv", **QUICK))

    assert_shows(result, pictures)
    assert frame_times(result) == frame_times(tmp_path / "episode.mkv")
    assert "no frame is dropped (as with --inverse-telecine" in capsys.readouterr().err


@pytest.mark.parametrize("first", [False, True])
def test_a_cover_is_not_encoded(tmp_path: Path, first: bool) -> None:
    source = clips.write_covered(tmp_path / "episode.mp4", cover_first=first)

    result = run(request(source, tmp_path / "new.mkv"))

    found = media.probe(result)
    assert (found.width, found.height, found.video) == (256, 192, 0)
    assert frame_times(result) == pytest.approx([n * 1000 / 24 for n in range(24)], abs=1)
    assert [(each.codec, each.picture) for each in found.streams] == [("ffv1", False), ("mjpeg", True)]
    assert ("track=1" in job.print_script(request(source, tmp_path / "x.mkv"))) == first


@pytest.mark.parametrize("name", ["episode.mkv", "episode.vob"])
def test_a_film_that_a_dvd_telecines_by_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """As many frames as the file has, which shows them for 50 and 33 ms, at 23.976 frames a second."""
    film = draw_episode(96, 64, twos=False)
    source = clips.write_soft_telecine(tmp_path / name, film, format="vob" if name.endswith("vob") else None)

    result = run(request(source, tmp_path / "new.mkv"))

    assert_shows(result, film)
    start = 1000 * media.probe(source).start
    assert frame_times(result) == pytest.approx([float(start) + n * 1001 / 24 for n in range(EPISODE_FRAMES)], abs=1)
    assert abs(media.probe(result).frame_rate - Fraction(24000, 1001)) < Fraction(1, 100)
    said = capsys.readouterr().err
    assert f"{name}: 24 of 48 frames that were looked at repeat a field: their fields are matched, and one" in said
    assert len(said.splitlines()) == 4, said
    [found], [expected] = clips.read_packets(result, "audio"), clips.read_packets(source, "audio")
    assert [packet.content for packet in found] == [packet.content for packet in expected]
    # The last film frame begins as long before the end as the source's does.
    assert abs(frame_times(result)[-1] - 1000 * (media.probe(source).start + clips.soft_start(47))) <= 9
    assert media.probe(result).colours == media.probe(source).colours


@pytest.mark.parametrize(
    ("rate", "dropped"), [(Fraction(24000, 1001), True), (Fraction(30000, 1001), True), (Fraction(25), False)]
)
def test_what_is_said_of_repeated_fields_is_done(
    vfr: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rate: Fraction, dropped: bool
) -> None:
    found = media.probe(vfr)
    fields = replace(found.fields, repeated=50)
    monkeypatch.setattr(media, "probe", lambda _: replace(found, frame_rate=rate, fields=fields))
    monkeypatch.setattr(Script, "open_source", lambda _: core.std.BlankClip(format=vs.YUV420P8))

    for wanted in (request(vfr, Path("new.mkv")), request(vfr, Path("new.mkv"), fields="inverse-telecine")):
        assert ("VDecimate" in job.print_script(wanted)) == dropped
    said = capsys.readouterr().err
    assert said.count("one frame in five is dropped" if dropped else "no frame is dropped") == 1


def test_a_variable_frame_rate(vfr: Path, tmp_path: Path) -> None:
    result = run(request(vfr, tmp_path / "new.mkv", **QUICK))

    assert_shows(result, draw_episode(64, 48))
    assert_has_the_rest(result, vfr)
    assert_video(result, WEB_TAGS, codec_name="hevc", width=256, sample_aspect_ratio="1:1")
    assert frame_times(result) == frame_times(vfr)
    assert [chunk[0] for chunk in chunks_of(result)] == [*CUTS]


def test_frames_are_those_of_the_script_whatever_the_chunks(vfr: Path, tmp_path: Path) -> None:
    wanted = request(vfr, tmp_path / "one.mkv", {"held": ["skip"]}, chunk=1000)
    whole = run(wanted)
    parts = run(request(vfr, tmp_path / "many.mkv", {"held": ["skip"], "segment": ["6", "2"]}, chunk=6))

    script = job.print_script(wanted)
    assert len(chunks_of(whole)) == 1
    assert frame_digests(whole) == clip_digests(run_script(script, Path("printed.vpy")))
    assert len(chunks_of(parts)) > 5
    again = job.print_script(request(vfr, tmp_path / "x.mkv", {"held": ["skip"], "segment": ["6", "2"]}))
    assert frame_digests(parts) == clip_digests(run_script(again, Path("printed.vpy")))


@pytest.mark.parametrize(("first", "last"), [(20, 30), (0, 14), (37, 48), (5, 41)])
def test_a_range_has_the_frames_of_the_whole(vfr: Path, tmp_path: Path, first: int, last: int) -> None:
    whole = run(request(vfr, tmp_path / "whole.mkv", {"held": ["skip"]}))
    part = run(request(vfr, tmp_path / "part.mkv", {"held": ["skip"]}, range=f"{first}-{last}"))

    assert frame_digests(part) == frame_digests(whole)[first:last]
    times = frame_times(vfr)[first:last]
    assert frame_times(part) == [time - times[0] for time in times]


@pytest.mark.parametrize("arguments", [{}, {"scene_change": ["0", "14", "37"]}])
def test_scenes_behind_a_range_are_not_counted(
    vfr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any]
) -> None:
    run(request(vfr, tmp_path / "new.mkv", arguments, range="5-20"))

    assert "new.mkv: 15 frames, 2 scenes\n" in capsys.readouterr().err


def test_frames_that_cannot_have_their_times_are_said(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = media.frame_times(vfr)
    monkeypatch.setattr(media, "frame_times", lambda *_: times[:-1])

    result = run(request(vfr, tmp_path / "new.mkv"))

    assert "episode.mkv has 47 frames, but 48 are encoded: they do not get its times" in capsys.readouterr().err
    assert np.ptp(np.diff(frame_times(result))) <= 1
    monkeypatch.undo()
    assert np.ptp(np.diff(frame_times(vfr))) > 1


@pytest.mark.parametrize("matched", [False, True])
def test_a_file_that_is_cut_off_is_said(
    vfr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], matched: bool
) -> None:
    source = tmp_path / "episode.mkv"
    whole = clips.write_soft_telecine(tmp_path / "dvd.mkv", draw_episode(96, 64, twos=False)) if matched else vfr
    content = whole.read_bytes()
    source.write_bytes(content[: len(content) * 3 // 4])

    result = run(request(source, tmp_path / "new.mkv"))

    said = capsys.readouterr().err
    last = frame_times(source)[-1] / 1000
    assert re.search(rf"episode\.mkv is cut off: its video ends at {last:.1f} s of 2\.\d s\. What is there", said), said
    assert 10 < len(frame_times(result)) < EPISODE_FRAMES
    run(request(whole, tmp_path / "whole.mkv"))
    assert "cut off" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_with_a_colon_is_no_protocol(vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(vfr, tmp_path / "Re:Zero 01.mkv")
    monkeypatch.chdir(tmp_path)

    result = run(request(Path("Re:Zero 01.mkv"), Path("Re:Zero 4K.mkv")))

    assert frame_digests(result) == frame_digests(run(request(vfr, tmp_path / "other.mkv")))


def test_the_users_own_script(vfr: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text(SCRIPT.format(source=str(vfr)))
    scenes = tmp_path / "scenes.txt"
    scenes.write_text("0\n14\n37\n")

    result = run(request(script, tmp_path / "new.mkv", {"scene_change": [str(scenes)]}, streams=vfr))

    assert frame_digests(result) == clip_digests(run_script(script.read_text(), script))
    assert frame_times(result) == frame_times(vfr)
    assert_has_the_rest(result, vfr)
    assert [chunk[0] for chunk in chunks_of(result)] == [*CUTS]
    assert "--backend: " in message(request(script, tmp_path / "x.mkv", {"backend": ["null"]}))
    scenes.write_text("0\n20\n")
    said = message(request(script, tmp_path / "new.mkv", {"scene_change": [str(scenes)]}, streams=vfr))
    assert "scene file was 0 14 37, now 0 20" in said


@pytest.mark.parametrize("arguments", [{}, {"scene_change": ["auto"]}, {"scene_change": ["none"]}])
def test_chunks_of_a_script_whose_scenes_are_not_known_have_one_length(
    vfr: Path, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text(SCRIPT.format(source=str(vfr)))

    result = run(request(script, tmp_path / "new.mkv", arguments, streams=vfr))

    assert [chunk[0] for chunk in chunks_of(result)] == [0, 16, 32]


def test_a_stopped_job_says_what_is_finished(vfr: Path, tmp_path: Path) -> None:
    wanted = request(vfr, tmp_path / "new.mkv")
    with stopping_at(2):
        said = message(wanted)

    assert "chunk 2 (frames 37 to 47, from 2.1 s on): planned. 2 of 3 chunks are finished and kept" in said
    assert "run the same command again to go on" in said
    assert said in (Folder.of(wanted.output).path / "log.txt").read_text()
    assert not wanted.output.exists()


def test_a_worker_that_cannot_start_ends_the_work_and_what_is_kept_is_said(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Inline.submit

    def submit(process: Inline, function: Any, folder: str, number: int) -> Any:
        if number == 2:
            raise JobError("a worker process cannot start")
        return real(process, function, folder, number)

    monkeypatch.setattr(Inline, "submit", submit)

    said = message(request(vfr, tmp_path / "new.mkv"))

    assert "a worker process cannot start. 2 of 3 chunks are finished and kept; run the same command again" in said


def test_a_stopped_job_goes_on(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = begun.copy(tmp_path)
    made: list[int] = []
    real = worker.encode_chunk

    def encode_chunk(path: str, number: int) -> Record:
        made.append(number)
        return real(path, number)

    monkeypatch.setattr(worker, "encode_chunk", encode_chunk)

    run(wanted)

    assert made == [2]
    assert "2 of 3 chunks are finished already; going on" in capsys.readouterr().err
    assert chunks_of(wanted.output) == chunks_of(begun.whole)
    assert frame_digests(wanted.output) == frame_digests(begun.whole)
    assert not Folder.of(wanted.output).path.exists()


def test_a_job_goes_on_after_its_input_was_moved(begun: Begun, tmp_path: Path) -> None:
    wanted = begun.copy(tmp_path)
    manifest = Folder.of(wanted.output).manifest_path
    manifest.write_text(manifest.read_text().replace(str(begun.source), str(tmp_path / "gone" / "episode.mkv")))

    assert frame_digests(run(wanted)) == frame_digests(begun.whole)


def test_after_a_restart_one_goes_on_without_it(vfr: Path, tmp_path: Path) -> None:
    with stopping_at(2):
        assert message(request(vfr, tmp_path / "new.mkv", restart=True)).endswith(
            "2 of 3 chunks are finished and kept; run the same command again, without --restart, to go on"
        )


def test_a_finished_result_is_not_made_again(begun: Begun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = begun.copy_finished(tmp_path)
    before = wanted.output.stat()

    assert run(wanted).stat() == before
    assert f"{wanted.output} is finished already" in capsys.readouterr().err
    assert not Folder.of(wanted.output).path.exists()
    run(replace(wanted, restart=True))
    assert wanted.output.stat().st_ino != before.st_ino


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arguments": {"preroll": ["2"]}}, ["script was", "preroll=2"]),
        ({"arguments": {"scene_change": ["0", "9"]}}, ["script was", "scene_change=[0, 9]"]),
        ({"encoder": "x264"}, ["encoder was ffv1, now x264"]),
        ({"encoder_options": {"slices": "4"}}, ["encoder options was nothing, now slices=4"]),
        ({"range": "0-20"}, ["frames was 0 to 47 of 48, now 0 to 19 of 48"]),
        ({"chunk": 20}, ["chunk was 16, now 20"]),
        ({"fields": "progressive"}, ["script was", "SetFieldBased"]),
        ({"input": "other"}, ["input was", " bytes, "]),
    ],
)
def test_another_job_on_the_same_result_is_refused(
    begun: Begun, tmp_path: Path, finished: bool, changes: dict[str, Any], words: list[str]
) -> None:
    if changes.get("input") == "other":
        content = bytearray(begun.source.read_bytes())
        content[-1] ^= 1
        (tmp_path / begun.source.name).write_bytes(content)
        changes = {"input": tmp_path / begun.source.name}

    said = message((begun.copy_finished if finished else begun.copy)(tmp_path, **changes))

    assert [word for word in ["otherwise", "--restart", *words] if word not in said] == [], said


def test_another_model_or_backend_is_refused(begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = worker._made_by
    monkeypatch.setattr(worker, "_made_by", lambda frame: real(frame).replace("null", "torch"))

    assert "filter was v2, null, none, now v2, torch, none" in message(begun.copy(tmp_path))


def test_a_worker_with_another_backend_or_version_makes_nothing(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder.of(begun.copy(tmp_path).output)
    real = worker._made_by

    with monkeypatch.context() as patched:
        patched.setattr(worker, "_made_by", lambda frame: real(frame).replace("null", "torch"))
        with pytest.raises(JobError, match=r"made by v2, torch, none, and the job was begun with v2, null, none"):
            worker.encode_chunk(str(folder.path), 2)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "version", lambda _: "9.9")
        with pytest.raises(JobError, match=r"vapoursynth-animesr was .*, now 9.9; install the same"):
            worker.encode_chunk(str(folder.path), 2)
    assert folder.read_record(2) is None
    assert not list(folder.path.glob("*.part*"))


def test_restart_begins_anew(begun: Begun, tmp_path: Path) -> None:
    result = run(begun.copy(tmp_path, arguments={"preroll": ["2"]}, restart=True))

    assert "preroll=2" in job.sidecar_path(result).read_text()
    assert frame_digests(result) != frame_digests(begun.whole)


@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "record"])
def test_a_damaged_chunk_is_made_again(
    begun: Begun, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = begun.copy(tmp_path)
    chunk = Folder.of(wanted.output).chunk_path(0)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    match damage:
        case "flipped":
            chunk.write_bytes(content)
        case "short":
            chunk.write_bytes(content[:-10])
        case "missing":
            chunk.unlink()
        case "record":
            chunk.with_suffix(".json").write_text("{")

    assert frame_digests(run(wanted)) == frame_digests(begun.whole)
    assert (f"{chunk} is missing or damaged; it is made again" in capsys.readouterr().err) == (damage != "record")


def test_an_unreadable_frame_is_named_and_finished_chunks_are_kept(vfr: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.vpy"
    broken = "clip = vs.core.std.FrameEval(clip, lambda n, c=clip: c if n != 46 else 1 / 0)"
    good = SCRIPT.format(source=str(vfr))
    script.write_text(good.replace("core.animesr", f"{broken}\ncore.animesr"))
    wanted = request(script, tmp_path / "new.mkv", {"scene_change": ["0", "14", "37"]}, streams=vfr)

    said = message(wanted)

    assert "chunk 2 (frames 37 to 47" in said
    assert re.search(r"frame 4\d cannot be made: ZeroDivisionError: division by zero\. 2 of 3", said)
    assert "2 of 3 chunks are finished and kept; run the same command again" in said
    assert Folder.of(wanted.output).read_record(1) is not None


def test_a_full_disk(vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = request(vfr, tmp_path / "new.mkv")
    (tmp_path / "full.mkv").symlink_to("/dev/full")
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "part_path", lambda self, number: tmp_path / "full.mkv")
        said = message(wanted)

    assert "No space left on device" in said
    assert "chunk 1 (frames 14 to 36" in said  # the longest is made first
    assert "0 of 3 chunks are finished and kept; run the same command again" in said
    assert len(frame_digests(run(wanted))) == EPISODE_FRAMES


def test_a_full_disk_in_the_end(vfr: Path, tmp_path: Path) -> None:
    wanted = request(vfr, tmp_path / "new.mkv")
    (tmp_path / "new.mkv.part").symlink_to("/dev/full")

    said = message(wanted)

    assert f"{wanted.output} cannot be written (No space left on device); free space there. All" in said
    assert "All chunks are finished and kept; run the same command again" in said
    assert not wanted.output.exists()
    (tmp_path / "new.mkv.part").unlink(missing_ok=True)
    assert len(frame_digests(run(wanted))) == EPISODE_FRAMES


def test_the_estimate_is_measured_and_the_disk_is_checked(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "SHORT", 0)
    wanted = request(vfr, tmp_path / "new.mkv")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=60_000_000))
        said = message(wanted)
    assert "has 60.0 MB free" in said
    assert "--no-estimate" in said

    size = run(wanted).stat().st_size

    line = next(line for line in capsys.readouterr().err.splitlines() if "about" in line)
    assert line.startswith("48 frames, 3 scenes, 3 chunks: about ")
    number, unit = line.partition(" s, ")[2].partition(";")[0].split()
    assert 0.5 < float(number) * {"kB": 1e3, "MB": 1e6}[unit] / size < 2


def test_a_sample_takes_as_long_as_the_check_of_what_it_encoded(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder.of(begun.copy(tmp_path).output).path
    real = encoding.digest

    def digest(path: Path) -> tuple[int, str]:
        time.sleep(0.3)
        return real(path)

    monkeypatch.setattr(encoding, "digest", digest)
    sample = worker.measure(str(folder), 2)
    assert sample.seconds >= 0.3
    assert sample.frames == 11
    assert not list(folder.glob("*.part*"))


def test_a_file_that_is_not_ours_is_not_overwritten(vfr: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.mkv"
    output.write_text("precious")

    for restart in (False, True):
        assert "exists, and no new.mkv.animesr.json says how it was made" in message(
            request(vfr, output, restart=restart)
        )
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": Path("none.mkv")}, ["none.mkv is no file"]),
        ({"output": Path("new.avi")}, ["new.avi ends neither in .mkv nor in .mp4"]),
        ({"output": Path(f"{'é' * 120}.mkv")}, ["the name is 7 bytes too long; use a shorter one"]),
        ({"output": Path("none/new.mkv")}, ["the folder none does not exist; create it"]),
        ({"encoder_options": {"speed": "9"}}, ["ffv1 has no argument 'speed'"]),
        ({"range": "90-100"}, ["--range 90-100 has no frames", "0 to 47"]),
        ({"arguments": {"backend": ["null"], "height": ["99999"]}}, ["episode.mkv", "height=99999"]),
        ({"arguments": {"backend": ["null"], "format": ["RGBS"]}}, ["ffv1 does not encode RGBS"]),
        ({"streams": Path("none.mkv")}, ["--streams-from none.mkv is no file"]),
    ],
)
def test_what_is_refused_before_the_work(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    said = message(replace(request(vfr, Path("new.mkv")), **changes))

    assert [word for word in words if word not in said] == [], said
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_not_overwritten(vfr: Path) -> None:
    assert "would overwrite" in message(request(vfr, vfr))


def test_a_script_that_changes_its_format_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text(
        "from vapoursynth import core\none = core.std.BlankClip()\n"
        "core.std.Splice([one, one.std.Crop(2)], mismatch=True).set_output()"
    )

    with pytest.raises(JobError, match=r"changes its format or size"):
        run(request(script, tmp_path / "new.mkv"))
    assert isinstance(OptionError(""), AnimeSRError)


def test_what_upscale_says_of_a_clip_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = clips.write_covered(tmp_path / "episode.mp4", cover_first=False)

    run(request(source, tmp_path / "new.mkv"))

    said = capsys.readouterr().err
    assert said.count("episode.mp4: the clip has no _Matrix (read as BT.601, because it has 48 lines) and no _Ra") == 1
    assert "in the script that --vpy prints" in said
    run(request(source, tmp_path / "new.mkv"))
    assert "_Matrix" not in capsys.readouterr().err


def test_a_real_network(tmp_path: Path) -> None:
    """The default model, with the backend that is chosen here."""
    sources.write_web(tmp_path)
    source = tmp_path / "episode.mkv"
    wanted = Request(
        input=source, output=tmp_path / "new.mkv", arguments={"preroll": ["0"]}, range="0-3", encoder="ffv1", chunk=2
    )

    result = run(wanted)

    clip = core.animesr.Upscale(core.bs.VideoSource(str(source)), preroll=0, format=vs.YUV420P10)[:3]
    assert frame_digests(result) == clip_digests(clip)
    made_by = json.loads(job.sidecar_path(result).read_text())["identity"]["filter"]
    assert made_by.startswith("v2 ")
    assert np.unique([len(digest) for digest in frame_digests(result)]).tolist() == [64]
    assert encoding.digest(result)[0] == 3

"""Sources that are refused, and the copy that the refusal names."""

from __future__ import annotations

import shlex
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from scripts.studies.combs import interlaced, telecined
from tests.episode.clips import write_soft_telecine
from tests.trainer.clips import cartoon_clip
from tests.trainer.lbo.networks import save_debug_network
from trainer.advice.combing import measure_clip
from trainer.advice.copying import copy_progressive
from trainer.advice.sources import require_fit_episode, require_fit_hq, require_fit_sources
from trainer.cli import main
from trainer.data.clips import require_clip
from trainer.data.uint8 import Frames
from trainer.errors import SourceError

FILM = np.ascontiguousarray(cartoon_clip(24, 96, 144).permute(0, 2, 3, 1).numpy())
NTSC = Fraction(30000, 1001)


def write(path: Path, frames: Frames, *, codec: str = "ffv1", aspect: Fraction | None = None, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=NTSC, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def command(error: pytest.ExceptionInfo[SourceError]) -> list[str]:
    """Return the arguments of the command that an error names, behind `python -m trainer`."""
    text = str(error.value).partition("use that: ")[2].partition(";")[0]
    start, *rest = text.partition("python -m trainer ")[1:]
    assert start == "python -m trainer "
    return shlex.split(rest[0])


@pytest.mark.parametrize("make", [telecined, interlaced])
def test_combing_that_no_flag_tells_is_refused_and_the_remedy_gives_a_fit_copy(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write(tmp_path / "old one.mkv", make(FILM))

    with pytest.raises(SourceError, match=r"is combed.*though it does not say so") as error:
        require_fit_episode(source)

    assert main(command(error)) == 0
    copy = tmp_path / "old one-progressive.mkv"
    require_fit_episode(copy)
    assert measure_clip(require_clip(copy, "copy")).combed == 0
    if make is telecined:
        assert len(require_clip(copy, "copy")) == len(FILM)


def test_an_anamorphic_source_is_refused_and_the_remedy_gives_square_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write(tmp_path / "wide.mkv", FILM, codec="libx264", aspect=Fraction(32, 27))

    with pytest.raises(SourceError, match=r"wide.mkv is anamorphic: its pixels are 32:27") as error:
        require_fit_episode(source)

    assert main(command(error)) == 0
    require_fit_episode(tmp_path / "wide-progressive.mkv")
    assert require_clip(tmp_path / "wide-progressive.mkv", "copy").check() == (170, 96)


def test_progressive_video_with_the_flags_of_interlaced_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    require_fit_episode(write(tmp_path / "flagged.mkv", FILM, codec="mpeg2video", flags="+ildct+ilme", qmax="4"))

    assert "say that they are interlaced, but none of" in caplog.text


def test_a_still_video_with_these_flags_is_refused(tmp_path: Path) -> None:
    still = write(tmp_path / "still.mkv", FILM[:1].repeat(12, 0), codec="mpeg2video", flags="+ildct+ilme")

    with pytest.raises(SourceError, match="too little moves to see it"):
        require_fit_episode(still)


def test_film_whose_fields_are_repeated_by_flags_has_only_its_pixels_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soft = write_soft_telecine(tmp_path / "dvd.mkv", FILM[..., 1])

    with pytest.raises(SourceError) as error:
        require_fit_episode(soft)

    assert "anamorphic" in str(error.value)
    assert "combed" not in str(error.value)
    assert main(command(error)) == 0
    copy = require_clip(tmp_path / "dvd-progressive.mkv", "copy")
    assert len(copy) == len(FILM)
    assert np.abs(np.int16(copy.read([9])[0][:, :, 1].mean()) - FILM[9, ..., 1].mean()) < 3


def test_hq_is_looked_at_too(tmp_path: Path) -> None:
    for name, frames in {"a": FILM, "b": interlaced(FILM)}.items():
        (tmp_path / name).mkdir()
        for n, picture in enumerate(frames):
            Image.fromarray(picture).save(tmp_path / name / f"{n:08}.png")

    with pytest.raises(SourceError, match=f"{tmp_path / 'b'} is combed"):
        require_fit_hq(tmp_path)


def test_all_that_is_unfit_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "hq").mkdir()
    paths = [tmp_path / "one.mkv", tmp_path / "two.mkv", tmp_path / "hq" / "three.mkv"]
    for path in paths:
        write(path, interlaced(FILM))

    with pytest.raises(SourceError) as error:
        require_fit_sources(paths[:2], tmp_path / "hq")

    assert [line.partition(" is combed")[0] for line in str(error.value).splitlines()] == list(map(str, paths))


def test_commands_refuse_combed_sources_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, data, out = write(tmp_path / "old.mkv", interlaced(FILM)), tmp_path / "hq", tmp_path / "out"
    data.mkdir()
    write(data / "hq.mkv", FILM)

    debug = ["--preset", "debug", "--model", save_debug_network(tmp_path / "debug.safetensors"), "lbo.size=64"]
    for arguments in (
        ["recipe", str(source), "--data", str(data), *debug],
        ["lbo", "pairs", str(source), "--factor", "0.5"],
    ):
        assert main([*arguments, "-o", str(out)]) == 1
        assert "old.mkv is combed" in capsys.readouterr().err
    assert main(["vsr-l1", "debug", f"data={tmp_path}", "-o", str(out)]) == 1
    assert "old.mkv is combed" in capsys.readouterr().err
    assert not out.exists()


def test_as_is_takes_them(tmp_path: Path) -> None:
    source = write(tmp_path / "old.mkv", interlaced(FILM.repeat(2, 0)))

    assert (
        main(["lbo", "pairs", str(source), "--factor", "0.5", "--count", "1", "--as-is", "-o", str(tmp_path / "o")])
        == 0
    )
    assert (tmp_path / "o" / "windows.json").is_file()


def test_a_copy_does_not_replace_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "old.mkv", FILM)
    before = source.read_bytes()

    assert main(["prepare", str(source), "-o", str(source)]) == 1
    assert "write to another file" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_an_unfinished_copy_is_not_taken_for_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, copy = write(tmp_path / "old.mkv", FILM), tmp_path / "copy.mkv"

    def killed(_frames: object, _video: object, _settings: object, path: Path, **_: object) -> int:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.advice.copying.encode", killed)
    with pytest.raises(KeyboardInterrupt):
        copy_progressive(source, copy)
    assert not copy.exists()

"""Scripts made for a file: their text, their arguments, and their errors."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests import sources
from tests.episode.jobs import needs_episodes
from tests.video import core
from vsanimesr.episode import script
from vsanimesr.episode.clips import run_script
from vsanimesr.episode.script import make_script, read_script, upscale_arguments
from vsanimesr.errors import MissingDependencyError, OptionError
from vsanimesr.options import Options

pytestmark = needs_episodes

FILM = Fraction(24000, 1001)
ARGUMENTS = {
    "model": ["v1"],
    "backend": ["null"],
    "scene_change": ["0", "7"],
    "segment": ["100", "8"],
    "height": ["96"],
    "format": ["YUV420P10"],
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    sources.write_web(folder)
    return folder / "episode.mkv"


def test_the_text_runs_by_itself_and_gives_the_same_clip(web: Path) -> None:
    made = make_script(web, None, FILM, ARGUMENTS)
    text = made.text()

    assert f"clip = core.bs.VideoSource({str(web)!r})\n" in text
    assert (
        "core.animesr.Upscale(clip, model='v1', backend='null', scene_change=[0, 7], segment=[100, 8], height=96, "
        "format=vs.YUV420P10)\n" in text
    )
    ours, again = made.open(), run_script(text, Path("printed.vpy"))
    assert (len(ours), ours.width, ours.height, ours.format.name) == (24, 128, 96, "YUV420P10")
    assert again.get_frame(9).props["AnimeSRAnchor"] == ours.get_frame(9).props["AnimeSRAnchor"] == 7


def test_a_part_is_cut_behind_the_filter(web: Path) -> None:
    text = make_script(web, None, FILM, ARGUMENTS).text(None, 8, 12)

    assert text.endswith("clip = clip[8:12]\nclip.set_output()\n")
    clip = run_script(text, Path("printed.vpy"))
    assert len(clip) == 4
    assert clip.get_frame(0).props["AnimeSRAnchor"] == 7


@pytest.mark.parametrize(
    ("fields", "rate", "inside", "outside"),
    [
        (None, FILM, ["VideoSource("], ["rff", "VFM", "Bwdif", "SetFieldBased"]),
        ("progressive", FILM, ["SetFieldBased(clip, 0)"], ["rff", "VFM", "Bwdif"]),
        ("inverse-telecine", Fraction(30000, 1001), ["rff=True", "VFM", "Bwdif", "VDecimate"], []),
        ("inverse-telecine", Fraction(2997, 100), ["VDecimate"], []),
        ("inverse-telecine", Fraction(25), ["rff=True", "VFM", "Bwdif"], ["VDecimate"]),
        ("deinterlace", Fraction(25), ["rff=True", "Bwdif"], ["VFM", "VDecimate"]),
    ],
)
def test_what_is_done_with_fields(
    web: Path, fields: script.Fields | None, rate: Fraction, inside: list[str], outside: list[str]
) -> None:
    text = make_script(web, fields, rate, {}).text()

    assert [word for word in inside if word not in text] == []
    assert [word for word in outside if word in text] == []


@pytest.mark.parametrize("bits", [8, 10])
def test_film_comes_back_from_fields_with_all_its_bits(bits: int) -> None:
    """VFM looks at 8 bits, and the frames that it returns have those of the source."""
    yuv = core.query_video_format(vs.YUV, vs.INTEGER, bits, 1, 1).id
    film = core.std.BlankClip(format=yuv, width=64, height=48, length=40, keep=False)
    film = film.std.ModifyFrame(film, draw_bars)
    pattern = (0, 1, 2, 3, 2, 5, 4, 7, 6, 7)
    fields = film.std.SeparateFields(tff=True).std.SelectEvery(8, pattern)
    clip = fields.std.DoubleWeave(tff=True).std.SelectEvery(2, 0).std.AssumeFPS(fpsnum=30000, fpsden=1001)

    text = make_script(Path("x"), "inverse-telecine", Fraction(30000, 1001), {}).source.partition("\n" + "clip =")[2]
    found: dict[str, Any] = {"core": core, "vs": vs, "clip": clip}
    exec(text.partition("\n")[2], found)

    matched = found["clip"]
    assert (len(matched), matched.format.bits_per_sample) == (40, bits)
    pairs = zip(matched.frames(), film.frames(), strict=True)
    assert [n for n, (one, other) in enumerate(pairs) if not np.array_equal(one[0], other[0])] == []


def draw_bars(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
    """Draw a bright bar that moves, with a value that 8 bits do not hold."""
    frame = f.copy()
    luma, top = np.asarray(frame[0]), 1 << frame.format.bits_per_sample
    luma[:] = top // 4 + 1
    luma[:, (5 * n) % 56 : (5 * n) % 56 + 8] = top // 2 + 3
    return frame


def test_every_argument_of_upscale_can_be_given_but_those_that_are_not_exact() -> None:
    assert set(Options.__dataclass_fields__) - set(upscale_arguments()) == {"seek", "warmup"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"held": ["yes"]}, ["held='yes'", "'skip'"]),
        ({"preroll": ["x"]}, ["preroll='x'", "whole number"]),
        ({"format": ["YUV420"]}, ["format='YUV420'", "YUV420P10"]),
        ({"nonsense": ["1"]}, ["nonsense"]),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_opened(
    web: Path, arguments: dict[str, list[str]], words: list[str]
) -> None:
    with pytest.raises(OptionError) as caught:
        make_script(web, None, FILM, arguments)
    assert all(word in str(caught.value) for word in words), caught.value


def test_what_only_the_filter_can_refuse_names_the_file(web: Path) -> None:
    made = make_script(web, None, FILM, {"backend": ["null"], "height": ["99999"]})

    with pytest.raises(OptionError, match=r"episode.mkv: Upscale: height=99999"):
        made.open()


def test_missing_plugins_are_named_with_their_packages(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "PACKAGES", {"nothing": "vapoursynth-nothing"})
    monkeypatch.setattr(script, "_PROGRESSIVE", "clip = core.nothing.At(clip)\n")

    with pytest.raises(MissingDependencyError, match=r"nothing is not among .* pip install vapoursynth-nothing"):
        make_script(web, "progressive", FILM, {})


def test_a_script_of_the_user_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("LENGTH = 3\n")
    path = tmp_path / "mine.vpy"
    path.write_bytes(
        "# -*- coding: latin-1 -*-\nfrom dataclasses import dataclass\nfrom beside import LENGTH\nimport vapoursynth\n"
        "@dataclass\nclass D:\n    x: 'int' = 1\n# \xe9\nvapoursynth.core.std.BlankClip(length=LENGTH).set_output()\n"
        "assert __name__ == '__vapoursynth__' and __file__.endswith('mine.vpy')\n".encode("latin-1")
    )

    read = read_script(path)

    assert not read.is_made_here
    assert read.text() == read.source
    assert len(read.open()) == 3
    path.unlink()  # what was read counts, not what becomes of the file
    assert len(read.open()) == 3
    with pytest.raises(OptionError, match=r"mine.vpy cannot be read"):
        read_script(path)
    assert hasattr(core, "bs")

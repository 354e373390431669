"""Clips of scripts, and scenes of a part of a clip."""

from __future__ import annotations

import logging
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.episode.clips import write_covered, write_source
from tests.episode.jobs import needs_episodes
from tests.video import core
from vsanimesr.episode import clips
from vsanimesr.episode.clips import BEYOND, find_scenes, open_clip


def mark(frames: int, scenes: list[int]) -> vs.VideoNode:
    """Return a clip with these scenes."""
    plain = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=frames, keep=True)
    cut = plain.std.SetFrameProps(_SceneChangePrev=1)
    return core.std.FrameEval(plain, lambda n: cut if n in scenes else plain)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 700).flatmap(
        lambda frames: st.tuples(
            st.just(frames), st.lists(st.integers(0, frames - 1), max_size=5), st.integers(0, frames - 1)
        )
    ),
    st.integers(1, 100),
)
def test_the_scenes_that_a_part_depends_on(clip: tuple[int, list[int], int], length: int) -> None:
    frames, cuts, first = clip
    last = min(first + length, frames)
    scenes = sorted({0, *cuts})
    own = max(scene for scene in scenes if scene <= first)

    told: list[int] = []
    found = find_scenes(mark(frames, cuts), "", detect=False, first=first, last=last, advance=told.append)

    assert told == sorted(told)
    assert told[-1] == last - first  # what is searched beyond is not counted
    assert found == [scene for scene in scenes if own <= scene < last + BEYOND]


@needs_episodes
@pytest.mark.parametrize("first", [False, True])
def test_a_cover_is_not_taken_for_the_video(tmp_path: Path, first: bool) -> None:
    opened = open_clip(write_covered(tmp_path / "episode.mp4", cover_first=first))

    assert (len(opened), opened.width, opened.height) == (24, 64, 48)


@needs_episodes
def test_a_video_of_one_frame_is_one(tmp_path: Path) -> None:
    opened = open_clip(write_source(tmp_path / "one.mkv", [Fraction(0)], (), (), fonts=False))

    assert (len(opened), opened.width) == (1, 64)


def test_each_script_gets_the_modules_beside_itself(tmp_path: Path) -> None:
    for length, name in ((3, "one"), (5, "two")):
        folder = tmp_path / name
        (folder / "package").mkdir(parents=True)
        (folder / "package" / "__init__.py").touch()
        (folder / "package" / "part.py").write_text(f"PART = {length}\n")
        (folder / "filters.py").write_text(f"from package.part import PART\nLENGTH = PART + {length}\n")
        (folder / "venv").mkdir()
        (folder / "venv" / f"kept_{name}.py").touch()
        (folder / "clip.vpy").write_text(
            f"import sys, types\nsys.path.append({str(folder / 'venv')!r})\nimport kept_{name}, vapoursynth as vs\n"
            f"sys.modules['built_in_{name}'] = types.ModuleType('built_in_{name}')  # without __file__\n"
            "from filters import LENGTH\n"
            "vs.core.std.BlankClip(length=LENGTH).set_output()\n"
        )

    assert [len(open_clip(tmp_path / name / "clip.vpy")) for name in ("one", "two", "one")] == [6, 10, 6]
    for name in ("one", "two"):
        assert sys.modules.pop(f"kept_{name}")
        assert sys.modules.pop(f"built_in_{name}")
    assert not {"filters", "package", "package.part"} & set(sys.modules)


def test_what_bestsource_says_while_it_reads_a_file_is_progress(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clips, "SHORT_INTERVAL", 0)
    caplog.set_level(logging.INFO)
    (tmp_path / "clip.vpy").write_text(
        "import vapoursynth as vs\n"
        "for text in ('VideoSource track #0 index progress 41%', 'something else'):\n"
        "    vs.core.log_message(vs.MESSAGE_TYPE_INFORMATION, text)\n"
        "vs.core.std.BlankClip().set_output()\n"
    )

    open_clip(tmp_path / "clip.vpy")

    assert capsys.readouterr().err == "reading the source: 41 %\n"
    assert caplog.messages == ["something else"]
    vs.core.log_message(vs.MESSAGE_TYPE_INFORMATION, "VideoSource track #0 index progress 42%")
    assert caplog.messages[1:] == ["VideoSource track #0 index progress 42%"]

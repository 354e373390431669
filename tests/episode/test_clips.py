"""Clips of scripts, and scenes of a part of a clip."""

from __future__ import annotations

import sys
from pathlib import Path

import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video import core
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

    found = find_scenes(mark(frames, cuts), "", detect=False, first=first, last=last)

    assert found == [scene for scene in scenes if own <= scene < last + BEYOND]


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
            f"import sys\nsys.path.append({str(folder / 'venv')!r})\nimport kept_{name}, vapoursynth as vs\n"
            "from filters import LENGTH\n"
            "vs.core.std.BlankClip(length=LENGTH).set_output()\n"
        )

    assert [len(open_clip(tmp_path / name / "clip.vpy")) for name in ("one", "two", "one")] == [6, 10, 6]
    for name in ("one", "two"):
        assert sys.modules.pop(f"kept_{name}")
    assert not {"filters", "package", "package.part"} & set(sys.modules)

"""Packages, stage and styles of the clips of free art. The pictures of these tests are stand-ins made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from scripts.studies.art import __main__ as study
from scripts.studies.art import drawings, graphics, packages, styles
from scripts.studies.art.drawings import DARK, DAY, DUSK, NIGHT, Graphic, Picture, Sample
from scripts.studies.art.packages import Package
from scripts.studies.art.stage import LARGEST, PAN, SIZES, Stage
from scripts.studies.art.styles import Style
from scripts.studies.drawing import render
from scripts.studies.drawing.scene import LENGTH, DrawingError, Layer, Pose, Scene
from tests.scripts.studies import archive
from trainer.data.clips import find_clips

ROOT = Path(__file__).parents[3]
ALL = (*styles.TRAIN, *styles.HELD_OUT)


def pixels(picture: Image.Image) -> NDArray[np.int16]:
    return np.asarray(picture.convert("RGB"), np.int16)


def save(art: Path, file: str, colour: str, size: tuple[int, int]) -> str:
    """Write a flat picture. Return its name relative to `art`."""
    (art / file).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", size, colour).save(art / file)
    return file


def stage_of(art: Path, seed: object = 1, size: tuple[int, int] = (320, 240)) -> Stage:
    return Stage(Random(str(seed)), art, size)


# Packages

FILES = {"a.png": b"first", "b/c d.png": b"second"}


def listed(files: dict[str, bytes]) -> str:
    """Return the SHA-256 of files, as packages name it."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


GAME = Package("a-game", "1:2.3-4", "usr/share/games/a", ("*.png", "b/*.png"), listed(FILES))


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Offer the package. Return the folder of its files."""

    def offer(**replacements: str) -> Path:
        inside = archive.offer(tmp_path, monkeypatch, GAME.name, **replacements) / GAME.inside
        for name, data in {**FILES, "readme.txt": b"not taken", "deep/er/e.png": b"not taken"}.items():
            (inside / name).parent.mkdir(parents=True, exist_ok=True)
            (inside / name).write_bytes(data)
        if not (inside / "link.png").exists():
            (inside / "link.png").symlink_to("a.png")
        return inside

    return offer


def fetched(art: Path) -> dict[str, bytes]:
    return {file.relative_to(art).as_posix(): file.read_bytes() for file in art.rglob("*") if file.is_file()}


TAKEN = {f"a-game/{name}": data for name, data in FILES.items()}


def test_what_is_taken_is_verified_and_kept(tmp_path: Path, offered: Callable[..., Path]) -> None:
    offered()
    for _ in range(2):
        GAME.fetch(tmp_path / "new" / "art")

    assert fetched(tmp_path / "new" / "art") == TAKEN
    assert (tmp_path / "log").read_text() == "download a-game=1:2.3-4\n"  # once, and this version
    assert [entry.name for entry in (tmp_path / "new" / "art").iterdir()] == ["a-game"]


@pytest.mark.parametrize("change", ["damage", "remove", "add", "rename"])
def test_a_damaged_folder_is_fetched_again(change: str, tmp_path: Path, offered: Callable[..., Path]) -> None:
    offered()
    GAME.fetch(tmp_path / "art")
    file = tmp_path / "art/a-game/a.png"
    if change == "damage":
        file.write_bytes(b"firsT")
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(file.with_name("z.png"))
    else:
        file.with_name("more.png").write_bytes(b"more")

    GAME.fetch(tmp_path / "art")

    assert fetched(tmp_path / "art") == TAKEN


def test_another_package_is_refused_and_what_is_there_stays(tmp_path: Path, offered: Callable[..., Path]) -> None:
    (offered() / "a.png").write_bytes(b"other")
    save(tmp_path / "art", "a-game/old.png", "red", (2, 2))
    with pytest.raises(DrawingError, match=r"a-game has not the expected files .*SHA-256 differs"):
        GAME.fetch(tmp_path / "art")
    assert list(fetched(tmp_path / "art")) == ["a-game/old.png"]


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        ({"apt_get": "echo 'E: Version was not found' >&2; exit 100"}, "apt-get failed:\nE: Version was not found"),
        ({"apt_get": "exit 0"}, "apt-get left no package"),
        ({"dpkg_deb": "echo 'not a Debian archive' >&2; exit 2"}, "dpkg-deb failed:\nnot a Debian archive"),
    ],
)
def test_without_the_package_it_says_why_and_what_to_do(
    replacements: dict[str, str], message: str, tmp_path: Path, offered: Callable[..., Path]
) -> None:
    offered(**replacements)
    with pytest.raises(DrawingError) as refused:
        GAME.fetch(tmp_path / "art")
    for part in (message, "a-game=1:2.3-4", "apt-get update", "*.png, b/*.png", f"into {tmp_path / 'art/a-game'}"):
        assert part in str(refused.value)


def test_held_out_clips_are_of_other_packages_than_train_clips() -> None:
    train, held_out = (
        {package for style in part for package in style.needs()} for part in (styles.TRAIN, styles.HELD_OUT)
    )
    assert not train & held_out
    assert (train, held_out) == (set(packages.TRAIN), set(packages.HELD_OUT))  # none is fetched in vain
    assert all(style.held_out for style in styles.HELD_OUT)


def test_what_stays_unseen_is_not_among_the_packages() -> None:
    names = " ".join(f"{package.name} {package.inside} {package.files}" for package in packages.TRAIN)
    assert not [word for word in ("synfig", "sintel", "bunny", "bigbuck", "blender") if word in names.lower()]


def test_the_licence_table_lists_each_package_and_its_version() -> None:
    rows = [line.split("|") for line in (ROOT / "docs/art.md").read_text().splitlines() if line.startswith("| ")]
    cells = {(row[1].strip(), row[2].strip()) for row in rows}
    expected = {(package.name, package.version) for package in (*packages.TRAIN, *packages.HELD_OUT)}
    assert expected <= cells


# Drawings


def test_the_light_changes_colours_and_not_the_shape() -> None:
    picture = Image.new("RGBA", (2, 1), (120, 120, 120, 90))
    found = {name: grade.apply(picture).getpixel((0, 0)) for name, grade in {"night": NIGHT, "dusk": DUSK}.items()}

    assert DAY.apply(picture).tobytes() == picture.tobytes()
    assert found["night"][3] == found["dusk"][3] == 90  # type: ignore[index]
    assert found["night"][0] < found["night"][2] < 120  # type: ignore[index]
    assert found["dusk"][0] > found["dusk"][2]  # type: ignore[index]


@pytest.mark.parametrize("kind", graphics.GRAPHICS)
def test_a_graphic_is_opaque_not_empty_and_the_same_each_time(kind: str, tmp_path: Path) -> None:
    first, again, other = (Graphic(kind, seed, 150).paint(tmp_path) for seed in (3, 3, 4))

    assert first.getchannel("A").getextrema() == (255, 255)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first.size == pytest.approx([150 * graphics.size(kind)[0] / graphics.size(kind)[1], 150], abs=1)
    assert pixels(first).std() > 3


def test_transparent_parts_show_the_paper(tmp_path: Path) -> None:
    file = save(tmp_path, "art/clear.png", "#00000000", (4, 4))
    assert Picture(file, paper="#ff8000").paint(tmp_path).getpixel((1, 1)) == (255, 128, 0, 255)


def test_a_thing_is_told_from_a_picture_and_from_a_broken_file(tmp_path: Path) -> None:
    shapes = '<circle cx="50" cy="50" r="{}" fill="red"/>'
    for name, text in (("thing", shapes.format(40)), ("dot", shapes.format(5)), ("full", shapes.format(90))):
        (tmp_path / f"{name}.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{text}</svg>'
        )
    (tmp_path / "broken.svg").write_text("<svg")

    assert [drawings.is_sprite(tmp_path / f"{name}.svg") for name in ("thing", "dot", "full", "broken")] == [
        True, False, False, False,
    ]  # fmt: skip


# The stage


@given(
    size=st.tuples(st.integers(500, 5000), st.integers(400, 5000)),
    view=st.sampled_from(SIZES),
    zoom=st.floats(1.0, 4.0),
    seed=st.integers(0, 10**6),
    vector=st.booleans(),
)
def test_a_ground_fills_the_view_all_the_time_and_is_never_enlarged(
    size: tuple[int, int], view: tuple[int, int], zoom: float, seed: int, vector: bool
) -> None:
    stage = Stage(Random(seed), Path("art"), view)
    found = Sample(size, vector, 1.0, 0.5, np.zeros((40, 40), np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.studies.art.stage.sample", lambda file: found)
        if not stage.fits("a"):
            return
        layer = stage.ground("a", zoom=zoom)
    [drawing] = layer.drawings
    assert isinstance(drawing, Picture)
    for n in range(LENGTH):
        pose = layer.pose(n)
        wide = pose.height * size[0] / size[1]
        assert abs(pose.x - view[0] / 2) <= (wide - view[0]) / 2 - 0.5
        assert abs(pose.y - view[1] / 2) <= (pose.height - view[1]) / 2 - 0.5
        assert render.UNIT * pose.height <= (drawing.height if vector else LARGEST * size[1]) + 1e-6
    first, last = layer.pose(0), layer.pose(LENGTH - 1)
    assert abs(first.x - last.x) <= PAN * view[0] + 0.2 * (size[0] / size[1]) * first.height
    assert layer.every in (1, 2)


def test_no_edge_is_visible_in_rendered_frames(tmp_path: Path) -> None:
    big, small = (
        save(tmp_path, "p/big.png", "#c02040", (1500, 900)),
        save(tmp_path, "p/small.png", "#c02040", (880, 700)),
    )
    for n in range(6):
        stage = stage_of(tmp_path, n, SIZES[n % 2])
        scene = Scene("edge", (stage.ground((big, small)[n % 2], zoom=1.1),), stage.size)
        frames = list(render.render_frames(scene, LENGTH, tmp_path))
        for picture in (frames[0], frames[11], frames[-1]):
            assert picture.size == (stage.size[0] * 2, stage.size[1] * 2)
            assert (pixels(picture) == [0xC0, 0x20, 0x40]).all()


def test_the_camera_looks_where_there_is_something_to_see(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2400, 1800), "#303030")
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    picture.paste(Image.fromarray(noise), (1600, 1200))
    picture.save(tmp_path / "corner.png")
    for seed in range(5):
        stage = stage_of(tmp_path, seed)
        layer = stage.ground("corner.png", zoom=2.5)
        [frame] = render.render_frames(Scene("look", (layer,), stage.size), 1, tmp_path)
        assert pixels(frame).std() > 10


def test_figures_are_held_and_never_enlarged(tmp_path: Path) -> None:
    files = [save(tmp_path, f"p/{colour}.png", colour, (200, 160)) for colour in ("red", "lime")]
    stage = stage_of(tmp_path)
    figure = stage.figure(files, Pose(100, 100, 300), Pose(200, 100, 240), every=3, exposure="01")
    standing = stage.standing(files, 0.5, 500, every=2)

    assert max(figure.begin.height, standing.begin.height) * render.UNIT <= LARGEST * 160 + 1e-9
    assert figure.end is not None
    assert figure.end.height / figure.begin.height == pytest.approx(0.8)
    assert standing.begin.y + standing.begin.height / 2 > stage.size[1]
    assert [figure.drawing(n).sheet for n in (0, 2, 3, 5, 6)] == [files[0], files[0], files[1], files[1], files[0]]


def test_no_dark_ground_gets_darker(tmp_path: Path) -> None:
    bright, dark = save(tmp_path, "p/bright.png", "#c0c0c0", (9, 9)), save(tmp_path, "p/dark.png", "#303030", (9, 9))
    lights = [{stage_of(tmp_path, n).light(file) for n in range(60)} for file in (bright, dark)]
    assert lights == [{DAY, DUSK, NIGHT, DARK}, {DAY, DUSK}]


@pytest.fixture
def fonts(tmp_path: Path) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    """All texts in a font that comes with Matplotlib."""
    (tmp_path / "font.ttf").write_bytes(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans-Bold.ttf").read_bytes())
    texts = dict.fromkeys(text for _, every in (*styles.FONTS, *styles.HELD_OUT_FONTS) for text in every)
    return tuple(("font.ttf", (text,)) for text in texts)


def test_letters_stay_in_view(fonts: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...], tmp_path: Path) -> None:
    for n, (font, text) in enumerate(fonts * 3):
        stage = stage_of(tmp_path, n, SIZES[n % len(SIZES)])
        layer = stage.caption([(font, text)])
        picture = layer.drawings[0].paint(tmp_path)
        left, _, right, _ = picture.getchannel("A").getbbox() or (0, 0, 10**6, 0)
        for pose in (layer.pose(0), layer.pose(LENGTH - 1)):
            scale = pose.height / picture.height
            assert (right - left) * scale <= stage.size[0]
            assert pose.height / 2 < pose.y < stage.size[1] - pose.height / 2 + 1
            assert render.UNIT * scale <= 1 / drawings.SUPERSAMPLED + 1e-9


# Styles


def test_there_are_120_train_clips_and_16_held_out() -> None:
    assert [sum(style.count for style in part) for part in study.PARTS.values()] == [120, 16]
    names = [name for style in ALL for name in style.names()]
    assert len(set(names)) == 136


def test_a_scene_depends_on_its_name_only(
    fonts: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(styles, "FONTS", fonts)
    lines = next(style for style in styles.TRAIN if style.name == "lines")
    first, *_ = scenes = [lines.scene(name, tmp_path) for name in lines.names()]

    Random(5).random()
    assert lines.scene(first.name, tmp_path) == first
    assert all(one.layers != other.layers for one, other in pairwise(scenes))
    assert replace(lines, sizes=SIZES[:1]).scene(first.name, tmp_path).size == SIZES[0]


def test_all_files_are_dealt_before_one_comes_again() -> None:
    files = [f"{n}.png" for n in range(7)]
    for start in (0, 7):
        assert sorted(styles.deal(files, n, "x") for n in range(start, start + 7)) == files


def test_portraits_of_one_person_are_grouped_and_of_one_size(tmp_path: Path) -> None:
    files = [save(tmp_path, f"p/{name}.png", "red", (400, 400)) for name in ("ann-glad", "ann-sad", "bo")]
    files.append(save(tmp_path, "p/ann-tall.png", "red", (400, 440)))
    assert styles.faces(files) == [(files[0], files[1], files[3]), (files[2],)]
    assert styles.alike(tmp_path, styles.faces(files)[0]) == (files[0], files[1])


# The command


def flats(stage: Stage, n: int) -> tuple[Layer, ...]:
    return (stage.ground(save(stage.art, "p/flat.png", "teal", (600, 500))),)


def broken(stage: Stage, n: int) -> tuple[Layer, ...]:
    return (*flats(stage, n), Layer((Picture("p/flat.png"), Picture("p/lost.svg", 90)), exposure="00001"))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: Callable[..., Path]) -> Path:
    """Two styles of small clips, one of which needs the package. Return the folder of the clips."""
    offered()
    flat = Style("flat", 2, flats, (), 0, sizes=((16, 12),))
    monkeypatch.setattr(study, "PARTS", {"train": (flat,), "held-out": (replace(flat, name="game", packages=(GAME,)),)})
    return tmp_path / "out"


def clips(folder: Path) -> dict[str, int]:
    return {f"{part}/{clip.name}": len(clip) for part in ("train", "held-out") for clip in find_clips(folder / part)}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.glob("[th]*/*/*.png"))}


def test_clips_are_made_once_and_are_the_same_each_time(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main([str(parts)]) == 0
    assert capsys.readouterr().out == f"{parts}\n"
    assert clips(parts) == {"train/flat-00": 24, "train/flat-01": 24, "held-out/game-00": 24, "held-out/game-01": 24}
    first = contents(parts)
    (parts / "train/flat-01/00000003.png").unlink()
    (parts / "train/flat-00/00000003.png").write_bytes(b"mine")

    assert study.main([str(parts)]) == 0

    assert capsys.readouterr().err == "art: train/flat-01\n"  # only that one: an existing clip is kept
    assert contents(parts) == {**first, "train/flat-00/00000003.png": b"mine"}
    assert (tmp_path / "log").read_text().count("download") == 1
    assert study.main([str(tmp_path / "again")]) == 0
    assert contents(tmp_path / "again") == first


def test_a_quick_run_makes_one_clip_of_each_style(parts: Path) -> None:
    assert study.main([str(parts), "--quick"]) == 0
    assert clips(parts) == {"train/flat-00": 24, "held-out/game-00": 24}


def test_a_run_that_ends_early_leaves_no_half_clip(
    parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (parts / "art" / "p").mkdir(parents=True)
    (parts / "art/p/lost.svg").write_text("<svg")
    monkeypatch.setitem(study.PARTS, "held-out", (Style("broken", 1, broken, (), 0, sizes=((16, 12),)),))

    assert study.main([str(parts)]) == 1

    assert "art: lost.svg cannot be rendered" in capsys.readouterr().err
    folders = sorted(entry.name for entry in parts.rglob("*") if entry.is_dir())
    assert folders == ["art", "flat-00", "flat-01", "held-out", "p", "train"]


def test_a_missing_package_is_reported_before_anything_is_drawn(
    parts: Path, offered: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    offered(apt_get="echo 'E: no network' >&2; exit 100")
    assert study.main([str(parts)]) == 1
    assert "E: no network" in capsys.readouterr().err
    assert not (parts / "train").exists()

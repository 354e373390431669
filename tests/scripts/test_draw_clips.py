"""How drawn clips move, are cut off and split into titles; that none is ever half there. The art is made by hand."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainer.clips import find_clips

from .sandbox import executable, load

draw_clips = load("draw_clips")
people, place, question, render, scene, titles, vector = (
    import_module(f"drawing.{name}") for name in ("people", "place", "question", "render", "scene", "titles", "vector")
)
DrawingError = import_module("drawing.errors").DrawingError
Layer, Pose, Scene = scene.Layer, scene.Pose, scene.Scene


@dataclass(frozen=True)
class Handmade:
    """A flat rectangle within a transparent margin; it notes in a file that it was painted."""

    colour: str = "red"
    size: tuple[int, int] = (64, 36)
    margin: int = 0
    fault: str = ""

    @property
    def sheet(self) -> str:
        return self.colour

    def paint(self, art: Path) -> Image.Image:
        if self.fault:
            raise DrawingError(self.fault)
        with (art / "painted").open("a") as log:
            log.write(f"{self.colour}\n")
        width, height = self.size
        picture = Image.new("RGBA", (width + 2 * self.margin, height + 2 * self.margin), (0, 0, 0, 0))
        picture.paste(self.colour, (self.margin, self.margin, self.margin + width, self.margin + height))
        return picture


GROUND = Layer((Handmade("navy"),))
WALK = Scene(
    "walk",
    (
        GROUND,
        Layer((Handmade("red", (30, 30), 3), Handmade("lime", (30, 30), 3)), Pose(100, 100, 50), Pose(220, 130, 50),
              every=2, exposure="001"),
    ),
)  # fmt: skip
STILL = Scene("still", (GROUND, Layer((Handmade("white", (30, 30), 3),), Pose(100.3, 100, 50))))


def pixels(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture.convert("RGB"), np.float64)


def drawn(shown: Any, count: int, art: Path) -> list[NDArray[np.float64]]:
    return [pixels(picture) for picture in render.frames(shown, count, art)]


# Motion


def test_a_motion_begins_with_the_first_frame_and_arrives_at_the_last() -> None:
    layer = Layer((), Pose(10, 20, 100), Pose(56, -3, 123))

    assert layer.pose(0) == Pose(10, 20, 100)
    assert layer.pose(1) == Pose(12, 19, 101)
    assert layer.pose(scene.LENGTH - 1) == Pose(56, -3, 123)
    assert layer.pose(scene.LENGTH + 5) == Pose(56, -3, 123)


def test_an_eased_motion_sets_out_and_arrives_slowly() -> None:
    layer = Layer((), Pose(0), Pose(230), eased=True)
    steps = [layer.pose(n + 1).x - layer.pose(n).x for n in range(scene.LENGTH - 1)]

    assert layer.pose(scene.LENGTH - 1).x == pytest.approx(230)
    assert max(steps[0], steps[-1]) < 3 < 10 < steps[len(steps) // 2]


def test_what_is_on_twos_or_threes_is_held_while_the_camera_goes_on() -> None:
    moving = {"begin": Pose(0), "end": Pose(46), "bob": 3.0, "exposure": "0120"}
    for every in (2, 3):
        layer, camera = Layer(tuple("abc"), every=every, **moving), Layer((), Pose(0), Pose(46))
        for n in range(scene.LENGTH - 1):
            holds = n % every != every - 1
            assert (layer.pose(n) == layer.pose(n + 1)) == holds
            assert camera.pose(n) != camera.pose(n + 1)
        assert [layer.drawing(n * every) for n in range(6)] == list("abcaab")
        assert all(layer.drawing(n) == layer.drawing(n - n % every) for n in range(scene.LENGTH))


def test_swaying_goes_both_ways_and_comes_back() -> None:
    layer = Layer((), Pose(0, 100), bob=4, period=12)
    heights = [layer.pose(n).y for n in range(13)]

    assert (max(heights), min(heights)) == (pytest.approx(104), pytest.approx(96))
    assert heights[0] == heights[12] == pytest.approx(100)


# Laying drawings on each other


def centre(picture: NDArray[np.float64]) -> tuple[float, float]:
    """Where the brightness of a picture lies."""
    weight = picture.sum(2)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return float((x * weight).sum() / weight.sum()), float((y * weight).sum() / weight.sum())


@pytest.mark.parametrize("at", [(100, 90), (100.25, 90.5), (99.9, 90.125), (317.3333, 170.77)])
def test_a_drawing_lies_where_its_pose_says_to_a_fraction_of_a_pixel(at: tuple[float, float], tmp_path: Path) -> None:
    spot = Layer((Handmade("white", (80, 80), 4),), Pose(*at, 44))
    [picture] = drawn(Scene("spot", (replace(GROUND, drawings=(Handmade("black"),)), spot)), 1, tmp_path)

    assert centre(picture) == pytest.approx([render.UNIT * place for place in at], abs=0.05)
    assert picture.sum() / (3 * 255) == pytest.approx((40 * render.UNIT) ** 2, rel=0.01)


def test_it_is_cut_off_where_the_picture_ends(tmp_path: Path) -> None:
    for x, y in ((0, 180), (640, 180), (320, 0), (320, 360), (0, 0), (640, 360), (-200, 0), (320, 900)):
        canvas = Image.new("RGBA", (2560, 1440), "black")
        render.put(canvas, Handmade("white", (100, 100)).paint(tmp_path), Pose(x, y, 50))
        wide = max(min(x + 25, 640) - max(x - 25, 0), 0)
        high = max(min(y + 25, 360) - max(y - 25, 0), 0)
        assert (pixels(canvas) > 0).all(2).sum() == 16 * wide * high


def test_lines_finer_than_a_pixel_turn_grey_and_do_not_flicker() -> None:
    lines = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (900, 800))).convert("RGBA")
    for x in (320, 320.1, 320.4):
        canvas = Image.new("RGBA", (2560, 1440), "black")
        render.put(canvas, lines, Pose(x, 180, 150))
        small = pixels(canvas.resize((1280, 720), render.HALVING))[240:480, 440:820]
        assert np.abs(small - 127.5).max() < 30


def test_edges_stay_clean(tmp_path: Path) -> None:
    """No dark seam from the colour of what is transparent, no bright one from a filter that overshoots."""
    for colour, ground in (("white", "white"), ("#404040", "#c0c0c0")):
        layers = (Layer((Handmade(ground),)), Layer((Handmade(colour, (50, 50), 5),), Pose(200.3, 100.7, 91.3)))
        [picture] = drawn(Scene("edge", layers), 1, tmp_path)
        low, high = sorted(pixels(Image.new("RGB", (1, 1), name))[0, 0, 0] for name in (colour, ground))
        assert low - 1 <= picture.min()
        assert picture.max() <= high + 1


# Frames and clips


def test_a_drawing_is_painted_once_and_only_when_it_shows(tmp_path: Path) -> None:
    drawn(WALK, 4, tmp_path)
    assert (tmp_path / "painted").read_text().split() == ["navy", "red"]
    drawn(WALK, 24, tmp_path)
    assert (tmp_path / "painted").read_text().split() == ["navy", "red", "navy", "red", "lime"]


def test_frames_change_exactly_when_something_moves(tmp_path: Path) -> None:
    walk, still = drawn(WALK, 24, tmp_path), drawn(STILL, 24, tmp_path)

    assert [(a != b).any() for a, b in pairwise(walk)] == [n % 2 == 1 for n in range(23)]
    assert not any((a != b).any() for a, b in pairwise(still))
    assert (walk[3] == [255, 0, 0]).all(2).any()
    assert (walk[4] == [0, 255, 0]).all(2).any()


def files(clip: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in clip.iterdir()}


def test_a_clip_is_what_the_trainer_reads_and_the_same_each_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        render.write(WALK, 5, tmp_path / folder / "train", tmp_path)

    [clip] = find_clips(tmp_path / "a" / "train")
    assert (clip.name, len(clip)) == ("walk", 5)
    assert [picture.shape for picture in clip.read(range(5))] == [(720, 1280, 3)] * 5
    assert files(tmp_path / "a/train/walk") == files(tmp_path / "b/train/walk")
    assert sorted(files(tmp_path / "a/train/walk")) == [f"{n:08d}.png" for n in range(5)]


def test_a_short_clip_is_the_beginning_of_the_long_one_which_takes_its_place(tmp_path: Path) -> None:
    render.write(WALK, 3, tmp_path / "train", tmp_path)
    short = files(tmp_path / "train/walk")
    assert not render.is_complete(tmp_path / "train/walk", 6)

    render.write(WALK, 6, tmp_path / "train", tmp_path)

    long = files(tmp_path / "train/walk")
    assert render.is_complete(tmp_path / "train/walk", 6)
    assert render.is_complete(tmp_path / "train/walk", 3)
    assert len(long) == 6
    assert short.items() <= long.items()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["painted", "train"]


def test_no_half_a_clip_is_ever_seen(tmp_path: Path) -> None:
    """Neither while it is drawn nor after it failed; what was there before stays."""
    faulty = replace(WALK, layers=(GROUND, replace(WALK.layers[1], drawings=(Handmade(), Handmade(fault="torn")))))
    seen: list[list[str]] = []

    @dataclass(frozen=True)
    class Watching(Handmade):
        def paint(self, art: Path) -> Image.Image:
            seen.append([clip.name for clip in (tmp_path / "train").iterdir()])
            return super().paint(art)

    render.write(replace(WALK, layers=(Layer((Watching(),)),)), 2, tmp_path / "train", tmp_path)
    before = files(tmp_path / "train/walk")
    with pytest.raises(DrawingError, match="torn"):
        render.write(faulty, 24, tmp_path / "train", tmp_path)
    with pytest.raises(DrawingError, match="torn"):
        render.write(replace(faulty, name="other"), 24, tmp_path / "train", tmp_path)

    assert seen == [[]]
    assert files(tmp_path / "train/walk") == before
    assert sorted(entry.name for entry in tmp_path.rglob("*") if entry.is_dir()) == ["train", "walk"]


# The titles

SHEETS = {"train": titles.TRAIN, "held-out": titles.HELD_OUT}
ALL = [(title, shown) for part in SHEETS.values() for title in part for shown in title.scenes]
HEIGHTS = {"question/bg": 720, "question/main_menu": 720, "question/sylvie": 700, "place": 1440}


def test_there_are_24_scenes_to_train_with_and_8_to_judge_by() -> None:
    assert [len(titles.scenes(part)) for part in SHEETS.values()] == [24, 8]
    names = [shown.name for _, shown in ALL]
    assert len(set(names)) == 32
    assert all(shown.name.startswith(f"{title.name}-") for title, shown in ALL)


def test_the_quick_ones_are_spread_over_all_titles() -> None:
    for part, count in ((titles.TRAIN, 4), (titles.HELD_OUT, 2)):
        few = titles.scenes(part, count)
        assert len(few) == count
        assert {shown.name.split("-")[0] for shown in few} == {title.name for title in part}


def sheets(part: tuple[Any, ...]) -> set[str]:
    return {drawing.sheet for shown in titles.scenes(part) for drawing in shown.drawings()}


def test_what_is_held_out_is_not_seen_in_training() -> None:
    train, held_out = sheets(titles.TRAIN), sheets(titles.HELD_OUT)

    assert not train & held_out
    assert {"question/sylvie green", "question/bg club", "place/street", "adventurer/mika", "credits/staff"} <= train
    assert {"question/sylvie blue", "question/bg meadow", "place/night", "open-peeps/ada", "credits/card"} <= held_out


def test_no_illustrator_of_heads_works_for_both() -> None:
    hands = [{sheet.split("/")[0] for sheet in sheets(part)} & set(people.SHA256) for part in SHEETS.values()]
    assert hands == [{"adventurer", "toon-head"}, {"open-peeps"}]


def test_everything_that_was_drawn_has_a_part() -> None:
    used = sheets(titles.TRAIN) | sheets(titles.HELD_OUT)
    assert {name for name in used if name.startswith("place/")} == {f"place/{name}" for name in place.PLACES}
    assert {name for name in used if name.startswith("question/")} == {
        question.Painted(file).sheet for file in question.SHA256
    }


def poses(shown: Any) -> Iterator[tuple[int, Any, Any]]:
    """Which drawing is where, with the number of its layer, in each frame."""
    for n in range(scene.LENGTH):
        for depth, (drawing, pose) in enumerate(shown.frame(n)):
            yield depth, drawing, pose


@pytest.mark.parametrize("shown", [shown for _, shown in ALL], ids=lambda shown: shown.name)
def test_the_camera_never_sees_past_an_edge(shown: Any) -> None:
    for depth, drawing, pose in poses(shown):
        if depth == 0:  # the ground: 16:9
            assert abs(pose.x - 320) <= (pose.height * 16 / 9 - 640) / 2 + 1e-9
            assert abs(pose.y - 180) <= (pose.height - 360) / 2 + 1e-9
        elif not drawing.sheet.startswith("credits/"):
            assert pose.y + pose.height / 2 > 360, "its cut edge shows"


@pytest.mark.parametrize("shown", [shown for _, shown in ALL], ids=lambda shown: shown.name)
def test_drawn_art_is_never_enlarged_and_painted_art_less_than_twice(shown: Any) -> None:
    for _, drawing, pose in poses(shown):
        height = next((size for sheet, size in HEIGHTS.items() if drawing.sheet.startswith(sheet)), people.HEIGHT)
        limit = 2 if drawing.sheet.startswith("question/") else 1
        assert render.UNIT * pose.height <= limit * height


def test_exposure_sheets_name_drawings_that_exist() -> None:
    for _, shown in ALL:
        for layer in shown.layers:
            assert set(layer.exposure) <= {str(n) for n in range(len(layer.drawings))}


def test_there_are_stills_pans_and_drawings_on_ones_twos_and_threes() -> None:
    """In training and in what is held out, as in limited animation."""
    for part in SHEETS.values():
        layers = [layer for shown in titles.scenes(part) for layer in shown.layers]
        assert {layer.every for layer in layers} == {1, 2, 3}
        grounds = [(shown.layers[0].pose(0), shown.layers[0].pose(1)) for shown in titles.scenes(part)]
        slow = [abs(b.x - a.x) for a, b in grounds if 0 < abs(b.x - a.x) < 1]
        assert slow, "none moves by fractions of a pixel"
    assert any(not shown.layers[0].end for shown in titles.scenes(titles.TRAIN))


# Vector drawings


@pytest.mark.parametrize("name", list(place.PLACES))
def test_a_place_is_the_same_document_each_time(name: str) -> None:
    one, two = ("".join(place.PLACES[name](Random(name))) for _ in range(2))

    assert one == two
    assert "nan" not in one
    ElementTree.fromstring(f"<g>{one}</g>")


@pytest.mark.parametrize("name", list(place.PLACES))
def test_a_place_fills_its_picture(name: str) -> None:
    pytest.importorskip("resvg_py", reason="the extra learn is not installed")
    svg = import_module("drawing.shapes").document(place.PLACES[name](Random(name)))
    picture = vector.raster(svg, 180)

    assert picture.size == (320, 180)
    assert picture.getextrema()[3] == (255, 255)


def test_everyone_has_a_face_for_each_mood() -> None:
    pytest.importorskip("dicebear", reason="the extra learn is not installed")
    cast = {name: value for name, value in vars(import_module("drawing.casts")).items() if name.isupper()}
    persons = {name: each for name, each in cast.items() if isinstance(each[0], people.Person)}
    assert len(persons) == 12
    for drawings in persons.values():
        heads = [people.avatar(d.style, {"seed": d.name, **dict(d.look), **dict(d.face)}) for d in drawings]
        assert len(set(heads)) == len(heads) == 5
        assert len({drawing.sheet for drawing in drawings}) == 1


def test_without_the_renderer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DrawingError, match=r"resvg-py.*pip install '.\[learn\]'"):
        vector.raster("<svg/>", 10)


def test_without_the_styles_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    people.style.cache_clear()
    monkeypatch.setitem(sys.modules, "dicebear", None)
    with pytest.raises(DrawingError, match=r"dicebear-core.*pip install '.\[learn\]'"):
        people.avatar("adventurer", {})


def test_another_style_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("dicebear")
    stand_in.Style = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dicebear", stand_in)
    monkeypatch.setattr(people, "files", lambda package: tmp_path)
    (tmp_path / "adventurer.json").write_text(json.dumps({"other": 1}))
    people.style.cache_clear()
    with pytest.raises(DrawingError, match="SHA-256 differs"):
        people.avatar("adventurer", {})


# The painted art

PICTURES = {"gui/a.png": b"first", "images/b c.png": b"second"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Debian's tools with a package of small files, first on PATH; gives the folder that it would be unpacked from."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in PICTURES.items()}
    monkeypatch.setattr(question, "SHA256", hashes)

    def offer(**instead: str) -> Path:
        content = tmp_path / "content"
        for name, data in PICTURES.items():
            (content / question.INSIDE / name).parent.mkdir(parents=True, exist_ok=True)
            (content / question.INSIDE / name).write_bytes(data)
        commands = {
            "apt-get": f'echo "$@" >> {tmp_path}/log; touch {question.PACKAGE}_8_all.deb',
            "dpkg-deb": f'[ "$1 $2 $3" = "-x {question.PACKAGE}_8_all.deb unpacked" ] && cp -r {content} unpacked',
        }
        for name, command in {**commands, **{key.replace("_", "-"): value for key, value in instead.items()}}.items():
            executable(tmp_path / "bin" / name, command)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        return content / str(question.INSIDE)

    return offer


def fetched(art: Path) -> dict[str, bytes]:
    return {file.relative_to(art).as_posix(): file.read_bytes() for file in art.rglob("*") if file.is_file()}


def test_pictures_are_fetched_verified_and_kept(tmp_path: Path, package: Callable[..., Path]) -> None:
    package()
    for _ in range(2):
        question.fetch(tmp_path / "new" / "art")

    assert fetched(tmp_path / "new" / "art") == PICTURES
    assert (tmp_path / "log").read_text() == f"download {question.PACKAGE}\n"  # once
    assert len(list((tmp_path / "new" / "art").iterdir())) == 2


def test_a_damaged_picture_is_fetched_anew(tmp_path: Path, package: Callable[..., Path]) -> None:
    package()
    question.fetch(tmp_path / "art")
    (tmp_path / "art" / "gui/a.png").write_bytes(b"firsT")
    question.fetch(tmp_path / "art")
    assert fetched(tmp_path / "art") == PICTURES


def test_another_picture_in_the_package_is_refused(tmp_path: Path, package: Callable[..., Path]) -> None:
    (package() / "images/b c.png").write_bytes(b"other")
    with pytest.raises(DrawingError, match=r"images/b c.png .*SHA-256 differs"):
        question.fetch(tmp_path / "art")
    assert "images/b c.png" not in fetched(tmp_path / "art")
    assert not [entry for entry in (tmp_path / "art").iterdir() if entry.name not in ("gui", "images")]


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        ({"apt_get": "echo 'E: Unable to locate package' >&2; exit 100"}, "apt-get failed:\nE: Unable to locate"),
        ({"apt_get": "exit 0"}, "apt-get left no package"),
        ({"dpkg_deb": "echo 'not a Debian archive' >&2; exit 2"}, "dpkg-deb failed:\nnot a Debian archive"),
    ],
)
def test_where_the_package_cannot_be_had_it_says_why_and_what_to_do(
    instead: dict[str, str], says: str, tmp_path: Path, package: Callable[..., Path]
) -> None:
    package(**instead)
    with pytest.raises(DrawingError) as refused:
        question.fetch(tmp_path / "art")
    for part in (says, f"the Debian package {question.PACKAGE}", "apt-get update", f"into {tmp_path / 'art'}"):
        assert part in str(refused.value)


def test_without_debians_tools_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DrawingError, match="apt-get cannot be run"):
        question.fetch(tmp_path / "art")


# The command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command with small titles, which need nothing fetched."""
    monkeypatch.setattr(draw_clips, "prepare", lambda art: art.mkdir(parents=True, exist_ok=True))
    small = [replace(STILL, name=f"still-{n}") for n in range(8)]
    monkeypatch.setattr(titles, "TRAIN", (titles.Title("still", tuple(small[:5])),))
    monkeypatch.setattr(titles, "HELD_OUT", (titles.Title("still", tuple(small[5:])),))
    return partial(run, tmp_path / "out")


def run(folder: Path, *options: str) -> int:
    code: int = draw_clips.main([str(folder), *options])
    return code


def clips(folder: Path) -> dict[str, int]:
    return {
        clip.relative_to(folder).as_posix(): len(list(clip.iterdir()))
        for part in ("train", "held-out")
        for clip in sorted((folder / part).iterdir())
    }


def test_it_draws_what_lacks_and_leaves_the_rest(
    tmp_path: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command("--quick") == 0
    quick = clips(out)
    assert quick == {**{f"train/still-{n}": 17 for n in range(4)}, **{f"held-out/still-{n}": 17 for n in (5, 6)}}
    kept = (out / "train/still-0/00000000.png").stat().st_mtime_ns

    assert command("--quick") == 0
    assert (out / "train/still-0/00000000.png").stat().st_mtime_ns == kept
    assert capsys.readouterr().out.splitlines() == [str(out)] * 2

    assert command() == 0
    whole = {**{f"train/still-{n}": 24 for n in range(5)}, **{f"held-out/still-{n}": 24 for n in (5, 6, 7)}}
    assert clips(out) == whole
    assert command("--quick") == 0
    assert clips(out) == whole  # nothing is shortened


def test_what_is_missing_is_said_before_anything_is_drawn_or_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert run(tmp_path / "out") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("draw_clips: vector drawings need resvg-py")
    assert not (tmp_path / "out").exists()

"""Motion, compositing and shows of drawn clips, and their atomic writes. The art of these tests is made by hand."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scripts.studies.drawing import __main__ as study
from scripts.studies.drawing import characters, hidden_shows, people, places, render, renpy_art, shows, svg
from scripts.studies.drawing.hidden_shows import HiddenShow
from scripts.studies.drawing.scene import LENGTH, Drawing, DrawingError, Layer, Pose, Scene
from scripts.studies.drawing.shows import Show
from tests.scripts.studies import archive
from trainer.data.clips import find_clips


@dataclass(frozen=True)
class Handmade:
    """A flat rectangle with a transparent margin. It logs each call of `paint` in a file."""

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


def render_pixels(scene: Scene, count: int, art: Path) -> list[NDArray[np.float64]]:
    return [pixels(picture) for picture in render.render_frames(scene, count, art)]


# Motion


def test_a_motion_begins_with_the_first_frame_and_ends_with_the_last() -> None:
    layer = Layer((), Pose(10, 20, 100), Pose(56, -3, 123))

    assert layer.pose(0) == Pose(10, 20, 100)
    assert layer.pose(1) == Pose(12, 19, 101)
    assert layer.pose(LENGTH - 1) == Pose(56, -3, 123)
    assert layer.pose(LENGTH + 5) == Pose(56, -3, 123)


def test_an_eased_motion_starts_and_ends_slowly() -> None:
    layer = Layer((), Pose(0), Pose(230), ease=True)
    steps = [layer.pose(n + 1).x - layer.pose(n).x for n in range(LENGTH - 1)]

    assert layer.pose(LENGTH - 1).x == pytest.approx(230)
    assert max(steps[0], steps[-1]) < 3 < 10 < steps[len(steps) // 2]


def test_drawings_on_twos_or_threes_are_held_while_the_camera_moves() -> None:
    drawings = tuple(Handmade(colour) for colour in ("red", "lime", "blue"))
    for every in (2, 3):
        layer = Layer(drawings, Pose(0), Pose(46), every=every, bob=3.0, exposure="0120")
        camera = Layer((), Pose(0), Pose(46))
        for n in range(LENGTH - 1):
            holds = n % every != every - 1
            assert (layer.pose(n) == layer.pose(n + 1)) == holds
            assert camera.pose(n) != camera.pose(n + 1)
        assert [layer.drawing(n * every) for n in range(6)] == [drawings[n] for n in (0, 1, 2, 0, 0, 1)]
        assert all(layer.drawing(n) == layer.drawing(n - n % every) for n in range(LENGTH))


def test_an_oscillation_goes_both_ways_and_repeats() -> None:
    layer = Layer((), Pose(0, 100), bob=4, period=12)
    heights = [layer.pose(n).y for n in range(13)]

    assert (max(heights), min(heights)) == pytest.approx((104, 96))
    assert heights[0] == heights[12] == pytest.approx(100)


# Compositing


def centre(picture: NDArray[np.float64]) -> tuple[float, float]:
    """Return the centre of a picture's brightness."""
    weight = picture.sum(2)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return float((x * weight).sum() / weight.sum()), float((y * weight).sum() / weight.sum())


@pytest.mark.parametrize("at", [(100, 90), (100.25, 90.5), (99.9, 90.125), (317.3333, 170.77)])
def test_a_drawing_is_at_its_pose_to_a_fraction_of_a_pixel(at: tuple[float, float], tmp_path: Path) -> None:
    spot = Layer((Handmade("white", (80, 80), 4),), Pose(*at, 44))
    [picture] = render_pixels(Scene("spot", (replace(GROUND, drawings=(Handmade("black"),)), spot)), 1, tmp_path)

    assert centre(picture) == pytest.approx([render.UNIT * place for place in at], abs=0.05)
    assert picture.sum() / (3 * 255) == pytest.approx((40 * render.UNIT) ** 2, rel=0.01)


def test_drawings_are_clipped_at_the_edges_of_the_picture(tmp_path: Path) -> None:
    for x, y in ((0, 180), (640, 180), (320, 0), (320, 360), (0, 0), (640, 360), (-200, 0), (320, 900)):
        canvas = Image.new("RGBA", (2560, 1440), "black")
        render.paste(canvas, Handmade("white", (100, 100)).paint(tmp_path), Pose(x, y, 50))
        wide = max(min(x + 25, 640) - max(x - 25, 0), 0)
        high = max(min(y + 25, 360) - max(y - 25, 0), 0)
        assert (pixels(canvas) > 0).all(2).sum() == 16 * wide * high


def test_lines_finer_than_a_pixel_turn_grey_and_do_not_flicker() -> None:
    lines = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (900, 800))).convert("RGBA")
    for x in (320, 320.1, 320.4):
        canvas = Image.new("RGBA", (2560, 1440), "black")
        render.paste(canvas, lines, Pose(x, 180, 150))
        small = pixels(canvas.resize((1280, 720), render.HALVING))[240:480, 440:820]
        assert np.abs(small - 127.5).max() < 30


def test_edges_have_no_halos(tmp_path: Path) -> None:
    """Neither dark ones from the colour of transparent pixels, nor bright ones from a filter that overshoots."""
    for colour, ground in (("white", "white"), ("#404040", "#c0c0c0")):
        layers = (Layer((Handmade(ground),)), Layer((Handmade(colour, (50, 50), 5),), Pose(200.3, 100.7, 91.3)))
        [picture] = render_pixels(Scene("edge", layers), 1, tmp_path)
        low, high = sorted(pixels(Image.new("RGB", (1, 1), name))[0, 0, 0] for name in (colour, ground))
        assert low - 1 <= picture.min()
        assert picture.max() <= high + 1


# Frames and clips


def test_a_drawing_is_painted_once_and_only_when_visible(tmp_path: Path) -> None:
    render_pixels(WALK, 4, tmp_path)
    assert (tmp_path / "painted").read_text().split() == ["navy", "red"]
    render_pixels(WALK, 24, tmp_path)
    assert (tmp_path / "painted").read_text().split() == ["navy", "red", "navy", "red", "lime"]


def test_frames_change_exactly_when_something_moves(tmp_path: Path) -> None:
    walk, still = render_pixels(WALK, 24, tmp_path), render_pixels(STILL, 24, tmp_path)

    assert [(a != b).any() for a, b in pairwise(walk)] == [n % 2 == 1 for n in range(23)]
    assert not any((a != b).any() for a, b in pairwise(still))
    assert (walk[3] == [255, 0, 0]).all(2).any()
    assert (walk[4] == [0, 255, 0]).all(2).any()


def files(clip: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in clip.iterdir()}


def test_the_trainer_reads_a_clip_and_it_is_the_same_each_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        render.write(WALK, 5, tmp_path / folder / "train", tmp_path)

    [clip] = find_clips(tmp_path / "a" / "train")
    assert (clip.name, len(clip)) == ("walk", 5)
    assert [picture.shape for picture in clip.read(range(5))] == [(720, 1280, 3)] * 5
    assert files(tmp_path / "a/train/walk") == files(tmp_path / "b/train/walk")
    assert sorted(files(tmp_path / "a/train/walk")) == [f"{n:08d}.png" for n in range(5)]


def test_a_long_clip_begins_with_the_short_one_and_replaces_it(tmp_path: Path) -> None:
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


def test_no_reader_sees_an_incomplete_clip(tmp_path: Path) -> None:
    """Neither during drawing nor after a failure. An existing clip stays."""
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


# The shows

PARTS = {"train": shows.TRAIN, "held-out": shows.HELD_OUT}
HIDDEN = [(show, each) for show in hidden_shows.HIDDEN for each in (*show.episode, *show.held_out)]
ALL: list[tuple[Show | HiddenShow, Scene]] = [
    *((show, each) for part in PARTS.values() for show in part for each in show.scenes),
    *HIDDEN,
]
HEIGHTS = {"question/bg": 720, "question/main_menu": 720, "question/sylvie": 700, "place": 1440}


def test_there_are_24_train_scenes_and_8_held_out() -> None:
    assert [len(shows.scenes(part)) for part in PARTS.values()] == [24, 8]
    names = [scene.name for _, scene in ALL]
    assert len(set(names)) == 32 + len(HIDDEN)
    assert all(scene.name.startswith(f"{show.name}-") for show, scene in ALL)


def test_the_quick_scenes_are_from_all_shows() -> None:
    for part, count in ((shows.TRAIN, 4), (shows.HELD_OUT, 2)):
        few = shows.scenes(part, count)
        assert len(few) == count
        assert {scene.name.split("-")[0] for scene in few} == {show.name for show in part}


def sheets(part: tuple[Show, ...]) -> set[str]:
    return {drawing.sheet for scene in shows.scenes(part) for drawing in scene.drawings()}


def test_a_hidden_show_has_an_episode_and_scenes_of_its_own() -> None:
    assert [(len(show.episode), len(show.held_out)) for show in hidden_shows.HIDDEN] == [(6, 4)] * 3
    for show in hidden_shows.HIDDEN:
        frames = [[scene.frame(n) for n in range(LENGTH)] for scene in (*show.episode, *show.held_out)]
        assert all(not any(frame in other for frame in own) for own, other in permutations(frames, 2))


def test_no_sheet_and_no_style_of_a_hidden_show_is_in_another_one() -> None:
    opened = sheets(shows.TRAIN) | sheets(shows.HELD_OUT)
    hidden = [
        {drawing.sheet for scene in (*show.episode, *show.held_out) for drawing in scene.drawings()}
        for show in hidden_shows.HIDDEN
    ]
    for own, other in permutations([opened, *hidden], 2):
        assert not own & other
    styles = [{sheet.split("/")[0] for sheet in own} & set(people.SHA256) for own in (opened, *hidden)]
    assert styles == [{"adventurer", "toon-head", "open-peeps"}, {"lorelei"}, {"micah"}, {"personas"}]


def test_hidden_shows_are_drawn_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(study, "prepare", lambda art: None)
    monkeypatch.setattr(render, "write", lambda scene, count, folder, art: drawn.append(f"{folder.name}/{scene.name}"))

    assert study.main([str(tmp_path)]) == 0
    assert {name.split("/")[0] for name in drawn} == {"train", "held-out"}
    drawn.clear()
    assert study.main([str(tmp_path), "--hidden"]) == 0

    expected = {f"hidden-episodes/{scene.name}" for show in hidden_shows.HIDDEN for scene in show.episode}
    expected |= {f"hidden-scenes/{scene.name}" for show in hidden_shows.HIDDEN for scene in show.held_out}
    assert set(drawn) == expected


def test_held_out_sheets_do_not_occur_in_training() -> None:
    train, held_out = sheets(shows.TRAIN), sheets(shows.HELD_OUT)

    assert not train & held_out
    assert {"question/sylvie green", "question/bg club", "place/street", "adventurer/mika", "credits/staff"} <= train
    assert {"question/sylvie blue", "question/bg meadow", "place/night", "open-peeps/ada", "credits/card"} <= held_out


def test_no_illustrator_of_heads_works_for_both() -> None:
    illustrators = [{sheet.split("/")[0] for sheet in sheets(part)} & set(people.SHA256) for part in PARTS.values()]
    assert illustrators == [{"adventurer", "toon-head"}, {"open-peeps"}]


def test_all_art_is_used() -> None:
    used = {drawing.sheet for _, scene in ALL for drawing in scene.drawings()}
    assert {name for name in used if name.startswith("place/")} == {f"place/{name}" for name in places.PLACES}
    assert {name for name in used if name.startswith("question/")} == {
        renpy_art.Painted(file).sheet for file in renpy_art.SHA256
    }


def poses(scene: Scene) -> Iterator[tuple[int, Drawing, Pose]]:
    """Yield layer number, drawing and pose of everything in each frame."""
    for n in range(LENGTH):
        for depth, (drawing, pose) in enumerate(scene.frame(n)):
            yield depth, drawing, pose


@pytest.mark.parametrize("scene", [scene for _, scene in ALL], ids=lambda scene: scene.name)
def test_no_edge_is_visible(scene: Scene) -> None:
    for depth, drawing, pose in poses(scene):
        if depth == 0:  # the background: 16:9
            assert abs(pose.x - 320) <= (pose.height * 16 / 9 - 640) / 2 + 1e-9
            assert abs(pose.y - 180) <= (pose.height - 360) / 2 + 1e-9
        elif not drawing.sheet.startswith("credits/"):
            assert pose.y + pose.height / 2 > 360, "its lower edge is visible"


@pytest.mark.parametrize("scene", [scene for _, scene in ALL], ids=lambda scene: scene.name)
def test_drawn_art_is_never_enlarged_and_painted_art_less_than_twice(scene: Scene) -> None:
    for _, drawing, pose in poses(scene):
        height = next((size for sheet, size in HEIGHTS.items() if drawing.sheet.startswith(sheet)), people.HEIGHT)
        limit = 2 if drawing.sheet.startswith("question/") else 1
        assert render.UNIT * pose.height <= limit * height


def test_exposure_sheets_name_drawings_that_exist() -> None:
    for _, scene in ALL:
        for layer in scene.layers:
            assert set(layer.exposure) <= {str(n) for n in range(len(layer.drawings))}


def test_there_are_stills_pans_and_drawings_on_ones_twos_and_threes() -> None:
    """In train and held-out scenes, as in limited animation."""
    for part in PARTS.values():
        layers = [layer for scene in shows.scenes(part) for layer in scene.layers]
        assert {layer.every for layer in layers} == {1, 2, 3}
        grounds = [(scene.layers[0].pose(0), scene.layers[0].pose(1)) for scene in shows.scenes(part)]
        slow = [abs(b.x - a.x) for a, b in grounds if 0 < abs(b.x - a.x) < 1]
        assert slow, "none moves by fractions of a pixel"
    assert any(not scene.layers[0].end for scene in shows.scenes(shows.TRAIN))


# Vector drawings


@pytest.mark.parametrize("name", list(places.PLACES))
def test_a_place_is_the_same_document_each_time(name: str) -> None:
    one, two = ("".join(places.PLACES[name](Random(name))) for _ in range(2))

    assert one == two
    assert "nan" not in one
    ElementTree.fromstring(f"<g>{one}</g>")


@pytest.mark.parametrize("name", list(places.PLACES))
def test_a_place_fills_its_picture(name: str) -> None:
    pytest.importorskip("resvg_py", reason="the extra learn is not installed")
    picture = svg.rasterize(svg.document(places.PLACES[name](Random(name))), 180)

    assert picture.size == (320, 180)
    assert picture.getchannel("A").getextrema() == (255, 255)


def test_every_person_has_five_faces() -> None:
    pytest.importorskip("dicebear", reason="the extra learn is not installed")
    constants = [value for name, value in vars(characters).items() if name.isupper()]
    persons = [value for value in constants if isinstance(value[0], people.Person)]
    assert len(persons) == 21
    for drawings in persons:
        heads = [people.draw_head(d.style, {"seed": d.name, **dict(d.look), **dict(d.face)}) for d in drawings]
        assert len(set(heads)) == len(heads) == 5
        assert len({drawing.sheet for drawing in drawings}) == 1


def test_without_the_renderer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DrawingError, match=r"resvg-py.*pip install '.\[learn\]'"):
        svg.rasterize("<svg/>", 10)


def test_without_the_styles_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    people.load_style.cache_clear()
    monkeypatch.setitem(sys.modules, "dicebear", None)
    with pytest.raises(DrawingError, match=r"dicebear-core.*pip install '.\[learn\]'"):
        people.draw_head("adventurer", {})


def test_a_style_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("dicebear")
    stand_in.Style = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dicebear", stand_in)
    monkeypatch.setattr(people, "files", lambda package: tmp_path)
    (tmp_path / "adventurer.json").write_text(json.dumps({"other": 1}))
    people.load_style.cache_clear()
    with pytest.raises(DrawingError, match="SHA-256 differs"):
        people.draw_head("adventurer", {})


# The painted art

PICTURES = {"gui/a.png": b"first", "images/b c.png": b"second"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put fake Debian tools and a package of small files first on PATH. Return the folder of the package's content."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in PICTURES.items()}
    monkeypatch.setattr(renpy_art, "SHA256", hashes)

    def offer(**replacements: str) -> Path:
        content = archive.offer(tmp_path, monkeypatch, renpy_art.PACKAGE, **replacements)
        for name, data in PICTURES.items():
            (content / renpy_art.INSIDE / name).parent.mkdir(parents=True, exist_ok=True)
            (content / renpy_art.INSIDE / name).write_bytes(data)
        return content / str(renpy_art.INSIDE)

    return offer


def fetched(art: Path) -> dict[str, bytes]:
    return {file.relative_to(art).as_posix(): file.read_bytes() for file in art.rglob("*") if file.is_file()}


def test_pictures_are_fetched_verified_and_kept(tmp_path: Path, package: Callable[..., Path]) -> None:
    package()
    for _ in range(2):
        renpy_art.fetch(tmp_path / "new" / "art")

    assert fetched(tmp_path / "new" / "art") == PICTURES
    assert (tmp_path / "log").read_text() == f"download {renpy_art.PACKAGE}\n"  # once
    assert len(list((tmp_path / "new" / "art").iterdir())) == 2


def test_a_damaged_picture_is_fetched_again(tmp_path: Path, package: Callable[..., Path]) -> None:
    package()
    renpy_art.fetch(tmp_path / "art")
    (tmp_path / "art" / "gui/a.png").write_bytes(b"firsT")
    renpy_art.fetch(tmp_path / "art")
    assert fetched(tmp_path / "art") == PICTURES


def test_a_package_with_another_picture_is_refused(tmp_path: Path, package: Callable[..., Path]) -> None:
    (package() / "images/b c.png").write_bytes(b"other")
    with pytest.raises(DrawingError, match=r"images/b c.png .*SHA-256 differs"):
        renpy_art.fetch(tmp_path / "art")
    assert "images/b c.png" not in fetched(tmp_path / "art")
    assert not [entry for entry in (tmp_path / "art").iterdir() if entry.name not in ("gui", "images")]


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        ({"apt_get": "echo 'E: Unable to locate package' >&2; exit 100"}, "apt-get failed:\nE: Unable to locate"),
        ({"apt_get": "exit 0"}, "apt-get left no package"),
        ({"dpkg_deb": "echo 'not a Debian archive' >&2; exit 2"}, "dpkg-deb failed:\nnot a Debian archive"),
    ],
)
def test_without_the_package_it_says_why_and_what_to_do(
    replacements: dict[str, str], message: str, tmp_path: Path, package: Callable[..., Path]
) -> None:
    package(**replacements)
    with pytest.raises(DrawingError) as refused:
        renpy_art.fetch(tmp_path / "art")
    for part in (message, f"the Debian package {renpy_art.PACKAGE}", "apt-get update", f"into {tmp_path / 'art'}"):
        assert part in str(refused.value)


def test_without_debian_tools_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DrawingError, match="apt-get cannot be run"):
        renpy_art.fetch(tmp_path / "art")


# The command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command with small shows that need no art."""
    monkeypatch.setattr(study, "prepare", lambda art: art.mkdir(parents=True, exist_ok=True))
    small = [replace(STILL, name=f"still-{n}") for n in range(8)]
    monkeypatch.setattr(shows, "TRAIN", (Show("still", tuple(small[:5])),))
    monkeypatch.setattr(shows, "HELD_OUT", (Show("still", tuple(small[5:])),))
    return partial(run, tmp_path / "out")


def run(folder: Path, *options: str) -> int:
    return study.main([str(folder), *options])


def clips(folder: Path) -> dict[str, int]:
    return {
        clip.relative_to(folder).as_posix(): len(list(clip.iterdir()))
        for part in ("train", "held-out")
        for clip in sorted((folder / part).iterdir())
    }


def test_it_draws_missing_clips_only(
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


def test_a_missing_package_is_reported_before_drawing_and_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert run(tmp_path / "out") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("drawing: vector drawings need resvg-py")
    assert not (tmp_path / "out").exists()

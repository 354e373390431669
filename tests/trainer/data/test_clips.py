"""Clips: frames by number, from folders of images and from video files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trainer.data.clips import Clip, Frame, find_clips, open_clip
from trainer.errors import ClipError

LENGTH = 50
SIZE = (48, 64)


def numbered_frame(n: int) -> Frame:
    """Return a frame that shows its number. The step of 4 grey levels survives a codec."""
    picture = np.full((*SIZE, 3), 20 + 4 * n, np.uint8)
    picture[: SIZE[0] // 2, :, 0] = 255 - 4 * n
    return picture


def read_number(picture: Frame) -> int:
    return round((float(picture[SIZE[0] // 2 + 4 :, :, 1].mean()) - 20) / 4)


def write_video(path: Path, length: int = LENGTH, *, codec: str = "libx264", start: int = 0) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24000, 1001))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.max_b_frames = 3
        stream.options = {"crf": "10"} if codec == "libx264" else {"qmin": "2", "qmax": "2"}
        for n in range(length):
            frame = av.VideoFrame.from_ndarray(numbered_frame(n), "rgb24")
            frame.pts = start + n
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_images(folder: Path, length: int = LENGTH) -> None:
    folder.mkdir()
    for n in range(length):
        Image.fromarray(numbered_frame(n)).save(folder / f"{n:08d}.png")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "a images")
    write_video(folder / "b.mp4")
    write_video(folder / "c.mkv", start=90)
    write_video(folder / "d.m2ts", codec="mpeg2video")
    (folder / "notes.txt").write_text("not a clip")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def clips(root: Path) -> list[Clip]:
    return find_clips(root)


def test_clips_are_found_in_the_order_of_their_names(clips: list[Clip]) -> None:
    assert [(clip.name, len(clip)) for clip in clips] == [(name, LENGTH) for name in ("a images", "b", "c", "d")]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 3), st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=8))
def test_frames_come_in_the_requested_order(clips: list[Clip], which: int, numbers: list[int]) -> None:
    found = clips[which].read(numbers)

    assert [read_number(picture) for picture in found] == numbers
    assert all(picture.shape == (*SIZE, 3) and picture.dtype == np.uint8 for picture in found)
    assert all(picture[4, :, 0].mean() > 255 - 4 * LENGTH - 30 for picture in found)  # red is the first channel


def test_images_are_read_exactly(clips: list[Clip]) -> None:
    assert all(np.array_equal(picture, numbered_frame(n)) for n, picture in enumerate(clips[0].read(range(LENGTH))))


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        ClipError, match=r"data=.* holds no clips; each is a folder of images .*\.png.* or a video .*\.mkv"
    ):
        find_clips(tmp_path)
    with pytest.raises(ClipError, match=r"data=.*nowhere.* cannot be read .No such file.*; name a folder of clips"):
        find_clips(tmp_path / "nowhere")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write_images(tmp_path / "clip", 2)
    damaged = tmp_path / "clip" / "00000001.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    (tmp_path / "noise.mkv").write_bytes(bytes(range(256)) * 40)
    write_video(tmp_path / "sound.mp4", 3)

    pictures, video = open_clip(tmp_path / "clip"), open_clip(tmp_path / "noise.mkv")
    assert pictures is not None
    assert video is not None
    with pytest.raises(ClipError, match=r"00000001\.png cannot be read"):
        pictures.read([0, 1])
    with pytest.raises(ClipError, match=r"noise\.mkv cannot be opened"):
        len(video)


def test_a_truncated_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    write_video(path)
    clip = open_clip(path)
    assert clip is not None
    assert len(clip) == LENGTH
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(ClipError, match=r"cut\.mkv (gives no frame 49|cannot be decoded)"):
        clip.read([49])


def write_sharp(path: Path, codec: str) -> None:
    """Write a video whose frames need many bytes, so that a program stream does not have a timestamp for each."""
    generator = np.random.default_rng(0)
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24000, 1001))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.max_b_frames = 2
        stream.bit_rate = 1_500_000
        for n in range(LENGTH):
            picture = numbered_frame(n)
            picture[: SIZE[0] // 2] = generator.integers(0, 256, (SIZE[0] // 2, SIZE[1], 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["e.mpg", "e.vob", "e.ts", "e.mkv", "cut.vob", "cut.ts"])
def test_a_video_streams_the_frames_that_it_reads(name: str, tmp_path: Path) -> None:
    """The same holds for a cut video, where some of the first frames refer to a frame that was cut off."""
    path = tmp_path / name
    write_sharp(path, "mpeg2video")
    if path.stem == "cut":
        unit = 188 if path.suffix == ".ts" else 2048
        content = path.read_bytes()
        path.write_bytes(content[len(content) // 3 // unit * unit :])
    clip = open_clip(path)
    assert clip is not None

    streamed = {number: read_number(picture) for number, picture in clip.stream(SIZE[1], SIZE[0])}

    numbers = list(streamed)
    assert numbers == sorted(numbers)
    if path.stem == "e":
        assert streamed == {number: number for number in range(LENGTH)}
    assert len(numbers) == LENGTH if path.stem == "e" else 20 < len(numbers) < len(clip)
    assert [read_number(clip.read([number])[0]) for number in numbers] == list(streamed.values())
    begin = numbers[0]
    assert [read_number(each) for each in clip.read(range(begin + 5, begin + 16))] == [
        streamed[number] for number in range(begin + 5, begin + 16)
    ]


def test_images_stream_as_they_are_read(tmp_path: Path) -> None:
    write_images(tmp_path / "clip")
    clip = open_clip(tmp_path / "clip")
    assert clip is not None

    streamed = list(clip.stream(SIZE[1], SIZE[0]))

    assert [number for number, _ in streamed] == list(range(LENGTH))
    assert all(np.array_equal(picture, numbered_frame(number)) for number, picture in streamed)


def test_a_video_with_timestamps_out_of_order_is_refused(tmp_path: Path) -> None:
    """AVI has no timestamps. Those that FFmpeg guesses for H.264 with B-frames are wrong."""
    write_video(tmp_path / "e.avi")
    clip = open_clip(tmp_path / "e.avi")
    assert clip is not None

    with pytest.raises(ClipError, match=r"e\.avi has .* frames whose times are out of order; encode it anew"):
        list(clip.stream(16, 16))


def test_a_clip_is_known_by_the_content_of_its_files_and_not_by_their_names(tmp_path: Path) -> None:
    for folder, frames in (("a/x", (1, 2)), ("b/y", (1, 2)), ("c/x", (2, 1)), ("d/x", (1,))):
        (tmp_path / folder).mkdir(parents=True)
        for n, colour in enumerate(frames):
            Image.new("RGB", (8, 8), (colour, 0, 0)).save(tmp_path / folder / f"{folder[0]}{n}.png")

    one, same, swapped, shorter = (find_clips(tmp_path / name)[0].digest() for name in "abcd")

    assert one == same
    assert len({one, swapped, shorter}) == 3


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "x" / "0.png")
    write_video(tmp_path / "x.mkv", 3)

    with pytest.raises(ClipError, match="holds two clips of the name 'x'; rename one of them"):
        find_clips(tmp_path)

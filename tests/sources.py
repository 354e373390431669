"""Small episodes, written by ffmpeg: a telecined DVD, an interlaced one, a WEB source, a variable frame rate."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

type Pictures = NDArray[np.uint8]
"""(frames, height, width), grey levels."""

FRAMES = 24
RATE = "24000/1001"
DELAY = 83
"""Milliseconds before the first frame, except on the DVD. ffmpeg adds 5 for the audio encoder to start."""
DURATIONS = [42] * 8 + [83] * 8 + [33] * 8
"""Milliseconds of each frame of the clip with a variable frame rate."""

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=500
title=Opening
[CHAPTER]
TIMEBASE=1/1000
START=500
END=1000
title=Part A
"""
SUBTITLES = "1\n00:00:00,200 --> 00:00:00,900\nHello\n"
FONT = b"\x00\x01\x00\x00 a font"


def draw_pictures(width: int, height: int) -> Pictures:
    """Return pictures that all differ: a bar that moves to the right over a ramp."""
    ramp = np.linspace(40, 120, height)[:, None].repeat(width, 1)
    pictures = np.stack([ramp] * FRAMES)
    for n, picture in enumerate(pictures):
        left = 2 * n * width // (2 * FRAMES + 4)
        picture[:, left : left + width // 8] = 220
    return pictures.astype(np.uint8)


CUTS = (0, 14, 37)
"""Where the scenes of `draw_episode` start."""
EPISODE_FRAMES = 48


def draw_episode(width: int, height: int, *, twos: bool = True) -> Pictures:
    """Return pictures of three scenes: held on twos, with a fade at its end, and moving.

    Args:
        twos: off for a film that is telecined. Of held frames and a telecine's, VDecimate cannot tell which to drop.
    """
    rng = np.random.default_rng(5)
    pictures = []
    for start, end in zip(CUTS, (*CUTS[1:], EPISODE_FRAMES), strict=True):
        cells = rng.integers(30, 160, (height // 4, width // 4)).astype(float)
        scene = cells.repeat(4, 0).repeat(4, 1)
        for n in range(end - start):
            picture = scene.copy()
            left = (n // 2 if start == 0 and twos else n) * width // EPISODE_FRAMES
            picture[height // 4 : height // 2, left : left + width // 6] = 220
            if start == CUTS[1]:
                picture *= min(1, (end - start - n) / 12)
            pictures.append(picture)
    return np.stack(pictures).astype(np.uint8)


def write_dvd(folder: Path, first_field: str = "top", film: Pictures | None = None) -> Pictures:
    """Write `episode.mkv`: MPEG-2, 60x40 pixels of 32:27, telecined to 30000/1001, by its flags top field first.

    Args:
        film: the pictures, if not those of `draw_pictures`.

    Returns:
        The film.
    """
    film = draw_pictures(60, 40) if film is None else film
    mpeg2 = ["-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p"]
    filters = f"telecine=first_field={first_field}:pattern=23,setfield=tff,setsar=32/27"
    _write(folder, film, filters, mpeg2, "tv", "smpte170m")
    return film


def write_interlaced(folder: Path, pictures: Pictures) -> Pictures:
    """Write `episode.mkv`: MPEG-2, 25 frames a second, flagged as interlaced, of fields of the same moment."""
    mpeg2 = ["-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p", "-r", "25"]
    _write(folder, pictures, "setpts=N/25/TB,setfield=tff,setsar=16/15", mpeg2, "tv", "bt470bg")
    return pictures


def write_web(folder: Path, range: str = "tv") -> Pictures:
    """Write `episode.mkv`: H.264, 10 bits, BT.709, 64x48 square pixels, first frame at `DELAY`. Return its pictures."""
    return _write_h264(folder, [1001 / 24] * FRAMES, range)


def write_vfr(folder: Path, pictures: Pictures | None = None) -> Pictures:
    """Write `episode.mkv` as `write_web` does, but with the durations in `DURATIONS`, again and again."""
    durations = DURATIONS * (1 if pictures is None else -(-len(pictures) // len(DURATIONS)))
    return _write_h264(folder, durations, "tv", pictures)


def _write_h264(folder: Path, durations: Sequence[float], range: str, pictures: Pictures | None = None) -> Pictures:
    pictures = draw_pictures(64, 48) if pictures is None else pictures
    durations = durations[: len(pictures)]
    times = "+".join([str(DELAY), *(f"gt(N\\,{n})*{duration}" for n, duration in enumerate(durations))])
    x264 = ["-c:v", "libx264", "-crf", "12", "-bf", "2", "-pix_fmt", "yuv420p10le"]
    kept = ["-fps_mode", "passthrough", "-enc_time_base:v", "1/1000"]
    _write(folder, pictures, f"settb=1/1000,setpts={times},setsar=1", [*x264, *kept], range, "bt709")
    return pictures


def _write(folder: Path, pictures: Pictures, filters: str, codec: list[str], range: str, colours: str) -> None:
    files = {"chapters.txt": CHAPTERS.encode(), "subtitles.srt": SUBTITLES.encode(), "font.ttf": FONT}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _, height, width = pictures.shape
    tags = f"setparams=color_primaries={colours}:color_trc={colours}:colorspace={colours}"
    pixels = codec[codec.index("-pix_fmt") + 1]
    convert = f"scale=out_color_matrix={colours}:out_range={range},format={pixels}"
    command = [
        *["ffmpeg", "-v", "error"],
        *["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", RATE, "-i", "-"],
        *["-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=48000"],
        *["-i", "subtitles.srt", "-i", "chapters.txt"],
        *["-map", "0", "-map", "1", "-map", "2", "-map_chapters", "3", "-attach", "font.ttf"],
        *["-vf", f"{convert},{filters},{tags}", *codec],
        *["-color_range", range, "-c:a", "ac3", "-c:s", "srt", "-metadata:s:t", "mimetype=font/ttf"],
        *["-metadata:s:a", "language=jpn", "-metadata:s:s", "language=eng", "episode.mkv"],
    ]
    subprocess.run(command, cwd=folder, input=pictures.tobytes(), check=True)

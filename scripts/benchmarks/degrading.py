"""Degraded clips per second: the trainer's pipeline beside one that works as the release's does."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator

import cv2
import fetch_data
import numpy as np
import torch
from numpy.typing import NDArray

from trainer.clips import VideoClip
from trainer.degradation.draw import drawn
from trainer.degradation.pipeline import degraded
from trainer.degradation.settings import PRESETS

from .processes import shared_out
from .settings import Settings
from .table import Table, verdict

TARGET = 8.0
"""How many times as many clips as the release's way are wanted."""
FRAMES, SIDE = 15, 256
CLIPS = 8
"""For each process in a turn."""
OURS, THEIRS = "this trainer, preset release", "as the release: OpenCV, two ffmpeg processes a clip"
RAW = ("-f", "rawvideo", "-pix_fmt", "rgb24")

type Pictures = NDArray[np.float32]

_clip: NDArray[np.uint8]  # in each process: (frames, SIDE, SIDE, 3)


def clips(settings: Settings) -> Iterator[Table]:
    """Both on all cores, one clip in each process at a time; frames lie ready in memory."""
    ways: dict[str, Callable[[int], None]] = {OURS: _ours}
    if shutil.which("ffmpeg"):
        ways[THEIRS] = _theirs
    samples, how = shared_out(ways, CLIPS, settings, _prepare)

    def row(name: str) -> tuple[str, ...]:
        faster = samples.ratio(THEIRS, name) if THEIRS in ways else math.nan
        judged = verdict(faster, at_least=TARGET) if name == OURS and THEIRS in ways else ""
        return name, f"{1 / samples.median(name):.1f}", f"{1000 * samples.median(name):.1f}", f"{faster:.1f}", judged

    note = f"Clips of {FRAMES} frames of {SIDE}x{SIDE} become {SIDE // 4}x{SIDE // 4}; {how}"
    columns = ("", "clips per s", "ms per clip", "times the release", "target")
    yield Table("Degrading clips", columns, [*map(row, ways)], note)


def _prepare() -> None:
    global _clip
    cv2.setNumThreads(1)
    _clip = real_clip()


def real_clip() -> NDArray[np.uint8]:
    """(FRAMES, SIDE, SIDE, 3), out of the middle of a real one."""
    pictures = VideoClip(fetch_data.fetch()).read(range(60, 60 + FRAMES))
    return np.stack([picture[200 : 200 + SIDE, 400 : 400 + SIDE] for picture in pictures])


def _ours(number: int) -> None:
    clip = torch.from_numpy(_clip).permute(0, 3, 1, 2).contiguous()
    settings = PRESETS["release"]
    degraded(clip, settings, drawn(settings, np.random.default_rng(number), FRAMES))


def _theirs(number: int) -> None:
    """Facts 2.2 and 2.3: the same draws, with the release's tools and types."""
    draw = drawn(PRESETS["release"], np.random.default_rng(number), FRAMES)
    pictures = [picture.astype(np.float32) / 255 for picture in _clip]
    weights = _kernel(draw.sigma_x, draw.sigma_y, draw.angle)
    pictures = [cv2.filter2D(picture, -1, weights) for picture in pictures]
    pictures = [_noisy(*each) for each in zip(pictures, draw.sigmas, draw.grey, strict=True)]
    mode = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[draw.stages[0].mode]
    small = (SIDE // 4, SIDE // 4)
    levels = [np.clip(255 * cv2.resize(picture, small, interpolation=mode), 0, 255) for picture in pictures]
    options = draw.encodings[0].options
    encode = ["-s", f"{small[0]}x{small[1]}", "-r", "25", "-i", "-", "-vf", "fps=25:round=up", "-c:v", "libx264"]
    encode += ["-pix_fmt", "yuv420p", "-crf", options["crf"], "-profile:v", options["profile"], "-f", "h264"]
    stream = _ffmpeg(b"".join(level.astype(np.uint8).tobytes() for level in levels), *RAW, *encode)
    decoded = np.frombuffer(_ffmpeg(stream, "-f", "h264", "-i", "-", *RAW), np.uint8)
    assert decoded.size == FRAMES * small[0] * small[1] * 3
    _ = decoded.astype(np.float32) / 255


def _kernel(sigma_x: float, sigma_y: float, angle: float) -> NDArray[np.float64]:
    place = np.arange(-10, 11)
    x, y = np.meshgrid(place, place)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T)
    grid = np.stack([x, y], -1)
    weights: NDArray[np.float64] = np.exp(-0.5 * np.sum(grid @ inverse * grid, -1))
    return weights / weights.sum()


def _noisy(picture: Pictures, sigma: float, grey: bool) -> Pictures:
    shape = (*picture.shape[:2], 1 if grey else 3)
    pattern = np.float32(np.random.randn(*shape)) * sigma
    out: Pictures = np.clip(picture + pattern, 0, 1).astype(np.float32)
    return out


def _ffmpeg(given: bytes, *arguments: str) -> bytes:
    command = ("ffmpeg", "-v", "error", *arguments, "-")
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout

"""Degraded clips per second: the trainer's pipeline, compared with one built like the release's."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from scripts import fetch_data
from trainer.data.clips import VideoClip
from trainer.degradation.pipeline import degrade
from trainer.degradation.sampling import sample_degradation
from trainer.degradation.settings import PRESETS

from .processes import time_in_processes
from .settings import Settings
from .table import Table, verdict

TARGET = 8.0
"""Target: times the speed of the release's pipeline."""
FRAMES, SIDE = 15, 256
CLIPS = 8
"""Clips per process and measurement."""
OURS, RELEASE = "this trainer, preset release", "as the release: OpenCV, two ffmpeg processes a clip"
RAW = ("-f", "rawvideo", "-pix_fmt", "rgb24")

type Frame = NDArray[np.float32]

_clip: NDArray[np.uint8]  # of each process: (FRAMES, SIDE, SIDE, 3)


def measure_degradation(settings: Settings) -> Iterator[Table]:
    """Measure both on all cores, one clip at a time in each process. The frames are in memory."""
    tasks: dict[str, Callable[[int], None]] = {OURS: _degrade}
    if shutil.which("ffmpeg"):
        tasks[RELEASE] = _degrade_as_release
    results, method = time_in_processes(tasks, CLIPS, settings, _prepare)

    def row(name: str) -> tuple[str, ...]:
        speed_up = results.ratio(RELEASE, name) if RELEASE in tasks else math.nan
        target = verdict(speed_up, at_least=TARGET) if name == OURS and RELEASE in tasks else ""
        return name, f"{1 / results.median(name):.1f}", f"{1000 * results.median(name):.1f}", f"{speed_up:.1f}", target

    note = f"Clips of {FRAMES} frames of {SIDE}x{SIDE} become {SIDE // 4}x{SIDE // 4}; {method}"
    columns = ("", "clips per s", "ms per clip", "times the release", "target")
    yield Table("Degrading clips", columns, [*map(row, tasks)], note)


def _prepare() -> None:
    global _clip
    cv2.setNumThreads(1)
    _clip = load_clip()


def load_clip() -> NDArray[np.uint8]:
    """Return a crop from the middle of the real clip: (FRAMES, SIDE, SIDE, 3)."""
    pictures = VideoClip(fetch_data.fetch()).read(range(60, 60 + FRAMES))
    return np.stack([picture[200 : 200 + SIDE, 400 : 400 + SIDE] for picture in pictures])


def _degrade(number: int) -> None:
    clip = torch.from_numpy(_clip).permute(0, 3, 1, 2).contiguous()
    settings = PRESETS["release"]
    degrade(clip, settings, sample_degradation(settings, np.random.default_rng(number), FRAMES))


def _degrade_as_release(number: int) -> None:
    """Degrade with the same random numbers, and the release's tools and types.

    Source: docs/paper-and-release.md, 2.2 and 2.3.
    """
    sample = sample_degradation(PRESETS["release"], np.random.default_rng(number), FRAMES)
    pictures = [picture.astype(np.float32) / 255 for picture in _clip]
    weights = _kernel(sample.sigma_x, sample.sigma_y, sample.angle)
    pictures = [cv2.filter2D(picture, -1, weights) for picture in pictures]
    pictures = [_add_noise(*each) for each in zip(pictures, sample.noise_sigmas, sample.noise_grey, strict=True)]
    modes = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
    mode = modes[sample.stages[0].mode]
    small = (SIDE // 4, SIDE // 4)
    levels = [np.clip(255 * cv2.resize(picture, small, interpolation=mode), 0, 255) for picture in pictures]
    options = sample.encodings[0].options
    encode = ["-s", f"{small[0]}x{small[1]}", "-r", "25", "-i", "-", "-vf", "fps=25:round=up", "-c:v", "libx264"]
    encode += ["-pix_fmt", "yuv420p", "-crf", options["crf"], "-profile:v", options["profile"], "-f", "h264"]
    stream = _ffmpeg(b"".join(level.astype(np.uint8).tobytes() for level in levels), *RAW, *encode)
    video = np.frombuffer(_ffmpeg(stream, "-f", "h264", "-i", "-", *RAW), np.uint8)
    assert video.size == FRAMES * small[0] * small[1] * 3
    _ = video.astype(np.float32) / 255


def _kernel(sigma_x: float, sigma_y: float, angle: float) -> NDArray[np.float64]:
    place = np.arange(-10, 11)
    x, y = np.meshgrid(place, place)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(rotation @ np.diag([sigma_x**2, sigma_y**2]) @ rotation.T)
    grid = np.stack([x, y], -1)
    weights: NDArray[np.float64] = np.exp(-0.5 * np.sum(grid @ inverse * grid, -1))
    return weights / weights.sum()


def _add_noise(picture: Frame, sigma: float, grey: bool) -> Frame:
    shape = (*picture.shape[:2], 1 if grey else 3)
    noise = np.float32(np.random.randn(*shape)) * sigma
    out: Frame = np.clip(picture + noise, 0, 1).astype(np.float32)
    return out


def _ffmpeg(data: bytes, *arguments: str) -> bytes:
    command = ("ffmpeg", "-v", "error", *arguments, "-")
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout

"""Jobs for the tests: requests, workers in this process, and the frames of results."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

from tests import sources
from tests.recipes import needs
from tests.sources import EPISODE_FRAMES, draw_episode
from vsanimesr.episode import encoding, job, pool
from vsanimesr.episode.request import Request
from vsanimesr.progress import Display

needs_episodes = needs("ffmpeg", "ffprobe", "bs", "vivtc", "bwdif")

LOSSLESS: dict[str, Any] = {"encoder": "ffv1"}
QUICK: dict[str, Any] = {"encoder": "x265", "encoder_options": {"preset": "ultrafast", "crf": "8"}}


SLOW_SCRIPT = """
import time
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({source!r})
clip = core.animesr.Upscale(clip, backend="null", scene_change="none", segment=[4, 1], format=vs.YUV420P10)
core.std.FrameEval(clip, lambda n: time.sleep({seconds}) or clip).set_output()
"""
CHUNKS = EPISODE_FRAMES // 4
"""Chunks of four frames of the slow script."""


class Inline:
    """A worker process that is this process: tests can see and change what it does."""

    def __init__(self, log: Path) -> None:
        pass

    def submit[T](self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)

    def stop(self) -> None:
        pass


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks in this process."""
    monkeypatch.setattr(pool, "Process", Inline)


def request(source: Path, output: Path, arguments: dict[str, Sequence[str]] | None = None, **changes: Any) -> Request:
    """Return a request without the network, and without loss if nothing else is said."""
    backend = {} if source.suffix == ".vpy" else {"backend": ["null"]}
    made = Request(input=source, output=output, arguments={**backend, **(arguments or {})}, chunk=16)
    return replace(made, **{**LOSSLESS, **changes})


def run(request: Request) -> Path:
    """Do what a request asks for. Return the result."""
    job.upscale(request, Display())
    return request.output


def write_slow_script(folder: Path, seconds: float) -> Path:
    """Write a script whose frames take so many seconds each, beside its source, `episode.mkv`."""
    sources.write_vfr(folder, draw_episode(64, 48))
    path = folder / "slow.vpy"
    path.write_text(SLOW_SCRIPT.format(source=str(folder / "episode.mkv"), seconds=seconds))
    return path


def frame_digests(file: Path) -> list[str]:
    """Return a hash of each frame of a video."""
    digests = []
    for frame in encoding.decoded(file):
        hashed = hashlib.sha256()
        encoding.add_to_digest(hashed, frame)
        digests.append(hashed.hexdigest())
    return digests


def chunks_of(output: Path) -> list[list[Any]]:
    """Return the chunks in the manifest beside a result."""
    chunks: list[list[Any]] = json.loads(job.sidecar_path(output).read_text())["chunks"]
    return chunks


def clip_digests(clip: vs.VideoNode) -> list[str]:
    """Return a hash of each frame of a clip, as `frame_digests` has them for a video without loss."""
    digests = []
    for frame in clip.frames(close=True):
        hashed = hashlib.sha256()
        for plane in range(frame.format.num_planes):
            hashed.update(memoryview(frame[plane]).tobytes())
        digests.append(hashed.hexdigest())
    return digests


def start_program(*arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    """Start `animesr` in a folder, with its output on stdout and stderr as pipes."""
    command = [sys.executable, "-m", "vsanimesr", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

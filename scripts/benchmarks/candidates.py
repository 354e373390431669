"""Candidates of the speed sections: PyTorch, a backend alone, a filter."""

from __future__ import annotations

from collections import deque

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from scripts import fetch_data
from vsanimesr.backends.base import SCALE, Frame, Planes, Ticket
from vsanimesr.machine import cores
from vsanimesr.options import Options, Precision
from vsanimesr.session import Session
from vsanimesr.weights.load import load_weights

from .reference_network import Network
from .settings import Settings
from .timing import Candidate

core = vs.core


def load_clip(settings: Settings, format: int) -> vs.VideoNode:
    """Return real frames, cached in memory and repeated often enough for all rounds."""
    source = core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)[: settings.frames]
    scaled = source.resize.Bicubic(settings.width, settings.height, matrix_in_s="709")
    if format != scaled.format.id:
        scaled = scaled.resize.Bicubic(format=format)
    core.std.SetVideoCache(scaled, mode=1, fixedsize=1, maxsize=settings.frames, maxhistory=0)
    for _ in scaled.frames(close=True):
        pass
    return scaled.std.Loop(settings.rounds + 1)


def load_frames(settings: Settings) -> NDArray[np.float32]:
    """Return the same frames as an array: (frames, 3, height, width), R, G, B in [0, 1]."""
    frames = load_clip(settings, vs.RGBS)[: settings.frames].frames(close=True)
    return np.stack([np.stack([np.asarray(plane) for plane in frame]) for frame in frames])


def filter_candidate(filtered: vs.VideoNode) -> Candidate:
    """Request frames of a filter in order, with VapourSynth's default number of concurrent requests."""
    position = 0

    def run(frames: int) -> None:
        nonlocal position
        # Skip the garbage collection at the end: with torch imported, it takes 0.1 s.
        for _ in filtered[position : position + frames].frames(close=True, collect_garbage=False):
            pass
        position += frames

    return run


def backend_candidate(
    pictures: NDArray[np.float32], name: str, precision: Precision, model: str = Options.model
) -> Candidate:
    """Run steps of a session without a filter. As in the filter, a step runs while the previous output is copied."""
    _, _, height, width = pictures.shape
    session = Session(Options(model=model, backend=name, precision=precision), width=width, height=height)
    frames = [Frame(n, (red, green, blue)) for n, (red, green, blue) in enumerate(pictures)]
    red, green, blue = np.empty((3, SCALE * height, SCALE * width), np.float32)
    out: Planes = (red, green, blue)

    def run(count: int) -> None:
        waiting: deque[Ticket] = deque()
        for n in range(count):
            if len(waiting) == session.depth:
                waiting.popleft().wait(out)
            window = (frames[max(n - 1, 0)], frames[n], frames[min(n + 1, count - 1)])
            if ticket := session.step(*window, reset=n == 0, output=True):
                waiting.append(ticket)
        for ticket in waiting:
            ticket.wait(out)

    return run


def pytorch_candidate(
    pictures: NDArray[np.float32], dtype: str = "float32", layout: str = "contiguous_format"
) -> Candidate:
    """Run plain PyTorch on all cores.

    Args:
        dtype: name of a dtype in torch.
        layout: name of a memory format in torch.
    """
    import torch

    torch.set_num_threads(cores())
    memory_format = getattr(torch, layout)
    network = Network(load_weights("v2"), getattr(torch, dtype), memory_format)
    frames = [torch.from_numpy(picture)[None].to(network.dtype, memory_format=memory_format) for picture in pictures]

    def run(count: int) -> None:
        sr, hidden = network.start(*frames[0].shape[-2:])
        with torch.inference_mode():
            for n in range(count):
                window = (frames[max(n - 1, 0)], frames[n], frames[min(n + 1, count - 1)])
                sr, hidden = network.step(*window, sr, hidden)

    return run

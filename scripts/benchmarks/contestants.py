"""What is compared: PyTorch, an engine alone, a filter; each goes on by as many frames as it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import fetch_data
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from tests.pytorch_network import Network
from vsanimesr.engines.base import SCALE, Frame, Planes, Ticket
from vsanimesr.options import Options, Precision
from vsanimesr.session import Session
from vsanimesr.weights import load_weights

from .machine import cores
from .settings import Settings

core = vs.core

type Run = Callable[[int], None]
"""Goes on by so many frames."""


def clip(settings: Settings, format: int) -> vs.VideoNode:
    """Real frames that lie ready in memory, over and over, as many as all turns take."""
    source = core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)[: settings.frames]
    scaled = source.resize.Bicubic(settings.width, settings.height, matrix_in_s="709")
    if format != scaled.format.id:
        scaled = scaled.resize.Bicubic(format=format)
    core.std.SetVideoCache(scaled, mode=1, fixedsize=1, maxsize=settings.frames, maxhistory=0)
    for _ in scaled.frames(close=True):
        pass
    return scaled.std.Loop(settings.rounds + 1)


def pictures(settings: Settings) -> NDArray[np.float32]:
    """The same frames as arrays: (frames, 3, height, width), R, G, B in [0, 1]."""
    frames = clip(settings, vs.RGBS)[: settings.frames].frames(close=True)
    return np.stack([np.stack([np.asarray(plane) for plane in frame]) for frame in frames])


def node(filtered: vs.VideoNode) -> Run:
    """A linear run, with as many frames asked for at once as is VapourSynth's default."""
    done = 0

    def run(frames: int) -> None:
        nonlocal done
        # Without the garbage collection at the end, which with torch imported takes 0.1 s.
        for _ in filtered[done : done + frames].frames(close=True, collect_garbage=False):
            pass
        done += frames

    return run


def engine(given: NDArray[np.float32], name: str, precision: Precision) -> Run:
    """A session stepped without a filter around it; as there, a step computes while the one before it is copied out."""
    _, _, height, width = given.shape
    session = Session(Options(engine=name, precision=precision), width=width, height=height)
    frames = [Frame(n, (red, green, blue)) for n, (red, green, blue) in enumerate(given)]
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


def pytorch(given: NDArray[np.float32], dtype: str = "float32", layout: str = "contiguous_format") -> Run:
    """Plain PyTorch on all cores, with a type and a memory format of that name."""
    import torch

    torch.set_num_threads(cores())
    memory_format = getattr(torch, layout)
    network = Network(load_weights("v2"), getattr(torch, dtype), memory_format)
    frames = [torch.from_numpy(picture)[None].to(network.dtype, memory_format=memory_format) for picture in given]

    def run(count: int) -> None:
        sr, hidden = network.start(*frames[0].shape[-2:])
        with torch.inference_mode():
            for n in range(count):
                window = (frames[max(n - 1, 0)], frames[n], frames[min(n + 1, count - 1)])
                sr, hidden = network.step(*window, sr, hidden)

    return run

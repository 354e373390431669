"""Seconds per frame: of plain PyTorch, of the engine alone, of the whole filter, of VapourSynth's bicubic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

import fetch_data
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from tests.pytorch_network import Network
from vsanimesr.engines.base import SCALE, Frame, Planes, Ticket
from vsanimesr.options import Options, Precision
from vsanimesr.session import Session
from vsanimesr.weights import load_weights

from .machine import cores, has_amx, has_bf16
from .rounds import Samples, Turn, per_frame, taken
from .settings import Settings
from .table import Table, verdict

core = vs.core

type Run = Callable[[int], None]
"""Goes on by so many frames."""

OVER_PYTORCH = {True: 5.0, False: 1.2}
"""How many times the speed of PyTorch fp32 is wanted with AMX, and without."""
OVER_ENGINE = 5.0
"""How many per cent of the engine's time the filter around it may take."""


def of_each(settings: Settings) -> Iterator[Table]:
    """The whole filter and its parts beside PyTorch and bicubic."""
    clip = _clip(settings, vs.YUV420P8)
    pictures = _pictures(settings)
    pytorch = f"PyTorch fp32, {cores()} threads"
    engines = {"engine alone, fp32": "fp32", "engine alone, auto": "auto"}
    if has_bf16():  # what int8 needs as well
        engines["engine alone, int8"] = "int8"
    runs: dict[str, Run] = {
        pytorch: _pytorch(pictures),
        **{name: _engine(pictures, "openvino", cast(Precision, precision)) for name, precision in engines.items()},
        "filter, YUV420P8, auto": _node(core.animesr.Upscale(clip)),
        "bicubic x4, YUV420P8": _node(clip.resize.Bicubic(SCALE * clip.width, SCALE * clip.height)),
    }
    samples = taken(_turns(runs, settings), settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        speed_up = 1 / samples.ratio(name, pytorch)
        judged = verdict(speed_up, at_least=OVER_PYTORCH[has_amx()]) if name.endswith("auto") else ""
        return name, *_time(samples, name), f"{1 / samples.median(name):.2f}", f"{speed_up:.2f}", judged

    columns = ("", "ms per frame", "lowest to highest", "frames per s", "times PyTorch", "target")
    yield Table(f"Speed at {settings.size}", columns, [row(name) for name in runs], _note(settings))


def of_the_filter(settings: Settings) -> Iterator[Table]:
    """What the filter takes besides the engine: with the engine that counts, and with one that does next to nothing."""
    pictures = _pictures(settings)
    clips = {name: _clip(settings, getattr(vs, name)) for name in ("RGBS", "YUV420P8")}
    runs: dict[str, Run] = {}
    for engine in ("openvino", "null"):
        runs[f"{engine} alone"] = _engine(pictures, engine, "auto")
        for name, clip in clips.items():
            runs[f"filter with {engine}, {name}"] = _node(core.animesr.Upscale(clip, engine=engine))
    samples = taken(_turns(runs, settings), settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        alone = "openvino alone" if "openvino" in name else "null alone"
        more = samples.difference(name, alone)
        share = 100 * samples.share(name, alone, "openvino alone")
        judged = verdict(share, at_most=OVER_ENGINE, unit=" %") if "filter with openvino" in name else ""
        cells = ("", "") if name == alone else (f"{1000 * more:.1f}", f"{share:.1f} %")
        return name, *_time(samples, name), *cells, judged

    columns = ("", "ms per frame", "lowest to highest", "ms more than alone", "of openvino's time", "target")
    yield Table(
        f"The filter around the engine at {settings.size}", columns, [row(name) for name in runs], _note(settings)
    )


def _turns(runs: dict[str, Run], settings: Settings) -> dict[str, Turn]:
    return {name: per_frame(run, settings.frames) for name, run in runs.items()}


def _time(samples: Samples, name: str) -> tuple[str, str]:
    lowest, highest = samples.range(name)
    return f"{1000 * samples.median(name):.1f}", f"{1000 * lowest:.1f} to {1000 * highest:.1f}"


def _note(settings: Settings) -> str:
    return f"Medians of {settings.rounds} rounds of {settings.frames} frames each; ratios are taken within rounds."


def _clip(settings: Settings, format: int) -> vs.VideoNode:
    """Real frames that lie ready in memory, over and over, as many as all turns take."""
    source = core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)[: settings.frames]
    clip = source.resize.Bicubic(settings.width, settings.height, matrix_in_s="709")
    if format != clip.format.id:
        clip = clip.resize.Bicubic(format=format)
    core.std.SetVideoCache(clip, mode=1, fixedsize=1, maxsize=settings.frames, maxhistory=0)
    for _ in clip.frames(close=True):
        pass
    return clip.std.Loop(settings.rounds + 1)


def _pictures(settings: Settings) -> NDArray[np.float32]:
    """The same frames as arrays: (frames, 3, height, width), R, G, B in [0, 1]."""
    frames = _clip(settings, vs.RGBS)[: settings.frames].frames(close=True)
    return np.stack([np.stack([np.asarray(plane) for plane in frame]) for frame in frames])


def _node(node: vs.VideoNode) -> Run:
    """A linear run, with as many frames asked for at once as is VapourSynth's default."""
    done = 0

    def run(frames: int) -> None:
        nonlocal done
        # Without the garbage collection at the end, which with torch imported takes 0.1 s.
        for _ in node[done : done + frames].frames(close=True, collect_garbage=False):
            pass
        done += frames

    return run


def _engine(pictures: NDArray[np.float32], engine: str, precision: Precision) -> Run:
    """A session stepped without a filter around it; as there, a step computes while the one before it is copied out."""
    _, _, height, width = pictures.shape
    session = Session(Options(engine=engine, precision=precision), width=width, height=height)
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


def _pytorch(pictures: NDArray[np.float32]) -> Run:
    import torch

    torch.set_num_threads(cores())
    network = Network(load_weights("v2"))
    frames = [torch.from_numpy(picture)[None] for picture in pictures]

    def run(count: int) -> None:
        _, _, height, width = frames[0].shape
        sr, hidden = torch.zeros(1, 3, SCALE * height, SCALE * width), torch.zeros(1, 64, height, width)
        with torch.inference_mode():
            for n in range(count):
                window = (frames[max(n - 1, 0)], frames[n], frames[min(n + 1, count - 1)])
                sr, hidden = network.step(*window, sr, hidden)

    return run

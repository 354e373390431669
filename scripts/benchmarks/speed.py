"""Seconds per frame of plain PyTorch, the backend alone, the whole filter and VapourSynth's bicubic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import vapoursynth as vs

from vsanimesr.backends.base import SCALE
from vsanimesr.machine import cores
from vsanimesr.options import Options, Precision

from .candidates import backend_candidate, filter_candidate, load_clip, load_frames, pytorch_candidate
from .machine import has_amx, has_bf16
from .settings import Settings
from .table import Table, verdict
from .timing import Candidate, Measure, Results, measure_interleaved, seconds_per_frame, time_interleaved

core = vs.core

FILTER = "filter, YUV420P8, auto"
OVER_PYTORCH = {"backend alone, auto": 8.0, "backend alone, int8": 12.0, FILTER: 5.0 if has_amx() else 1.2}
"""Targets: times the speed of PyTorch fp32. `auto` is bf16 on processors that compute it."""
OVER_CHANNELS_LAST = 1.0
"""Target: times the speed of PyTorch in the same precision, channels last."""
OVER_BACKEND = 5.0
"""Target: most time of the filter around the backend, in per cent of the backend's time."""
OVER_CHEAPEST = 10.0
"""Target: most extra cost of a pixel at any size, in per cent of the cheapest."""
SIZES = ((0.5, 0.5), (1, 1), (2, 2), (4, 3))
"""Factors of the width and height in the settings: 160x120, 320x240, 640x480, 1280x720 by default."""
SIZE_ROUNDS = 5
"""Most rounds over sizes: a round takes as long as 25 frames."""


def measure_speed(settings: Settings) -> Iterator[Table]:
    """Compare the whole filter and its parts with PyTorch and bicubic."""
    source, frames = load_clip(settings, vs.YUV420P8), load_frames(settings)
    plain = f"PyTorch fp32, {cores()} threads"
    bits = ["fp32", "bf16"] if has_bf16() else ["fp32"]
    layouts = {precision: f"PyTorch {precision}, channels last" for precision in bits}
    types = {"fp32": "float32", "bf16": "bfloat16"}
    precisions = ["fp32", "auto", "int8"] if has_bf16() else ["fp32", "auto"]  # int8 needs bf16 instructions too
    candidates: dict[str, Candidate] = {
        plain: pytorch_candidate(frames),
        **{name: pytorch_candidate(frames, types[precision], "channels_last") for precision, name in layouts.items()},
        **{
            f"backend alone, {name}": backend_candidate(frames, "openvino", cast(Precision, name))
            for name in precisions
        },
        **{
            f"{model}, backend alone, auto": backend_candidate(frames, "openvino", "auto", model)
            for model in settings.models
            if model != Options.model
        },
        FILTER: filter_candidate(core.animesr.Upscale(source)),
        "bicubic x4, YUV420P8": filter_candidate(source.resize.Bicubic(SCALE * source.width, SCALE * source.height)),
    }
    results = time_interleaved(candidates, settings.frames, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        speed_up = 1 / results.ratio(name, plain)
        target = verdict(speed_up, at_least=OVER_PYTORCH.get(name))
        return name, *time_cells(results, name), f"{1 / results.median(name):.2f}", f"{speed_up:.2f}", target

    columns = ("", "ms per frame", "lowest to highest", "frames per s", "times PyTorch", "target")
    yield Table(f"Speed at {settings.size}", columns, [*map(row, candidates)], _note(settings))

    def compare(precision: str) -> tuple[str, ...]:
        ours = "backend alone, fp32" if precision == "fp32" else "backend alone, auto"
        speed_up = 1 / results.ratio(ours, layouts[precision])
        return ours, layouts[precision], f"{speed_up:.2f}", verdict(speed_up, at_least=OVER_CHANNELS_LAST)

    title = f"Compared with PyTorch, channels last, at {settings.size}"
    yield Table(title, ("", "compared with", "times as fast", "target"), [*map(compare, bits)])


def measure_filter(settings: Settings) -> Iterator[Table]:
    """Measure the time of the filter without the backend: around OpenVINO, and around a backend that does little."""
    frames = load_frames(settings)
    clips = {name: load_clip(settings, getattr(vs, name)) for name in ("RGBS", "YUV420P8")}
    candidates: dict[str, Candidate] = {}
    for backend in ("openvino", "null"):
        candidates[f"{backend} alone"] = backend_candidate(frames, backend, "auto")
        for name, source in clips.items():
            candidates[f"filter with {backend}, {name}"] = filter_candidate(
                core.animesr.Upscale(source, backend=backend)
            )
    results = time_interleaved(candidates, settings.frames, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        alone = "openvino alone" if "openvino" in name else "null alone"
        more = results.difference(name, alone)
        share = 100 * results.share(name, alone, "openvino alone")
        target = verdict(share, at_most=OVER_BACKEND, unit=" %") if "filter with openvino" in name else ""
        cells = ("", "") if name == alone else (f"{1000 * more:.1f}", f"{share:.1f} %")
        return name, *time_cells(results, name), *cells, target

    columns = ("", "ms per frame", "lowest to highest", "ms more than alone", "of openvino's time", "target")
    title = f"The filter around the backend at {settings.size}"
    yield Table(title, columns, [*map(row, candidates)], _note(settings))


def measure_sizes(settings: Settings) -> Iterator[Table]:
    """Measure the cost of a pixel at several frame sizes, with the backend alone. Small sizes run more frames."""
    sizes = [
        replace(settings, width=_scale(settings.width, wide), height=_scale(settings.height, high))
        for wide, high in SIZES
    ]
    rounds = min(settings.rounds, SIZE_ROUNDS)
    measures: dict[str, Measure] = {}
    for size in sizes:
        clip = replace(size, frames=max(2, round(settings.frames * settings.pixels / size.pixels)))
        candidate = backend_candidate(load_frames(clip), "openvino", "auto")
        measures[size.size] = seconds_per_frame(candidate, clip.frames)
    results = measure_interleaved(measures, rounds)
    cost = {size.size: 1e9 * results.median(size.size) / size.pixels for size in sizes}

    def row(name: str) -> tuple[str, ...]:
        more = 100 * (cost[name] / min(cost.values()) - 1)
        target = verdict(more, at_most=OVER_CHEAPEST, unit=" %") if cost[name] == max(cost.values()) else ""
        return name, f"{1000 * results.median(name):.1f}", f"{cost[name]:.0f}", f"{more:.1f} %", target

    columns = ("", "ms per frame", "ns per pixel", "more than the cheapest", "target")
    yield Table("Cost per pixel, backend alone, auto", columns, [*map(row, cost)], f"Medians of {rounds} rounds.")


def _scale(side: int, factor: float) -> int:
    return max(4, int(side * factor) // 4 * 4)


def time_cells(results: Results, name: str) -> tuple[str, str]:
    """Return the median time of a candidate in ms, and its range."""
    lowest, highest = results.range(name)
    return f"{1000 * results.median(name):.1f}", f"{1000 * lowest:.1f} to {1000 * highest:.1f}"


def _note(settings: Settings) -> str:
    return f"Medians of {settings.rounds} rounds of {settings.frames} frames each; ratios are computed within rounds."

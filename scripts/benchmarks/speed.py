"""Seconds per frame: of plain PyTorch, of the engine alone, of the whole filter, of VapourSynth's bicubic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import vapoursynth as vs

from vsanimesr.engines.base import SCALE
from vsanimesr.options import Precision

from .contestants import Run, clip, engine, node, pictures, pytorch
from .machine import cores, has_amx, has_bf16
from .rounds import Samples, Turn, per_frame, taken
from .settings import Settings
from .table import Table, verdict

core = vs.core

FILTER = "filter, YUV420P8, auto"
OVER_PYTORCH = {"engine alone, auto": 8.0, "engine alone, int8": 12.0, FILTER: 5.0 if has_amx() else 1.2}
"""How many times the speed of PyTorch fp32 is wanted; `auto` is bf16 where the processor has it."""
OVER_CHANNELS_LAST = 1.0
"""How many times the speed of PyTorch in the same precision, channels last, is wanted."""
OVER_ENGINE = 5.0
"""How many per cent of the engine's time the filter around it may take."""


def of_each(settings: Settings) -> Iterator[Table]:
    """The whole filter and its parts beside PyTorch and bicubic."""
    source, frames = clip(settings, vs.YUV420P8), pictures(settings)
    plain = f"PyTorch fp32, {cores()} threads"
    bits = ["fp32", "bf16"] if has_bf16() else ["fp32"]
    layouts = {precision: f"PyTorch {precision}, channels last" for precision in bits}
    types = {"fp32": "float32", "bf16": "bfloat16"}
    engines = ["fp32", "auto", "int8"] if has_bf16() else ["fp32", "auto"]  # bf16 is what int8 needs as well
    runs: dict[str, Run] = {
        plain: pytorch(frames),
        **{name: pytorch(frames, types[precision], "channels_last") for precision, name in layouts.items()},
        **{f"engine alone, {name}": engine(frames, "openvino", cast(Precision, name)) for name in engines},
        FILTER: node(core.animesr.Upscale(source)),
        "bicubic x4, YUV420P8": node(source.resize.Bicubic(SCALE * source.width, SCALE * source.height)),
    }
    samples = taken(_turns(runs, settings), settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        speed_up = 1 / samples.ratio(name, plain)
        judged = verdict(speed_up, at_least=OVER_PYTORCH.get(name))
        return name, *_time(samples, name), f"{1 / samples.median(name):.2f}", f"{speed_up:.2f}", judged

    columns = ("", "ms per frame", "lowest to highest", "frames per s", "times PyTorch", "target")
    yield Table(f"Speed at {settings.size}", columns, [row(name) for name in runs], _note(settings))

    def against(precision: str) -> tuple[str, ...]:
        ours = "engine alone, fp32" if precision == "fp32" else "engine alone, auto"
        speed_up = 1 / samples.ratio(ours, layouts[precision])
        return ours, layouts[precision], f"{speed_up:.2f}", verdict(speed_up, at_least=OVER_CHANNELS_LAST)

    rows = [against(precision) for precision in bits]
    yield Table(f"Beside PyTorch, channels last, at {settings.size}", ("", "beside", "times as fast", "target"), rows)


def of_the_filter(settings: Settings) -> Iterator[Table]:
    """What the filter takes besides the engine: with the engine that counts, and with one that does next to nothing."""
    frames = pictures(settings)
    clips = {name: clip(settings, getattr(vs, name)) for name in ("RGBS", "YUV420P8")}
    runs: dict[str, Run] = {}
    for kind in ("openvino", "null"):
        runs[f"{kind} alone"] = engine(frames, kind, "auto")
        for name, source in clips.items():
            runs[f"filter with {kind}, {name}"] = node(core.animesr.Upscale(source, engine=kind))
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

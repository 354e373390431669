"""Frames per second on twos: the filter in vspipe, with and without held frames."""

from __future__ import annotations

import re
import sys
import tempfile
from itertools import islice
from pathlib import Path
from textwrap import dedent

import numpy as np
from PIL import Image

from scripts.benchmarks.timing import Measure, measure_interleaved
from scripts.vspipe import vspipe

from . import encodings, scenes
from .comparison import Comparison
from .encodings import ENCODINGS
from .groups import BOUND, find_kept
from .scenes import TRAIN, Picture

SCENE = "walk on twos"
SIZE = 128, 72
COUNT = 48
ROUNDS = 3


def shrink(picture: Picture) -> Picture:
    """Return a picture at SIZE."""
    whole = Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return np.asarray(whole.resize(SIZE, Image.Resampling.BOX), np.float32)


def measure_speed(clip: Path, held: str) -> Measure:
    """Return a measurement: frames per second of vspipe with the default network and backend."""
    script = clip.with_name(f"{held}.vpy")
    script.write_text(
        dedent(f"""\
            from vapoursynth import core
            source = core.bs.VideoSource({str(clip)!r}, cachemode=0, showprogress=False)
            core.animesr.Upscale(source, held={held!r}).set_output()
        """),
        encoding="utf-8",
    )

    def measure() -> float:
        result = vspipe(script, ".", timeout=1200)
        text = result.stderr.decode()
        found = re.search(r"\(([\d.]+) fps\)", text)
        if result.returncode or found is None:
            raise RuntimeError(text)
        print(f"holds: {held}, {found[0]}", file=sys.stderr)
        return float(found[1])

    return measure


def measure(art: Path, comparison: Comparison) -> tuple[str, ...]:
    """Return a row: steps, frames per second of both, the ratio in each round."""
    scene = next(scene for scene in scenes.scenes(TRAIN) if scene.name == SCENE)
    source = [encodings.to_yuv(shrink(picture)) for picture in islice(scenes.render(scene, art), COUNT)]
    data = encodings.encode(source, ENCODINGS[0])
    frames = [encodings.split(yuv) for yuv in encodings.decode(data)]
    kept = find_kept(COUNT, BOUND, lambda k, n: comparison.is_held(frames[k], frames[n]))
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "twos.mkv")
        clip.write_bytes(data)
        speeds = measure_interleaved(
            {held: measure_speed(clip, held) for held in ("off", "skip")}, ROUNDS, warm_up=False
        )
    ratios = (skip / off for off, skip in zip(speeds.values["off"], speeds.values["skip"], strict=True))
    return (
        f"{SCENE}, {SIZE[0]}x{SIZE[1]}",
        f"{len(set(kept))} of {COUNT}",
        f"{speeds.median('off'):.2f}",
        f"{speeds.median('skip'):.2f}",
        f"{speeds.ratio('skip', 'off'):.2f}",
        ", ".join(f"{ratio:.2f}" for ratio in ratios),
    )

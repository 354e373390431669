"""Measures how far the inputs of the convolutions reach, for precision="int8": writes vsanimesr/ranges/NAME.json.

    python scripts/calibrate.py [MODEL...]      v1 and v2, or files of weights, whose name the ranges then take

Frames of the real clip go through the network in fp32, with their real states: as they are, and with their contrast
raised until they are mostly black and white, as drawn lines are. The clip alone would have the lines of animation
clipped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import fetch_data
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanimesr.graph import build_graph, padded
from vsanimesr.int8 import FOLDER
from vsanimesr.network import SR_CHANNELS
from vsanimesr.quiet import unimportable
from vsanimesr.weights import WeightsFile, read_weights

with unimportable("openvino.tools.ovc"):
    import openvino

WIDTH, HEIGHT = 160, 90
FRAMES = 64
CONTRAST = 2.5
DIGITS = 4
KEPT = ("conv_s1_first.0", "fusion.2.sr", "bilinear")
"""Not computed in integers: the two ends, and what is no layer of the network."""

type Array = NDArray[np.float32]


def scenes() -> list[Array]:
    """Frames that follow each other: (frames, 3, height, width), R, G, B in [0, 1]."""
    clip = vs.core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)
    clip = clip.resize.Bicubic(WIDTH, HEIGHT, format=vs.RGBS, matrix_in=1)
    frames = np.stack([np.stack([np.asarray(frame[p]) for p in range(3)]) for frame in clip.frames(close=True)])
    contrasted = np.clip((frames[::3] - 0.5) * CONTRAST + 0.5, 0, 1)
    return [frames[:FRAMES], contrasted[: FRAMES // 2]]


def inputs(weights: WeightsFile, frames: Array) -> Iterator[dict[str, Array]]:
    """For each step of a scene, what each convolution is given: (channels, height, width)."""
    graph = build_graph(weights.load(), (WIDTH, HEIGHT))
    names = {
        node.input[1].removesuffix(".weight"): node.input[0] for node in graph.graph.node if node.op_type == "Conv"
    }
    wanted = {name: tensor for name, tensor in names.items() if name not in KEPT}
    model = openvino.Core().read_model(graph.SerializeToString())
    for tensor in sorted(set(wanted.values())):
        model.add_outputs(tensor)
    network = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    channels = (SR_CHANNELS, weights.shape().features)
    sr, hidden = (np.zeros((1, n, padded(HEIGHT), padded(WIDTH)), np.float32) for n in channels)
    for n, frame in enumerate(frames):
        window = {"prev": frames[max(n - 1, 0)], "cur": frame, "next": frames[min(n + 1, len(frames) - 1)]}
        found = network({**{name: picture[None] for name, picture in window.items()}, "sr": sr, "hidden": hidden})
        yield {name: found[tensor][0] for name, tensor in wanted.items()}
        sr, hidden = found["sr_out"].copy(), found["hidden_out"].copy()


def measured(weights: WeightsFile) -> dict[str, list[list[float]]]:
    """For each convolution in integers: the lowest and the highest value of each channel."""
    lowest: dict[str, Array] = {}
    highest: dict[str, Array] = {}
    for frames in scenes():
        for step in inputs(weights, frames):
            for name, values in step.items():
                low, high = values.min((1, 2)), values.max((1, 2))
                lowest[name] = np.minimum(lowest.get(name, low), low)
                highest[name] = np.maximum(highest.get(name, high), high)
    return {name: [_short(lowest[name]), _short(highest[name])] for name in lowest}


def write(model: str) -> Path:
    weights = read_weights(model)
    path = FOLDER / f"{Path(model).stem}.json"
    path.parent.mkdir(exist_ok=True)
    ranges = measured(weights)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in ranges.items())
    path.write_text(f'{{"weights": "{weights.digest}", "ranges": {{\n{lines}\n}}}}\n')
    return path


def _short(values: Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


if __name__ == "__main__":
    for model in sys.argv[1:] or ["v1", "v2"]:
        print(write(model))

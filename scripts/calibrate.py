"""Measure the ranges of the convolutions' inputs for precision="int8".

Writes vsanimesr/network/ranges/NAME.json: the lowest and highest value of each input channel. The network runs in fp32
on frames of the real clip, with its real recurrent states. It sees them twice: unchanged, and with their contrast
raised until they are mostly black and white. Then it sees hard black lines on white, whose values go far beyond these:
a range ends half way between the two, because a wider one rounds everything else worse (docs/reports/int8.md).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scripts import fetch_data
from scripts.studies.arrays import read_clip
from vsanimesr.network.graph import build_graph, padded_size
from vsanimesr.network.int8 import FOLDER
from vsanimesr.network.shapes import SR_CHANNELS
from vsanimesr.quiet import block_import
from vsanimesr.weights.load import WeightsFile, read_weights
from vsanimesr.weights.release import MODEL_NAMES

with block_import("openvino.tools.ovc"):
    import openvino

WIDTH, HEIGHT = 160, 90
FRAMES = 64
CONTRAST = 2.5
LINE_SEEDS = (20, 21, 22)
LINE_FRAMES, LINES, THICKEST = 12, 26, 3
LINE_SHARE = 0.5
"""How far a range goes from the extremes of the clip to those of the lines."""
DIGITS = 4
FLOAT_LAYERS = ("conv_s1_first.0", "fusion.2.sr", "bilinear")
"""Convolutions that int8 leaves in floating point: the first, the last, and one that is no layer of the network."""

type Array = NDArray[np.float32]


def load_scenes() -> list[Array]:
    """Return runs of consecutive frames: (frames, 3, height, width), R, G, B in [0, 1]."""
    clip = vs.core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)
    clip = clip.resize.Bicubic(WIDTH, HEIGHT, format=vs.RGBS, matrix_in=1)
    frames: Array = np.array(read_clip(clip))
    high_contrast = np.clip((frames[::3] - 0.5) * CONTRAST + 0.5, 0, 1)
    return [frames[:FRAMES], high_contrast[: FRAMES // 2]]


def draw_lines(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Array:
    """Return bent black lines on white, without antialiasing, that move through the frame.

    Returns:
        (LINE_FRAMES, 3, height, width), 0 or 1.
    """
    random = np.random.default_rng(seed)
    size = width + 2 * LINE_FRAMES, height + LINE_FRAMES
    page = Image.new("1", size, 1)
    for _ in range(LINES):
        points = [(float(x), float(y)) for x, y in random.random((4, 2)) * size]
        ImageDraw.Draw(page).line(points, fill=0, width=int(random.integers(1, THICKEST + 1)))
    whole = np.asarray(page, np.float32)
    frames = [whole[t // 3 : t // 3 + height, 2 * t : 2 * t + width] for t in range(LINE_FRAMES)]
    return np.repeat(np.stack(frames)[:, None], 3, axis=1)


def run_scene(weights: WeightsFile, frames: Array) -> Iterator[dict[str, Array]]:
    """Run the network on a scene. Yield the input of each convolution at each step: (channels, height, width)."""
    graph = build_graph(weights.load(), (WIDTH, HEIGHT))
    names = {
        node.input[1].removesuffix(".weight"): node.input[0] for node in graph.graph.node if node.op_type == "Conv"
    }
    inputs = {name: tensor for name, tensor in names.items() if name not in FLOAT_LAYERS}
    model = openvino.Core().read_model(graph.SerializeToString())
    for tensor in sorted(set(inputs.values())):
        model.add_outputs(tensor)
    network = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    channels = (SR_CHANNELS, weights.shape().features)
    sr, hidden = (np.zeros((1, n, padded_size(HEIGHT), padded_size(WIDTH)), np.float32) for n in channels)
    for n, frame in enumerate(frames):
        window = {"prev": frames[max(n - 1, 0)], "cur": frame, "next": frames[min(n + 1, len(frames) - 1)]}
        outputs = network({**{name: picture[None] for name, picture in window.items()}, "sr": sr, "hidden": hidden})
        yield {name: outputs[tensor][0] for name, tensor in inputs.items()}
        sr, hidden = outputs["sr_out"].copy(), outputs["hidden_out"].copy()


def measure_ranges(weights: WeightsFile) -> dict[str, list[list[float]]]:
    """Return the lowest and highest value of each input channel, for each integer convolution."""
    ranges = find_extremes(weights, load_scenes())
    lines = find_extremes(weights, map(draw_lines, LINE_SEEDS))
    found = {}
    for name, (low, high) in ranges.items():
        lowest, highest = lines[name]
        found[name] = [
            _shorten(low + LINE_SHARE * np.minimum(lowest - low, 0)),
            _shorten(high + LINE_SHARE * np.maximum(highest - high, 0)),
        ]
    return found


def find_extremes(weights: WeightsFile, scenes: Iterable[Array]) -> dict[str, tuple[Array, Array]]:
    """Return the lowest and highest value of each input channel of the convolutions over all frames."""
    found: dict[str, tuple[Array, Array]] = {}
    for frames in scenes:
        for step in run_scene(weights, frames):
            for name, values in step.items():
                low, high = values.min((1, 2)), values.max((1, 2))
                lowest, highest = found.get(name, (low, high))
                found[name] = np.minimum(lowest, low), np.maximum(highest, high)
    return found


def write_ranges(model: str) -> Path:
    """Measure a model and write its file of ranges. Return the file's path."""
    weights = read_weights(model)
    path = FOLDER / f"{Path(model).stem}.json"
    path.parent.mkdir(exist_ok=True)
    ranges = measure_ranges(weights)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in ranges.items())
    path.write_text(f'{{"weights": "{weights.digest}", "ranges": {{\n{lines}\n}}}}\n')
    return path


def _shorten(values: Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.calibrate", description=__doc__)
    parser.add_argument(
        "model",
        nargs="*",
        default=list(MODEL_NAMES),
        metavar="MODEL",
        help=f"{', '.join(MODEL_NAMES)}, or a file of weights (default: all that have a name)",
    )
    for model in parser.parse_args().model:
        print(write_ranges(model))


if __name__ == "__main__":
    main()

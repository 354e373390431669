"""Compare frames that are run in tiles with frames that are run at once.

    python -m scripts.studies.tiles CLIP... -o FOLDER

measures each clip with both released networks, keeps the numbers in FOLDER, so that it can continue, and prints a table
of all that is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.benchmarks.runs import MB, python_command
from scripts.benchmarks.table import Table
from trainer.data.clips import require_clip
from vsanimesr.backends import open_backend, parse_options
from vsanimesr.backends.base import SCALE, Backend, Frame, Setup, State
from vsanimesr.network.colour import Colour
from vsanimesr.network.graph import padded_size
from vsanimesr.options import Options
from vsanimesr.tiles import TiledBackend, open_tiled
from vsanimesr.tiling import Span
from vsanimesr.weights.load import read_weights

from .commands import make_parser
from .psnr import compute_psnr

type Picture = NDArray[np.float32]
type Size = tuple[int, int]

SIZE = (160, 96)
"""LR size of the frames."""
TILES = 2
"""Tiles along each side. Only their overlap differs, and so their size."""
OVERLAPS = (0, 8, 16, 24, 32, 48)
PREROLL = 2
STATES = ("shared", "own")
"""Whether tiles share one state of the frame, or each has its own."""
SEAMS = ("cut", "blended")
"""Whether SR frames are cut in the middle of an overlap, or blended over it."""
PLAIN_SIZE, PLAIN_TILE = (104, 32), (88, 32)
"""LR size of the frames, and of two tiles, with which the defaults of the filter are measured."""
COSTS: Sequence[tuple[Size, Size | tuple[()]]] = (
    ((720, 480), ()),
    ((720, 480), (396, 276)),
    ((1280, 720), ()),
    ((1280, 720), (676, 396)),
    ((1280, 720), (472, 288)),
)
"""LR sizes of frames, and of tiles or none, of which memory is measured: 2x2 tiles, and 3x3."""

PROGRAM = """
import time
import numpy as np
from vsanimesr.backends.base import Frame
from vsanimesr.options import Options
from vsanimesr.session import Session
options = Options(backend="openvino", precision="fp32", tiles={tiles}, backend_options=("threads=1",))
session = Session(options, width={width}, height={height})
frame = Frame(0, tuple(np.full((3, {height}, {width}), 0.5, np.float32)))
out = tuple(np.empty((3, 4 * {height}, 4 * {width}), np.float32))
start = time.process_time()
session.step(frame, frame, frame, reset=True, output=True).wait(out)
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(1024 * int(peak), time.process_time() - start)
"""


class Variant(TiledBackend):
    """Tiles with shared or own states. Besides the SR frame, which is cut, it makes a blended one."""

    def __init__(self, setup: Setup, size: Size, overlap: int, states: str) -> None:
        super().__init__(setup, size, overlap, open_openvino)
        self._own = states == "own"
        self._states = [super(Variant, self)._read_state(number) for number in range(len(self.tiles))]
        self.blended = np.zeros((3, SCALE * setup.height, SCALE * setup.width), np.float32)

    def _read_state(self, number: int) -> State:
        return self._states[number] if self._own else super()._read_state(number)

    def _write_state(self, number: int, state: State) -> None:
        self._states[number] = state
        super()._write_state(number, state)

    def _write_frame(self, number: int, sr: Picture) -> None:
        super()._write_frame(number, sr)
        if number == 0:
            self.blended[:] = 0
        tile = self.tiles[number]
        weights = [_ramp(side, {each[i] for each in self.tiles}) for i, side in enumerate(tile)]
        rows, columns = (slice(SCALE * side.start, SCALE * side.stop) for side in tile)
        self.blended[:, rows, columns] += np.outer(*weights) * self._tile_frame


def _ramp(span: Span, spans: Iterable[Span]) -> Picture:
    """Return the weights of a tile along a side: linear over the overlaps with its neighbours."""
    weights = np.ones(SCALE * (span.stop - span.start), np.float32)
    for other in spans:
        low, high = max(span.start, other.start), min(span.stop, other.stop)
        if other != span and low < high:
            length = SCALE * (high - low)
            ramp = (np.arange(length) + 0.5) / length
            weights[SCALE * (low - span.start) :][:length] *= ramp if other.start < span.start else ramp[::-1]
    return weights


def open_openvino(setup: Setup) -> Backend:
    return open_backend("openvino", setup)


def make_setup(model: str, size: Size, colour: Colour = "network") -> Setup:
    return Setup(
        width=size[0],
        height=size[1],
        precision="fp32",
        colour=colour,
        device=0,
        options=parse_options("openvino", ["threads=1"]),
        read_weights=lambda: read_weights(model),
    )


def read_clip(path: Path, frames: int, size: Size = SIZE) -> list[Picture]:
    """Return the middle of the frames of a clip that is scaled to twice the width of `size`.

    A clip that is short is played there and back.
    """
    clip = require_clip(path, "clip")
    last = len(clip) - 1
    numbers = [last - abs(last - n % (2 * last)) for n in range(frames)]
    pictures = {number: _crop(clip.read([number])[0], size) for number in sorted(set(numbers))}
    return [pictures[number] for number in numbers]


def _crop(frame: NDArray[np.uint8], size: Size) -> Picture:
    width, height = size
    image = Image.fromarray(frame)
    image = image.resize((2 * width, round(2 * width * image.height / image.width)), Image.Resampling.BICUBIC)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    pixels = np.asarray(image.crop((left, top, left + width, top + height)), np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def run(backend: Backend, clip: Sequence[Picture]) -> Iterable[Picture]:
    """Yield the SR frames of a clip, after the pre-roll."""
    frames = [Frame(n, (picture[0], picture[1], picture[2])) for n, picture in enumerate(clip)]
    _, height, width = clip[0].shape
    with backend:
        for _ in range(PREROLL):
            backend.submit(frames[0], frames[0], frames[0], output=False)
        for n, frame in enumerate(frames):
            ticket = backend.submit(frames[max(n - 1, 0)], frame, frames[min(n + 1, len(frames) - 1)], output=True)
            out = np.empty((3, SCALE * height, SCALE * width), np.float32)
            assert ticket is not None
            ticket.wait((out[0], out[1], out[2]))
            yield out.clip(0, 1)


def tile_size(overlap: int) -> Size:
    wide, high = (padded_size((side + overlap) // TILES) for side in SIZE)
    return wide, high


def measure(folder: Path, path: Path, model: str, frames: int, pairs: Iterable[tuple[int, str]]) -> None:
    """Measure pairs of an overlap and a kind of states that have not been, and write the PSNR of each frame."""
    files = {
        pair: folder / " ".join([path.stem, model, str(frames), str(pair[0]), f"{pair[1]}.json"]) for pair in pairs
    }
    missing = {pair: file for pair, file in files.items() if not file.exists()}
    if not missing:
        return
    clip = read_clip(path, frames)
    whole = list(run(open_openvino(make_setup(model, SIZE)), clip))
    for (overlap, states), file in missing.items():
        tiled = Variant(make_setup(model, SIZE), tile_size(overlap), overlap, states)
        values: dict[str, list[float]] = {seam: [] for seam in SEAMS}
        for found, expected in zip(run(tiled, clip), whole, strict=True):
            values["cut"].append(compute_psnr(found, expected))
            values["blended"].append(compute_psnr(tiled.blended.clip(0, 1), expected))
        file.write_text(json.dumps(values))
        print(file.stem, {seam: f"{min(each):.1f}" for seam, each in values.items()}, flush=True)


def measure_defaults(path: Path, model: str, frames: int) -> list[str]:
    """Compare frames in two tiles with whole frames, with the overlap and the colours that are the defaults."""
    clip, setup = read_clip(path, frames, PLAIN_SIZE), make_setup(model, PLAIN_SIZE, Options().colour)
    tiled, whole = (open_tiled("openvino", setup, tiles, Options().overlap) for tiles in (PLAIN_TILE, ()))
    values = [compute_psnr(*pair) for pair in zip(run(tiled, clip), run(whole, clip), strict=True)]
    print(path.stem, model, f"{min(values):.1f}", flush=True)
    return [path.stem, model, str(frames), f"{min(values):.1f}", f"{values[-1]:.1f}"]


def quality_table(folder: Path) -> Table:
    rows: list[tuple[Any, ...]] = []
    for file in folder.glob("*.json"):
        clip, model, frames, overlap, states = file.stem.rsplit(" ", 4)
        for seam, values in json.loads(file.read_text()).items():
            tile = "{}x{}".format(*tile_size(int(overlap)))
            figures = (min(values), values.index(min(values)), float(np.mean(values)), values[-1])
            rows.append((clip, model, int(frames), states, seam, int(overlap), tile, *figures))
    columns = (
        "clip",
        "model",
        "frames",
        "states",
        "seams",
        "overlap",
        "tile",
        "worst",
        "its frame",
        "mean",
        "last frame",
    )
    cells = [tuple(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row) for row in sorted(rows)]
    title = f"PSNR to the whole frame in dB, {SIZE[0]}x{SIZE[1]} in {TILES}x{TILES} tiles"
    return Table(title, columns, cells)


def cost_table() -> Table:
    """Measure peak memory of a process with a session of openvino, and the processor time of a step."""
    rows = []
    for size, tiles in COSTS:
        program = PROGRAM.format(tiles=tiles, width=size[0], height=size[1])
        result = subprocess.run(python_command(program), stdout=subprocess.PIPE, text=True, check=True)
        memory, seconds = map(float, result.stdout.split())
        pixels = size[0] * size[1]
        states, sr = ((2 * 4 * (48 + 64) * pixels if tiles else 0), (4 * 3 * SCALE**2 * pixels))
        tile = "{}x{}".format(*tiles) if tiles else "whole"
        cells = (f"{memory / MB:.0f}", f"{states / MB:.0f}", f"{sr / MB:.0f}", f"{seconds:.1f}")
        rows.append(("{}x{}".format(*size), tile, *cells))
        print(*rows[-1], flush=True)
    columns = (
        "frame",
        "tile",
        "MB",
        "of which states of the frame",
        "of which SR frame",
        "processor time of a step, s",
    )
    return Table("Peak resident memory and time of Python with a session of openvino, fp32", columns, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("tiles", __doc__ or "")
    parser.add_argument("clips", type=Path, nargs="*", help="a video, or a folder of images")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "tiles"), help="default: %(default)s")
    parser.add_argument("--models", nargs="+", default=["v2", "v1"], help="default: v2 v1")
    parser.add_argument("--frames", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--overlaps", type=int, nargs="+", default=OVERLAPS, help="default: all")
    parser.add_argument("--states", nargs="*", choices=STATES, default=STATES, help="default: all")
    parser.add_argument("--defaults", action="store_true", help="measure the defaults of the filter too")
    parser.add_argument("--cost", action="store_true", help="measure memory and time too")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for path, model in product(options.clips, options.models):
        measure(options.out, path, model, options.frames, product(options.overlaps, options.states))
    print(quality_table(options.out))
    if options.defaults:
        rows = [measure_defaults(*each, options.frames) for each in product(options.clips, options.models)]
        print(Table("PSNR to the whole frame in dB, by default", ("clip", "model", "frames", "worst", "last"), rows))
    if options.cost:
        print(cost_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())

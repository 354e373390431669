"""Measure when a frame is held.

Parts, each a list of tables on stdout:
    limits      the limits and the bound, tried on the train half
    train       the limits of native/holds.cpp on the train half
    held-out    the same on the half that no limit was chosen by
    faintest    the faintest motions that are kept, without any encoding
    upscaling   what it changes in the result: the real network on small clips (minutes)
    speed       milliseconds of a comparison
    twos        frames per second of the filter on a clip on twos (minutes)

Scenes are drawn and encoded once, into OUT; that takes ten minutes for each half. Needs the extra `learn`, and the art
that `python -m scripts.studies.drawing` fetches.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.benchmarks.table import format_rows
from scripts.studies.drawing.__main__ import FOLDER

from ..commands import make_parser, parse_parts
from . import clips, faintest, scenes, twos, upscaling
from .comparison import Comparison, Difference
from .encodings import ENCODINGS
from .groups import BOUND, Limits, Score
from .scenes import HELD_OUT, TRAIN, Half
from .tables import SCORE_COLUMNS, Encoded, draw_pair, name_lost, score_row

PARTS = ("limits", "train", "held-out", "faintest", "upscaling", "speed", "twos")
TRIED = (
    *(Limits(peak=peak) for peak in (5, 6, 8, 9)),
    *(Limits(chroma=chroma) for chroma in (1.5, 2.5, 3)),
    *(Limits(drift=drift) for drift in (0.25, 0.45)),
    *(Limits(drift_of_noise=share) for share in (0, 0.08)),
)
UPSCALED = ("talk, mixed", "still, a blink")


def load(half: Half, out: Path, art: Path, comparison: Comparison) -> list[Encoded]:
    """Return all encodings of a half, in the order of ENCODINGS."""
    folder = out / half.name
    clips.prepare(half, folder, art)
    source = clips.read_source(folder)
    return [Encoded(each, scenes.scenes(half), source, clips.read(folder, each), comparison) for each in ENCODINGS]


def print_limits(half: list[Encoded]) -> None:
    """Print share found and frames lost for each encoding, for other limits and bounds."""

    def row(name: str, limits: Limits, bound: int) -> list[str]:
        scores = [each.score(limits, bound) for each in half]
        lost = sum(lost.carried >= 0.5 for score in scores for lost in score.lost)
        partly = sum(0.25 <= lost.carried < 0.5 for score in scores for lost in score.lost)
        return [name, *(f"{100 * score.found / score.held:.1f} %" for score in scores), str(lost), str(partly)]

    columns = ["", *(each.encoding.name for each in half), "lost", "lost, a quarter shown"]
    chosen = Limits()
    rows = [row("as chosen", chosen, BOUND)]
    for limits in TRIED:
        changed = {key: value for key, value in vars(limits).items() if value != getattr(chosen, key)}
        rows.append(row(", ".join(f"{key} {value}" for key, value in changed.items()), limits, BOUND))
    print(format_rows(columns, rows), end="\n\n")
    print(format_rows(columns, [row(f"bound {bound}", chosen, bound) for bound in (4, 6, 8, 12, 24, 48)]), end="\n\n")


def print_scores(half: Half, encoded: list[Encoded], out: Path) -> None:
    """Print how the chosen limits do, scene by scene and in all, and the nearest distinct frames with pictures."""
    limits, total, rows, lost = Limits(), Score(), [], []
    for each in encoded:
        score = each.score(limits, BOUND)
        rows.append(score_row(each.encoding.name, score))
        lost.append((each.encoding.name, name_lost(score.lost)))
        total = total.plus(score)
    print(format_rows(SCORE_COLUMNS, [*rows, score_row("all", total)]), end="\n\n")
    print(format_rows(("", "held, but distinct by the sheet"), lost), end="\n\n")
    steps = [
        score_row(f"{each.encoding.name}, scenes with holds", each.score(limits, BOUND, ["holds"])) for each in encoded
    ]
    print(format_rows(SCORE_COLUMNS, steps), end="\n\n")
    nearest = [(each, *near) for each in encoded for near in each.nearest(limits)]
    nearest.sort(key=lambda near: near[1])
    columns = ("encoding", "scene", "frame", "times the limits", *Difference._fields)
    shown: dict[tuple[str, int], tuple[str, ...]] = {}
    pictures = []
    for each, excess, number, n, difference in nearest:
        name = each.encoding.name
        if (name, number) not in shown and len(shown) < 16:
            numbers = (f"{value:.2f}" for value in (excess, *difference))
            shown[name, number] = (name, each.scenes[number].name, str(n), *numbers)
            source, frames = each.part(number)
            pictures.append(draw_pair(source[n - 1 : n + 1], frames[n - 1 : n + 1]))
    print(format_rows(columns, shown.values()), end="\n\n")
    file = out / f"nearest-{half.name}.png"
    rows_of_two = [np.hstack(pictures[k : k + 2]) for k in range(0, len(pictures) - 1, 2)]
    Image.fromarray(np.vstack(rows_of_two)).save(file)
    print(file, file=sys.stderr)


def print_upscaling(art: Path, comparison: Comparison) -> None:
    columns = (
        "scene",
        "steps",
        "off, dB",
        "skip, dB",
        "smallest",
        "off: step on holds, dB",
        "skip: repeated",
        "at a bound, dB",
    )
    for encoding in (ENCODINGS[1], ENCODINGS[3]):
        rows = []
        for scene in scenes.scenes(HELD_OUT):
            if scene.name in UPSCALED:
                pictures = list(scenes.render(scene, art))
                rows.append(upscaling.measure_scene(scene, pictures, encoding, comparison, BOUND))
                print("holds: upscaled", *rows[-1], file=sys.stderr)
        print(f"{encoding.name}\n\n{format_rows(columns, rows)}", end="\n\n")


def print_speed(comparison: Comparison) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for name, dtype, bits, top in (("8 bits", "u1", 8, 220), ("10 bits", "u2", 10, 900), ("float", "f4", 32, 1)):
        shapes = ((480, 720), (240, 360), (240, 360))
        kept = [rng.uniform(0, top, shape).astype(dtype) for shape in shapes]
        times = []
        for _ in range(200):
            start = time.perf_counter()
            comparison.is_held(kept, kept, bits)
            times.append(1000 * (time.perf_counter() - start))
        rows.append((name, f"{min(times):.2f}", f"{np.median(times):.2f}"))
    print(format_rows(("720x480, 4:2:0", "best, ms", "median, ms"), rows), end="\n\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("holds", __doc__ or "")
    parser.add_argument("--art", type=Path, default=FOLDER / "art", help="default: %(default)s")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "holds"), help="default: %(default)s")
    options = parse_parts(parser, PARTS, arguments)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder), "-O3")
        for part in options.part:
            if part == "upscaling":
                print_upscaling(options.art, comparison)
            elif part == "speed":
                print_speed(comparison)
            elif part == "twos":
                head = ("", "steps", "off, frames per s", "skip, frames per s", "ratio", "of each round")
                print(format_rows(head, [twos.measure(options.art, comparison)]), end="\n\n")
            elif part == "faintest":
                columns = ("motion", "held", "second frame, times the limits")
                print(format_rows(columns, faintest.measure(options.art, comparison)), end="\n\n")
            else:
                half = HELD_OUT if part == "held-out" else TRAIN
                encoded = load(half, options.out, options.art, comparison)
                if part == "limits":
                    print_limits(encoded)
                else:
                    print_scores(half, encoded, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

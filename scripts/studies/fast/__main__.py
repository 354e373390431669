"""Train students of v2 of several sizes, and measure them beside it.

    python -m scripts.studies.drawing                  # drawn clips; needs the extra learn
    python -m scripts.studies.art                      # moving clips of free art
    python -m scripts.studies.fast                     # the curve: four sizes with the same number of steps
    python -m scripts.studies.fast runs/fast           # weights or runs beside v2
    python -m scripts.studies.fast --clips out/fast/clips    # only puts the clips together, for a longer run:
    python -m trainer distil v2 fast data=out/fast/clips -o runs/fast

All learn on the same clips: drawn ones, free art, and the clip of Big Buck Bunny. They are measured on held-out clips,
which share no drawing with these: PSNR-Y and LPIPS to HQ, PSNR to v2, flicker where HQ stands still, drift over 300
frames. Runs resume, and finished ones are kept. With --budget no run is begun that would take longer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from scripts import fetch_data
from scripts.benchmarks.table import Table
from trainer.core.checkpoints import has_ended
from trainer.data.clips import find_clips, open_clip
from trainer.data.uint8 import UINT8_MAX
from trainer.errors import ClipError, TrainerError
from trainer.losses.metrics import MAX_PSNR, Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from trainer.previews import SIDE, Cell, Row, draw_page, enlarge_pixels, find_most_detailed
from trainer.table2.ledger import Job, Ledger, digest_code, work_off
from trainer.vsr.weights import load_network
from vsanimesr.network.shapes import SCALE, Shape
from vsanimesr.network.torch_network import AnimeSR

from .. import commands
from .judge import DRIFT_FRAMES, DRIFT_PART, KINDS, Marks, Scene, Scenes, drift, judge, upscale

TEACHER = "v2"
SOURCES = ("drawn/train", "art/train", "bigbuckbunny.mp4")
"""Clips to learn on, in the folder of the data."""
HELD_OUT = ("drawn/held-out", "art/held-out")
SHAPES = ((20, 72), (26, 92), (32, 112), (36, 128))
"""Features and fusion channels of the students of the curve."""
SETTINGS = ("records.preview=0", "validation.size=192", "channels_last=true", "distillation.kept=2400")
"""What differs from the preset besides precision, the size of the network and the steps. The teacher's answers take
18.8 GB of the cache folder; all students learn from the same ones."""
STEPS, EVERY = 1000, 250
STEP = 0.8
"""Seconds of a step on an idle core with AMX, by estimate. The ledger corrects it by the runs that it has seen."""
DRIFT_SIDE = 96
"""Largest side in LR pixels of the frames whose drift is measured."""
PLOTTED = {"psnr_y": "PSNR-Y to HQ, dB", "lpips": "LPIPS to HQ", "teacher": "PSNR to v2, dB"}
PICTURED = 3
"""Of the scenes, every third is on the page: all kinds of degradation in turn."""
DPI = 110


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = commands.make_parser("fast", __doc__ or "")
    parser.add_argument("models", nargs="*", help="weights or runs to measure; with none, the curve is trained")
    parser.add_argument("--data", type=Path, default=fetch_data.FOLDER, help="default: %(default)s")
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER", help="put the clips to learn on together there, and end"
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "fast"), help="default: %(default)s")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no run that would take longer than this")
    options = parser.parse_args(arguments)
    try:
        if options.clips:
            link_clips(options.data, options.clips)
            return 0
        models = dict.fromkeys(options.models) or _train(options.data, options.out, options.budget)
        _report(list(models), options.data, options.out)
    except (TrainerError, CalledProcessError) as error:
        _say(str(error))
        return 1
    return 0


def link_clips(data: Path, folder: Path) -> None:
    """Put links to all clips to learn on into a folder.

    Raises:
        ClipError: some are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if not (data / source).exists():
            raise ClipError(f"{data / source} is missing; make it first, as the help of this study says")
        paths = [data / source] if open_clip(data / source) else sorted((data / source).iterdir())
        for path in paths:
            link = folder / "-".join(dict.fromkeys((source.split("/")[0], path.name)))
            if not link.is_symlink():
                link.symlink_to(path.resolve())


def _train(data: Path, out: Path, budget: float | None) -> list[str]:
    """Train the students of the curve. Return the folders of those that are done."""
    link_clips(data, out / "clips")
    jobs = [_job(Shape(features, fusion=fusion), out) for features, fusion in SHAPES]
    ledger = Ledger(out / "done.json", digest_code())
    work_off(jobs, ledger, budget and 60 * budget, _say)
    return [str(job.result) for job in jobs if ledger.is_done(job)]


def _job(shape: Shape, out: Path) -> Job:
    run = out / f"student-{shape.features}"
    arguments = (
        *("distil", TEACHER, "fast", f"data={out / 'clips'}", *SETTINGS, f"precision={commands.choose_precision()}"),
        *(f"steps={STEPS}", f"validation.every={EVERY}", f"records.save={EVERY}", f"records.log={EVERY // 4}"),
        *(f"network.features={shape.features}", f"network.fusion={shape.fusion_channels}", "-o", str(run)),
    )
    return Job(run.name, STEPS * STEP, arguments, (), run, partial(commands.train, *arguments), has_ended)


def _report(models: Sequence[str], data: Path, out: Path) -> None:
    """Measure networks, and write tables, a plot and a page of pictures."""
    teacher = load_network(TEACHER)
    networks = {Path(each).stem: load_network(each) for each in models}
    clips = [clip for source in HELD_OUT for clip in find_clips(data / source)]
    marks: dict[Scene, dict[str, Marks]] = {}
    for scene, found in judge(networks, teacher, Scenes(clips), Lpips(read_lpips_vgg16())):
        _say(f"{scene.name}, {scene.kind}: " + ", ".join(f"{name} {own.teacher:.1f} dB" for name, own in found.items()))
        marks[scene] = found
    tables = [_table("All scenes", networks, teacher, list(marks.values()))]
    for kind in KINDS:
        tables.append(
            _table(f"Degraded as {kind}", networks, teacher, [own for each, own in marks.items() if each.kind == kind])
        )
    tables.append(_drift_table(networks, teacher, next(iter(marks)).lr))
    commands.report(tables, out / "results.md")
    plot_curve(networks, teacher, list(marks.values()), out / "curve.png")
    shown = list(marks)[::PICTURED]
    draw_page([_row(scene, {TEACHER: teacher, **networks}) for scene in shown]).save(out / "scenes.png")


def _table(
    title: str, networks: Mapping[str, AnimeSR], teacher: AnimeSR, marks: Sequence[Mapping[str, Marks]]
) -> Table:
    rows = [[TEACHER, "1.000", *_cells([each["teacher"] for each in marks])]]
    rows += [
        [name, f"{network.shape.macs / teacher.shape.macs:.3f}", *_cells([each[name] for each in marks])]
        for name, network in networks.items()
    ]
    columns = ("network", "MAC", "PSNR-Y to HQ, dB", "LPIPS to HQ", "PSNR to v2, dB", "lowest scene", "flicker")
    return Table(title, columns, rows, f"Means of {len(marks)} scenes. MAC: share of v2's. Flicker: in grey levels.")


def _cells(marks: Sequence[Marks]) -> list[str]:
    still = [each.flicker for each in marks if each.flicker is not None]
    near = [each.teacher for each in marks]
    return [
        f"{np.mean([each.psnr_y for each in marks]):.2f}",
        f"{np.mean([each.lpips for each in marks]):.4f}",
        *([f"{np.mean(near):.2f}", f"{min(near):.2f}"] if min(near) < MAX_PSNR else ["", ""]),
        f"{np.mean(still):.2f}" if still else "",
    ]


def _drift_table(networks: Mapping[str, AnimeSR], teacher: AnimeSR, lr: Tensor) -> Table:
    small = lr[..., : min(lr.shape[2], DRIFT_SIDE), : min(lr.shape[3], DRIFT_SIDE)]
    rows = [[name, *(f"{value:.2f}" for value in drift(each, teacher, small))] for name, each in networks.items()]
    columns = ["network", *(f"to frame {(n + 1) * DRIFT_PART}" for n in range(DRIFT_FRAMES // DRIFT_PART))]
    return Table(f"Drift: PSNR to v2 over {DRIFT_FRAMES} frames of one scene, dB", columns, rows)


def plot_curve(
    networks: Mapping[str, AnimeSR], teacher: AnimeSR, marks: Sequence[Mapping[str, Marks]], file: Path
) -> None:
    """Plot what networks cost against how good they are; v2 is a line."""
    costs = [network.shape.macs / teacher.shape.macs for network in networks.values()]
    figure = Figure((13, 4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(PLOTTED)), PLOTTED.items(), strict=True):
        means = [float(np.mean([getattr(each[own], name) for each in marks])) for own in networks]
        axes.plot(costs, means, "o", color="#1b6ca8")
        for cost, mean, label in zip(costs, means, networks, strict=True):
            axes.annotate(label, (cost, mean), xytext=(0, 6), textcoords="offset points", ha="center")
        if name != "teacher":
            own = float(np.mean([getattr(each["teacher"], name) for each in marks]))
            axes.axhline(own, color="#c2410c")
            axes.text(0.02, own, TEACHER, color="#c2410c", va="bottom", transform=axes.get_yaxis_transform())
        axes.margins(x=0.25, y=0.12)  # names stay inside
        axes.set_xlabel("multiply-accumulates, share of v2's")
        axes.set_title(title)
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=DPI)


def _row(scene: Scene, networks: Mapping[str, AnimeSR]) -> Row:
    last = scene.hq[-1:].float() / UINT8_MAX
    top, left = find_most_detailed(last, SIDE)
    pictures = {f"{scene.name}, {scene.kind}": enlarge_pixels(scene.lr[-1:], SCALE)}
    pictures |= {name: upscale(network, scene.lr)[-1:] for name, network in networks.items()}
    pictures["HQ"] = last
    return [Cell(label, each[0, :, top : top + SIDE, left : left + SIDE]) for label, each in pictures.items()]


def _say(text: str) -> None:
    print(f"fast: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

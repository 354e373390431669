"""Measure what operators learn from episodes, on two cores in 90 minutes.

Every other train clip of `python -m scripts.studies.drawing` becomes part of an episode with a synthetic fault.
Training sees the other clips as HQ, and the episodes as LQ only. The parts:

    factors     pseudo-HQ at each factor of input rescaling against the episodes' HQ, as in the paper's figure 5
    distance    distance between the operators and the faults on held-out clips, compared with basic operators
    table2      networks finetuned with basic operators, one learned operator, a pool of three, and NN-only: how well
                they repair held-out clips, as in the paper's table 2

Each part writes a table, PART.md, and pictures into the folder, and prints the table. Finished runs are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.benchmarks.table import Table
from trainer.data.clips import Clip, find_clips
from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.learned.operator import NARROW_FEATURES
from trainer.degradation.learned.pool import read_operator
from trainer.lbo.factor import read_choice
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from trainer.table2 import nn_only
from trainer.table2.rows import BASIC, NN_ONLY, POOL

from ..commands import parse_arguments, report
from . import degradation_distance, episodes, factors, pages, plots, runs, table2
from .degradation_distance import AREA, BICUBIC, SETTINGS, Case, Distance, Halving, nearest
from .synthetic_faults import FAULTS


@dataclass(frozen=True)
class Study:
    """Data and options of all parts."""

    out: Path
    train: Path
    """Folder of the train clips."""
    held_out: Sequence[Clip]
    lpips: Lpips
    quick: bool

    @property
    def more(self) -> Sequence[str]:
        """Settings for all training runs."""
        return runs.QUICK if self.quick else ()

    def prepare(self) -> None:
        """Write the episodes. Train the base network and two operators of each episode."""
        episodes.write_data(self.train, self.out)
        runs.train_base(self.out, self.more)
        for fault in FAULTS:
            runs.train_operator(self.out, episodes.episode_file(self.out, fault), self.more)
            runs.train_narrow_operator(self.out, fault.name, self.more)

    def distances(self, halving: Halving, cases: Sequence[Case]) -> list[Distance]:
        settings = SETTINGS[:3] if self.quick else SETTINGS
        return list(degradation_distance.measure_distances(halving, cases, settings, self.lpips))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments("repairing", __doc__ or "", PARTS, "a few steps, few settings", arguments)
    # Half of each show's clips: the faults were chosen by how operators performed on the other half.
    held_out = find_clips(options.clips / "held-out")[1 :: 8 if options.quick else 2]
    study = Study(options.out, options.clips / "train", held_out, Lpips(read_lpips_vgg16()), options.quick)
    study.prepare()
    for name in options.part:
        report(PARTS[name](study), options.out / f"{name}.md")
    return 0


def report_factors(study: Study) -> list[Table]:
    """Return a table for each episode."""
    tables, scores, rows = [], {}, {}
    for fault in FAULTS:
        name, clips = fault.name, episodes.episode_clips(fault, study.train)
        episode = episodes.episode_file(study.out, fault)
        scenes = factors.render_scenes(episode, study.out / "base", study.out / "scenes" / name)
        scores[name] = factors.measure_factors(scenes, clips, study.lpips)
        rows[name] = scenes[len(scenes) // 2], clips
        choice = read_choice(runs.operator_folder(study.out, name))
        cells = [
            (
                f"{each.factor:.1f}{', chosen' if choice and each.factor == choice.factor else ''}",
                *(f"{each.psnr:.2f}", f"{each.lpips:.4f}", f"{each.sharpness:.3f}", f"{each.artefacts:.2f}"),
            )
            for each in scores[name]
        ]
        columns = ("factor", "PSNR, dB", "LPIPS", "sharpness", "artefacts")
        tables.append(Table(f"Pseudo-HQ of {name}, against its HQ", columns, cells))
    plots.save(plots.plot_factors(scores), study.out / "factors.png")
    pages.draw_rescaling_page(rows).save(study.out / "rescaled.png")
    return tables


def report_distances(study: Study) -> list[Table]:
    """Return the nearest settings for each fault and measure: with basic operators only, and with learned ones."""
    rows = []

    def add(fault: str, operators: str, distances: Sequence[Distance]) -> None:
        for each in dict.fromkeys(distances):
            rows.append((fault, operators, str(each.setting), f"{each.psnr:.2f}", f"{each.lpips:.4f}"))

    for fault in FAULTS:
        print(f"repairing: distances to {fault.name}", file=sys.stderr)  # takes minutes
        cases = degradation_distance.make_cases(fault.degrade, study.held_out)
        add(fault.name, "basic", nearest(study.distances(AREA, cases) + study.distances(BICUBIC, cases)))
        folders = {
            "learned": runs.operator_folder(study.out, fault.name),
            f"{NARROW_FEATURES} features": runs.narrow_operator_folder(study.out, fault.name),
        }
        for operators, folder in folders.items():
            distances = study.distances(Degrader(read_operator(folder)), cases)
            add(fault.name, operators, (distances[0], *nearest(distances)))
    note = (
        f"{len(study.held_out)} clips. For each kind of operator: the nearest by PSNR and by LPIPS of {len(SETTINGS)} "
        "settings around each way to halve the size (basic: area and bicubic). The first row of a learned operator is "
        "the operator alone."
    )
    columns = ("fault", "operators", "settings around it", "PSNR, dB", "LPIPS")
    return [Table("Distance to the synthetic faults", columns, rows, note)]


def report_table2(study: Study) -> list[Table]:
    """Return a row for each network: PSNR-Y and LPIPS for each fault and for all."""
    single = {f"lbo-{fault.name}": [runs.narrow_operator_folder(study.out, fault.name)] for fault in FAULTS}
    pool = [folder for (folder,) in single.values()]
    pools: dict[str, Sequence[Path]] = {BASIC: (), **single, POOL: pool}
    for name, folders in pools.items():
        runs.finetune(study.out, name, folders, study.more)
    videos = [episodes.episode_file(study.out, fault) for fault in FAULTS]
    load_pictures = partial(nn_only.UnpairedPictures.load, study.out / "hq", videos)
    steps = 3 if study.quick else runs.NN_ONLY_STEPS
    network = nn_only.train_or_load(load_pictures, study.out / "nn-only.safetensors", steps)
    table2.finetune_with_nn_only(study.out, network, study.more)
    networks = table2.load_networks(study.out, [*pools, NN_ONLY])
    means = table2.average(
        {fault.name: list(table2.score_networks(networks, fault, study.held_out, study.lpips)) for fault in FAULTS}
    )
    plots.save(plots.plot_table2(means), study.out / "table2.png")
    pages.draw_repair_page(networks, study.held_out).save(study.out / "repaired.png")
    columns = ("network", *(f"{fault}, {unit}" for fault in means for unit in ("dB", "LPIPS")))
    rows = [
        (name, *(cell for own in means.values() for cell in (f"{own[name].psnr_y:.2f}", f"{own[name].lpips:.4f}")))
        for name in means[table2.ALL]
    ]
    return [Table("Repairing held-out clips, against their HQ", columns, rows, f"{len(study.held_out)} clips.")]


PARTS: dict[str, Callable[[Study], list[Table]]] = {
    "factors": report_factors,
    "distance": report_distances,
    "table2": report_table2,
}


if __name__ == "__main__":
    sys.exit(main())

"""What operators learn from episodes, on two cores in 90 minutes: repair.py CLIPS [-o FOLDER] [--quick] [PART ...]

Every other train clip of scripts/draw_clips.py becomes part of an episode with a degradation hidden behind it; what
learns knows the other clips, and the episodes as they are. All parts when none is named:

    factors     what each factor of input rescaling keeps of the episodes' HQ, as the paper's figure 5
    nearness    how near operators come to what was hidden, on held-out clips; beside any setting of basic ones
    order       networks finetuned with basic operators, with one learned one, with a pool of three, and NN-only: how
                well they repair held-out clips, as the paper's table 2

Each part writes a table, PART.md, and pictures into the folder, and prints the table. What is trained already is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path += [str(SCRIPTS), str(SCRIPTS.parent)]

from benchmarks.table import Table  # noqa: E402
from parts import parsed  # noqa: E402
from repairing import episodes, order, pages, plots, runs  # noqa: E402
from repairing.factors import factors, scenes_of  # noqa: E402
from repairing.hidden import HIDDEN, Hidden  # noqa: E402
from repairing.nearness import AREA, BICUBIC, Case, Halves, Nearness, cases, nearest, nearnesses, settings  # noqa: E402
from repairing.unpaired import Unpaired, learned  # noqa: E402

from trainer.clips import Clip, find_clips  # noqa: E402
from trainer.lbo.choice import read_choice  # noqa: E402
from trainer.lbo.degrader import Degrader  # noqa: E402
from trainer.lbo.operator import NARROW  # noqa: E402
from trainer.lbo.pool import read_operator  # noqa: E402
from trainer.lbo.scenes import Scene  # noqa: E402
from trainer.metrics import Lpips  # noqa: E402
from trainer.stand_in import read_stand_in  # noqa: E402


@dataclass(frozen=True)
class Given:
    """What every part is given."""

    out: Path
    train: Path
    held_out: Sequence[Clip]
    lpips: Lpips
    quick: bool

    def shown(self, hidden: Hidden) -> Sequence[Clip]:
        """The clips of an episode, in its order."""
        return episodes.shown_by(hidden, self.train)

    def scenes(self, hidden: Hidden) -> Sequence[Scene]:
        """Pictures of an episode at each factor."""
        episode = episodes.episode(self.out, hidden)
        return scenes_of(episode, self.out / "base", self.out / "scenes" / hidden.name)

    def lbo(self, hidden: Hidden) -> Path:
        """The folder of its operator."""
        return runs.lbo(self.out, hidden.name)

    def narrow_lbo(self, hidden: Hidden) -> Path:
        """The folder of its narrow operator."""
        return runs.narrow_lbo(self.out, hidden.name)

    @property
    def more(self) -> Sequence[str]:
        """Settings of all runs."""
        return runs.QUICK if self.quick else ()


def main(arguments: Sequence[str] | None = None) -> int:
    given = parsed("repair", __doc__ or "", PARTS, "repaired", "a few steps, few settings", arguments)
    # Half of each title: what is hidden was chosen by how operators did on the other half.
    held_out = find_clips(given.clips / "held-out")[1 :: 8 if given.quick else 2]
    known = Given(given.out, given.clips / "train", held_out, Lpips(read_stand_in()), given.quick)
    _prepare(known)
    for name in given.part or PARTS:
        text = "\n\n".join(map(str, PARTS[name](known))) + "\n"
        (given.out / f"{name}.md").write_text(text)
        print(text)
    return 0


def _prepare(given: Given) -> None:
    """Episodes, the network that knows basic operators only, and two operators of each episode."""
    episodes.share_out(given.train, given.out)
    runs.base(given.out, given.more)
    for hidden in HIDDEN:
        runs.operator(given.out, episodes.episode(given.out, hidden), given.more)
        runs.narrow(given.out, hidden.name, given.more)


def of_factors(given: Given) -> list[Table]:
    """A table for each episode."""
    scenes = {hidden.name: given.scenes(hidden) for hidden in HIDDEN}
    found = {hidden.name: factors(scenes[hidden.name], given.shown(hidden), given.lpips) for hidden in HIDDEN}
    plots.save(plots.factors_plot(found), given.out / "factors.png")
    middle = {name: own[len(own) // 2] for name, own in scenes.items()}
    page = pages.rescaled({hidden.name: (middle[hidden.name], given.shown(hidden)) for hidden in HIDDEN})
    page.save(given.out / "rescaled.png")
    tables = []
    for hidden in HIDDEN:
        choice = read_choice(given.lbo(hidden))
        rows = [
            (
                f"{each.factor:.1f}{', taken' if choice and each.factor == choice.factor else ''}",
                *(f"{each.psnr:.2f}", f"{each.lpips:.4f}", f"{each.sharpness:.3f}", f"{each.artefacts:.2f}"),
            )
            for each in found[hidden.name]
        ]
        columns = ("factor", "PSNR, dB", "LPIPS", "sharpness", "artefacts")
        tables.append(Table(f"Pseudo-HQ of {hidden.name}, against its HQ", columns, rows))
    return tables


def of_nearness(given: Given) -> list[Table]:
    """For each episode what comes nearest by each measure: basic operators alone, and with the learned one."""
    rows = []
    for hidden in HIDDEN:
        print(f"repair: how near to {hidden.name}", file=sys.stderr)  # which takes minutes
        shown = cases(hidden, given.held_out)
        basic = [each for halves in (AREA, BICUBIC) for each in _tried(given, halves, shown)]
        rows += [_row(hidden.name, "basic", each) for each in dict.fromkeys(nearest(basic))]
        folders = {"learned": given.lbo(hidden), f"{NARROW} wide": given.narrow_lbo(hidden)}
        for kind, lbo in folders.items():
            own = _tried(given, Degrader(read_operator(lbo)), shown)
            rows += [_row(hidden.name, kind, each) for each in dict.fromkeys((own[0], *nearest(own)))]
    note = (
        f"{len(given.held_out)} clips. Of each kind, the settings nearest by PSNR and by LPIPS of "
        f"{len(list(settings()))} around each way to halve the size (basic: area and bicubic); of a learned operator "
        "the first row is the operator by itself."
    )
    return [Table("How near to what was hidden", ("hidden", "operators", "around it", "PSNR, dB", "LPIPS"), rows, note)]


def _tried(given: Given, halves: Halves, shown: Sequence[Case]) -> list[Nearness]:
    return list(nearnesses(halves, shown, list(islice(settings(), 3 if given.quick else None)), given.lpips))


def _row(hidden: str, kind: str, found: Nearness) -> tuple[str, ...]:
    return hidden, kind, str(found.setting), f"{found.psnr:.2f}", f"{found.lpips:.4f}"


def of_order(given: Given) -> list[Table]:
    """A row for each network, PSNR-Y and LPIPS of each hidden degradation and of all."""
    single = {f"lbo-{hidden.name}": [given.narrow_lbo(hidden)] for hidden in HIDDEN}
    every = [lbo for (lbo,) in single.values()]
    pools: dict[str, Sequence[Path]] = {"basic": (), **single, "pool": every}
    for name, pool in pools.items():
        runs.finetuned(given.out, name, pool, given.more)
    pictures = partial(Unpaired.found, given.out / "hq", [episodes.episode(given.out, each) for each in HIDDEN])
    large = learned(pictures, given.out / "nn-only.safetensors", 3 if given.quick else runs.UNPAIRED_STEPS)
    order.with_nn_only(given.out, large, given.more)
    networks = order.networks(given.out, [*pools, order.NN_ONLY])
    found = {hidden.name: list(order.order(networks, hidden, given.held_out, given.lpips)) for hidden in HIDDEN}
    means = order.means_of(found)
    plots.save(plots.order_plot(means), given.out / "order.png")
    pages.repaired(networks, given.held_out).save(given.out / "repaired.png")
    columns = ("network", *(f"{hidden}, {unit}" for hidden in means for unit in ("dB", "LPIPS")))
    rows = [
        (name, *(figure for own in means.values() for figure in (f"{own[name].psnr_y:.2f}", f"{own[name].lpips:.4f}")))
        for name in means[order.ALL]
    ]
    return [Table("Repairing held-out clips, against their HQ", columns, rows, f"{len(given.held_out)} clips.")]


PARTS: dict[str, Callable[[Given], list[Table]]] = {"factors": of_factors, "nearness": of_nearness, "order": of_order}


if __name__ == "__main__":
    sys.exit(main())

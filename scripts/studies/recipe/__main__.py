"""Show what `python -m trainer recipe` gains at its defaults, in a night on two cores.

    python -m scripts.studies.drawing            # draws train clips; needs the extra learn
    python -m scripts.studies.drawing --hidden   # draws the hidden shows
    python -m scripts.studies.recipe .data/drawn

Three hidden shows have an episode each, with faults of their own. The episodes are given to recipe as LQ. Networks are
scored on held-out scenes of the shows, whose HQ only this study reads. The parts:

    variants    recipe with all episodes and with each one; without operators; with the factors that are best by hidden
                HQ; with wide operators; with NN-only in place of operators
    scales      multi-scale against single-scale: the same parameters and steps, basic operators only

Only what reductions.py names is smaller than by default. Runs resume, and finished ones are kept: start it again until
it has finished. With --budget it stops in time. Two cores are done sooner if each works off a seed of its own, by
OMP_NUM_THREADS=1 and --seed.

Of each finished seed, seeds/seed-N.json holds all that the report needs. Those of another machine count too: their
seeds are not trained again. Writes results.md and pictures into the folder after each call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from subprocess import CalledProcessError

from trainer.errors import TrainerError
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from trainer.origin import digest_texts
from trainer.table2.ledger import Job, Ledger, digest_code, work_off
from trainer.table2.rows import BASIC, MULTI, NN_ONLY, POOL, SINGLE, Order, degradation_orders
from trainer.vsr.evaluation import BICUBIC
from trainer.vsr.weights import load_network

from ..commands import choose_precision, make_parser, parse_parts
from . import best_factor, layout, pictures
from .best_factor import read_factors
from .episodes import Data
from .hidden_faults import FAULTS, HiddenFault
from .layout import Layout
from .reductions import FULL, QUICK, Reductions
from .runs import POOL_BEST, POOL_WIDE, Runs, single
from .scores import FORMAT, Judge, to_arrays
from .seeds import Seed, read_seeds, to_results, to_rows
from .tables import factor_table, order_table, score_table

PARTS = VARIANTS, SCALES = "variants", "scales"
BASE = "base"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = make_parser("recipe", __doc__ or "")
    parser.add_argument("clips", type=Path, help="a folder with the folders train, hidden-episodes and hidden-scenes")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "recipe"), help="default: %(default)s")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no run that would take longer than this")
    parser.add_argument("--seed", type=int, help="work off this seed only; other processes may be at other ones")
    parser.add_argument("--quick", action="store_true", help="two steps of everything: for a trial run")
    options = parse_parts(parser, PARTS, arguments)
    out = options.out / "quick" if options.quick else options.out
    study = Study.create(options.clips, out, QUICK if options.quick else FULL, FAULTS)
    try:
        budget = None if options.budget is None else 60 * options.budget
        done = study.work(options.part, budget, options.seed)
        study.keep()
        study.report(options.part)
    except (TrainerError, CalledProcessError) as error:
        _say(str(error))
        return 1
    _say("the study has finished" if done else "run it again to go on")
    return 0


@dataclass(frozen=True)
class Study:
    """Runs, scores and report of some episodes."""

    layout: Layout
    data: Data
    faults: Sequence[HiddenFault]
    reductions: Reductions

    @classmethod
    def create(cls, clips: Path, out: Path, reductions: Reductions, faults: Sequence[HiddenFault]) -> Study:
        """Return the study of a folder, in the precision of this processor. Its data is written if it is missing."""
        folders = Layout(out, choose_precision())
        data = Data(clips, folders.data, reductions.clip_frames, reductions.clips, reductions.size)
        data.write(faults)
        return cls(folders, data, faults, reductions)

    @property
    def runs(self) -> Runs:
        return Runs(self.layout, self.data, self.faults, self.reductions, _load_lpips)

    @cached_property
    def judge(self) -> Judge:
        bf16 = self.layout.precision == "bf16"
        return Judge(self.data, self.faults, self.layout.scores, _load_lpips, self.reductions.scored_every, bf16)

    def jobs(self, parts: Sequence[str], only: int | None = None) -> list[Job]:
        """Return the jobs of all seeds that are not finished, or of one, seed by seed: a part of the study is worth
        something."""
        runs, jobs = self.runs, list(self.runs.prepare())
        for seed in range(self.reductions.seeds) if only is None else [only]:
            missing = [part for part in parts if not self._is_kept(part, seed)]
            if VARIANTS in missing:
                jobs += runs.variants(seed)
            if SCALES in missing:
                jobs += [runs.scale(name, seed) for name in (SINGLE, MULTI) if (name, seed) != (MULTI, 0)]
            if missing:
                jobs.append(self._score_job(self._sources(missing, seed), seed))
        return jobs

    def work(self, parts: Sequence[str], budget: float | None, only: int | None = None) -> bool:
        """Run what is not done. Return whether all is done now. Raises TrainerError."""
        return work_off(
            self.jobs(parts, only),
            Ledger(self.layout.ledger, digest_code(best_factor)),
            budget,
            _say,
        )

    def keep(self) -> None:
        """Write the files of seeds that are finished, in part or whole."""
        for number in range(self.reductions.seeds):
            done = [part for part in PARTS if self._is_scored(part, number)]
            if not all(self._is_kept(part, number) for part in done):
                self._seed(done, number).write(self.layout.seeds)

    def report(self, parts: Sequence[str]) -> None:
        """Write the tables and pictures of all finished seeds, and print the tables. Raises PairError."""
        seeds = self._read_seeds(parts)
        if not seeds:
            return
        text = [_conditions(self, seeds), *map(str, self._tables(parts, seeds))]
        (self.layout.out / "results.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
        print("\n\n".join(text))

    def _read_seeds(self, parts: Sequence[str]) -> list[Seed]:
        return read_seeds(self.layout.seeds, self._made_of, self._sources(parts, 0))

    def _is_kept(self, part: str, number: int) -> bool:
        return number in {seed.number for seed in self._read_seeds([part])}

    def _tables(self, parts: Sequence[str], seeds: Sequence[Seed]) -> Iterable[object]:
        singles = [single(fault) for fault in self.faults]
        if VARIANTS in parts:
            names = [BICUBIC, BASE, NN_ONLY, BASIC, *singles, POOL, POOL_BEST, POOL_WIDE]
            results = to_results(seeds, names)
            yield score_table("Repairing held-out scenes", results)
            yield order_table("Orders of the paper's table 2", results, degradation_orders(singles))
            yield order_table("Other orders", results, OTHER_ORDERS)
            yield factor_table([(seed.factors, seed.suggested) for seed in seeds])
            pictures.plot(results, self.layout.out / "scores.png")
            self._draw_scenes(seeds)
        if SCALES in parts:
            results = to_results(seeds, [SINGLE, MULTI])
            yield score_table("Multi-scale and single-scale", results)
            yield order_table("Order of the paper's ablation", results, [(SINGLE, MULTI)])

    def _draw_scenes(self, seeds: Sequence[Seed]) -> None:
        """Draw networks of the first seed that was trained here."""
        for seed in seeds:
            own = {BASE: self.runs.base, **self.runs.networks(seed.number)}
            if all(path.exists() for path in own.values()):
                networks = {name: load_network(str(own[name])) for name in (BASE, BASIC, POOL)}
                page = pictures.draw_scenes(self.data, {fault.name: fault for fault in self.faults}, networks)
                page.save(self.layout.out / "scenes.png")
                return

    @cached_property
    def _made_of(self) -> dict[str, str]:
        """What all seeds of a report share."""
        scenes = {f"scenes of {name}": digest for name, digest in self.judge.scenes.items()}
        return {"reductions": digest_texts([self.reductions.describe()]), "version of the scores": FORMAT, **scenes}

    def _seed(self, parts: Sequence[str], number: int) -> Seed:
        base = self.judge.score(load_network(str(self.runs.base)))
        rows = {BICUBIC: to_rows(to_arrays(base, bicubic=True))}
        for name, path in self._sources(parts, number).items():
            rows[name] = to_rows(to_arrays(self.judge.score(load_network(str(path)))))
        suggested, factors = {}, {}
        if VARIANTS in parts:
            pool, factors = self.layout.run(POOL, number), read_factors(self.layout.factors)
            suggested = {
                fault.name: layout.chosen_factor(layout.operator(pool, place))
                for place, fault in enumerate(self.faults, 1)
            }
        return Seed(number, self.layout.precision, self._made_of, rows, factors, suggested)

    def _sources(self, parts: Sequence[str], seed: int) -> dict[str, Path]:
        variants = self.runs.networks(seed) if VARIANTS in parts else {}
        return {BASE: self.runs.base, **variants, **(self.runs.scales(seed) if SCALES in parts else {})}

    def _is_scored(self, part: str, seed: int) -> bool:
        return self._have_scores(list(self._sources([part], seed).values()), self.runs.base)

    def _score_job(self, sources: dict[str, Path], seed: int) -> Job:
        estimate = self.runs.costs.score * len(sources)
        made_of = (str(self.reductions.scored_every), *self.judge.scenes.values())
        run = partial(self._score, list(sources.values()))
        finished = partial(self._have_scores, list(sources.values()))
        return Job(f"scores {seed}", estimate, made_of, tuple(sources.values()), self.runs.base, run, finished)

    def _score(self, paths: Sequence[Path]) -> None:
        self.judge.measure([load_network(str(path)) for path in paths])

    def _have_scores(self, paths: Sequence[Path], _: Path) -> bool:
        return all(path.exists() and self.judge.is_scored(load_network(str(path))) for path in paths)


OTHER_ORDERS: list[Order] = [(BICUBIC, POOL), (BASE, POOL), (BASE, BASIC), (POOL, POOL_BEST), (POOL, POOL_WIDE)]


def _conditions(study: Study, seeds: Sequence[Seed]) -> str:
    precisions = ", ".join(f"seed {seed.number} in {seed.precision}" for seed in seeds)
    return (
        f"{len(seeds)} of {study.reductions.seeds} seeds: {precisions}. Reduced, and everything else as recipe "
        f"has it:\n\n{study.reductions.describe()}"
    )


@cache
def _load_lpips() -> Lpips:
    return Lpips(read_lpips_vgg16())


def _say(text: str) -> None:
    print(f"recipe: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""The training runs, as jobs: `recipe` by the command line that users have, and rows of table 2 beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trainer.core.checkpoints import has_ended
from trainer.losses.metrics import Lpips
from trainer.table2.jobs import nn_only_degradation, training
from trainer.table2.ledger import Job
from trainer.table2.rows import BASIC, MULTI, NN_ONLY, POOL, SINGLE, without_operators
from trainer.vsr.config import VSRConfig

from .. import commands
from . import layout
from .best_factor import find_best, measure_factors, read_factors, write_factors
from .costs import Costs
from .episodes import Data
from .hidden_faults import HiddenFault
from .layout import Layout
from .reductions import Reductions

WIDE_FEATURES = 64
"""Features of the paper's operators."""
POOL_BEST, POOL_WIDE = "pool-best", "pool-wide"
PRESET = "paper"
"""What single stages start from. All settings are then those of recipe's runs."""


def single(fault: HiddenFault) -> str:
    """Return the name of the network with the operator of one episode."""
    return f"lbo-{fault.name}"


@dataclass(frozen=True)
class Runs:
    """The jobs of the study, each of which follows only from those before it."""

    layout: Layout
    data: Data
    faults: Sequence[HiddenFault]
    reductions: Reductions
    load_lpips: Callable[[], Lpips]

    @property
    def base(self) -> Path:
        """The network in the place of v2."""
        return self.layout.run(MULTI, 0)

    @property
    def costs(self) -> Costs:
        return Costs(self.reductions)

    def prepare(self) -> Iterator[Job]:
        """Yield the base network, and the best factors by it."""
        yield self.scale(MULTI, 0)
        yield Job(
            "best factors",
            self.costs.factors,
            (self.data.digest, str(self.reductions.scenes)),
            (self.base,),
            self.layout.factors,
            self._factors,
        )

    def scale(self, name: str, seed: int) -> Job:
        """Return the training of a network with basic operators only, from random weights."""
        folder = self.layout.run(name, seed)
        settings = (*self.reductions.base, f"network.multi_scale={str(name == MULTI).lower()}", *self._shared(seed))
        arguments = ("vsr-l1", PRESET, f"data={self.data.hq}", *settings, "-o", str(folder))
        return self._train_job(f"{name} {seed}", self.costs.scale(name == SINGLE), arguments, (), folder)

    def variants(self, seed: int) -> Iterator[Job]:
        """Yield all that is compared, with one seed."""
        pool = self.layout.run(POOL, seed)
        yield self._recipe(POOL, self.faults, seed, (), self.costs.recipe(len(self.faults)))
        for number, fault in enumerate(self.faults, 1):
            copied = layout.operator(pool, number)  # recipe keeps it if it would make the same
            yield self._recipe(single(fault), [fault], seed, (copied,), self.costs.final)
        yield self._final(BASIC, seed)
        yield from self._best(seed)
        yield self._recipe(POOL_WIDE, self.faults, seed, (), self.costs.wide_recipe(len(self.faults)), wide=True)
        yield from self._nn_only(seed)

    def networks(self, seed: int) -> dict[str, Path]:
        """Return the model or run of each network with a seed, by name."""
        singles = {single(fault): layout.model(self.layout.run(single(fault), seed)) for fault in self.faults}
        pools = {name: layout.model(self.layout.run(name, seed)) for name in (POOL, POOL_WIDE)}
        stages = {name: self.layout.run(name, seed) for name in (BASIC, POOL_BEST, NN_ONLY)}
        return {**stages, **singles, **pools}

    def scales(self, seed: int) -> dict[str, Path]:
        """Return the runs of the two kinds of network with a seed."""
        return {name: self.layout.run(name, seed) for name in (SINGLE, MULTI)}

    def _recipe(
        self,
        name: str,
        faults: Sequence[HiddenFault],
        seed: int,
        copied: Sequence[Path],
        estimate: float,
        *,
        wide: bool = False,
    ) -> Job:
        folder = self.layout.run(name, seed)
        episodes = [str(self.data.episode(fault)) for fault in faults]
        features = (f"lbo.operator.features={WIDE_FEATURES}",) if wide else ()
        operator = (*self.reductions.operator, *self._shared(seed))
        arguments = (
            *("recipe", *episodes, "--data", str(self.data.hq), "--model", str(self.base), "-o", str(folder)),
            *(*self.reductions.network_settings(), *self._shared(seed)),
            *(*(f"lbo.{text}" for text in operator), *features),
        )

        def run() -> None:
            for number, source in enumerate(copied, 1):
                if not layout.operator(folder, number).is_dir():
                    shutil.copytree(source, layout.operator(folder, number))
            commands.train(*arguments)

        result = layout.model(folder)
        return Job(f"{name} {seed}", estimate, (self.data.digest, *arguments), (self.base, *copied), result, run)

    def _best(self, seed: int) -> Iterator[Job]:
        """Yield the operators at the best factors, then the network with them."""
        pool = self.layout.run(POOL, seed)
        folders = []
        for number, fault in enumerate(self.faults, 1):
            folder = self.layout.run(f"best-{fault.name}", seed)
            suggested = layout.operator(pool, number)
            inputs = (self.layout.factors, layout.model(pool))
            result = layout.operator_file(folder)
            run = partial(self._train_best_operator, fault, suggested, folder)
            yield Job(
                f"best operator of {fault.name} {seed}", self.costs.operator, (self.data.digest,), inputs, result, run
            )
            folders.append(folder)
        yield self._final(POOL_BEST, seed, folders)

    def _train_best_operator(self, fault: HiddenFault, suggested: Path, folder: Path) -> None:
        factor = find_best(read_factors(self.layout.factors)[fault.name]).factor
        source = suggested
        if factor != layout.chosen_factor(suggested):
            source = folder / "training"  # its first stage writes an operator too
            episode, at = str(self.data.episode(fault)), ("--factor", f"{factor:g}")
            commands.train("lbo", "pairs", episode, "-o", str(source), "--model", str(self.base), *at)
            for stage, settings in layout.operator_settings(suggested).items():
                commands.train("lbo", "train", str(source), PRESET, "--stage", stage, *layout.assignments(settings))
            if not all(map(has_ended, layout.operator_runs(source))):
                return
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(layout.operator_file(source), layout.operator_file(folder))

    def _final(self, name: str, seed: int, pool: Sequence[Path] = (), nn_only: Path | None = None) -> Job:
        """Return recipe's training of the network, with other operators, or NN-only, or none."""
        settings = layout.final_settings(self.layout.run(POOL, seed))

        def load() -> VSRConfig:
            same = VSRConfig.model_validate_json(settings.read_text(encoding="utf-8"))
            places = {"data": str(self.data.hq), "start": str(self.base), "lbo_pool": tuple(map(str, pool))}
            same = same.model_copy(update=places)
            return same if pool or nn_only else without_operators(same)

        return training(
            f"{name} {seed}",
            load,
            self.layout.run(name, seed),
            estimate=self.costs.final,
            made_of=(self.data.digest,),
            inputs=(settings, self.base, *map(layout.operator_file, pool)),
            nn_only=nn_only,
        )

    def _nn_only(self, seed: int) -> Iterator[Job]:
        """Yield the network that degrades, then the one that learns from it."""
        file = self.layout.nn_only(seed)
        yield nn_only_degradation(
            f"{NN_ONLY} degradation {seed}",
            self.data.hq,
            [self.data.episode(fault) for fault in self.faults],
            file,
            steps=self.reductions.nn_only_steps,
            seed=seed,
            bf16=self.layout.precision == "bf16",
            estimate=self.costs.nn_only,
            made_of=(self.data.digest,),
        )
        yield self._final(NN_ONLY, seed, nn_only=file)

    def _factors(self) -> None:
        lpips = self.load_lpips()
        scenes = self.reductions.scenes
        write_factors(
            self.layout.factors,
            {fault.name: measure_factors(self.data, fault, self.base, lpips, scenes) for fault in self.faults},
        )

    def _train_job(
        self, name: str, estimate: float, arguments: Sequence[str], inputs: Sequence[Path], folder: Path
    ) -> Job:
        run = partial(commands.train, *arguments)
        made_of = (self.data.digest, *arguments)
        return Job(name, estimate, made_of, tuple(inputs), folder, run, has_ended)

    def _shared(self, seed: int) -> tuple[str, ...]:
        return f"seed={seed}", f"precision={self.layout.precision}"

"""Trains and scores the networks of the table, job by job, and collects the results."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch

from vsanimesr.files import write_atomic
from vsanimesr.machine import cores, processor
from vsanimesr.progress import count, format_time

from ..advice.estimates import estimate_pairs
from ..bench.plan import time_stage
from ..core import run as core_run
from ..core.config import RunConfig, deciding
from ..core.start import RANDOM
from ..data.clips import require_clip
from ..degradation.learned.pool import OPERATOR_FILE
from ..evaluation.measures import MEASURES
from ..evaluation.tables import Table, format_markdown
from ..lbo import pairs
from ..lbo.config import STAGES as OPERATOR_STAGES
from ..lbo.effect import read_effect
from ..lbo.pairs import make_pairs
from ..lbo.train import train_stages
from ..origin import digest_texts, write_origin
from ..vsr.config import VSRConfig
from ..vsr.evaluation import BICUBIC
from .inputs import Inputs
from .jobs import nn_only_degradation, training
from .ledger import Job, Ledger, work_off
from .rows import BASIC, NN_ONLY, Variant
from .scores import Scores, Scoring, read_scores
from .tables import START, Results

_log = logging.getLogger(__name__)

FORMAT = "1"
"""Version of what is computed here. Raise it if a result can change."""
TRIAL = 10.0
"""Seconds in which the step of a kind of training is timed, once. Its smallest one is run in any case."""
NN_ONLY_STEP = 0.3
"""Seconds of a step of NN-only on a core: a first guess."""


@dataclass(frozen=True)
class Study:
    """The table of some inputs, on a set, with some seeds."""

    inputs: Inputs
    scoring: Scoring
    seeds: int

    def begin(self) -> None:
        """Make the folder, and time what was not timed before.

        Raises:
            OSError: the folder cannot be written.
        """
        write_origin(self.inputs.folder, self.inputs.origin)
        _ = self.jobs  # known from now on

    def work(self, seconds: float | None) -> bool:
        """Do what is missing. Return whether all is done.

        Args:
            seconds: from now; no job is begun that would take longer. None: there is no limit.

        Raises:
            TrainerError: a job fails, or was stopped.
        """
        return work_off(self.jobs, self._ledger, seconds, partial(_log.info, "%s"))

    def plan(self) -> str:
        """Return the jobs with the time of each that is not done, as Markdown."""
        done = [self._ledger.is_done(job) for job in self.jobs]
        left = [job for job, is_done in zip(self.jobs, done, strict=True) if not is_done]
        rows = [
            [job.name, "done" if is_done else f"about {format_time(self._ledger.expected([job]))}"]
            for job, is_done in zip(self.jobs, done, strict=True)
        ]
        title = f"{count(len(left), 'job')} of {len(self.jobs)} left, about {format_time(self._ledger.expected(left))}"
        return format_markdown(Table(title, ["job", "time"], rows))

    def results(self) -> Results:
        """Return what is known of the networks that are scored."""
        scores: dict[str, dict[int, Scores]] = {}
        for job in self.jobs:
            if job.result.parent == self._scores and self._ledger.is_done(job):
                name, _, seed = job.result.stem.rpartition("-")
                scores.setdefault(name, {})[int(seed)] = read_scores(job.result)
        measures = [
            name
            for name in self.scoring.work.measures
            if not scores or any(each[name] for own in scores.values() for each in own.values())
        ]
        return Results(self.inputs.rows, scores, measures, self._notes())

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs, seed by seed: a part of the table is worth something."""
        given = {BICUBIC: BICUBIC, **({START: self.inputs.start} if self.inputs.start else {})}
        jobs = [self._score(name, 0, network, ()) for name, network in given.items()]
        for seed in range(self.seeds):
            variants = self.inputs.rows.variants
            jobs += self._network(variants[0], seed)  # it may make pseudo-HQ
            jobs += [self._operator(number, seed) for number in self.inputs.numbers]
            for variant in variants[1:]:
                jobs += self._network(variant, seed)
        return jobs

    def _network(self, variant: Variant, seed: int) -> Iterator[Job]:
        """Yield what a network needs but operators, its trainings and its score."""
        data = self.inputs.origin["other" if variant.other else "data"]
        operators = [self.inputs.operator(number, seed) / OPERATOR_FILE for number in variant.operators]
        nn_only = self.inputs.folder / "runs" / f"nn-only-network-{seed}.safetensors" if variant.nn_only else None
        stages = self.inputs.stages(variant, seed)
        if nn_only:
            yield self._nn_only(nn_only, seed, stages[-1][0])
        for number, (settings, folder) in enumerate(stages):
            made_of = (data, self.inputs.origin["start"], self.inputs.origin["VGG"], *_texts(settings))
            before = [stages[number - 1][1]] if number else []
            yield training(
                f"{folder.name} training",
                partial(_same, settings),
                folder,
                estimate=self._seconds(settings),
                made_of=made_of,
                inputs=(*operators, *before),
                nn_only=nn_only,
                renew=self.inputs.renew,
            )
        run = stages[-1][1]
        yield self._score(variant.name, seed, str(run), (run,))

    def _nn_only(self, file: Path, seed: int, settings: VSRConfig) -> Job:
        steps, origin = self.inputs.operator_steps, self.inputs.origin
        return nn_only_degradation(
            f"{NN_ONLY}-network-{seed} training",
            self.inputs.data,
            self.inputs.episodes,
            file,
            steps=steps,
            seed=seed,
            bf16=settings.precision == "bf16",
            estimate=steps * NN_ONLY_STEP,
            made_of=(FORMAT, origin["data"], origin["VGG"], *self._episodes),
            vgg=self.inputs.vgg,
        )

    def _operator(self, number: int, seed: int) -> Job:
        """Return the pairs of an episode, and the training of its operator."""
        inputs, folder = self.inputs, self.inputs.operator(number, seed)
        path = inputs.episodes[number - 1]
        upscaler = inputs.run(BASIC, seed)
        settings = [inputs.operator_settings(stage, seed) for stage in OPERATOR_STAGES]

        def run() -> None:
            episode, model = require_clip(path, "episode"), inputs.start or str(upscaler)
            make_pairs(
                *(episode, folder),
                model=model,
                count=inputs.count,
                factor=inputs.factor,
                colour=inputs.colour,
                pick_factor=None,
            )
            train_stages(folder, lambda stage: inputs.operator_settings(stage, seed), renew=inputs.renew)

        origin = inputs.origin
        made_of = (
            *(origin[name] for name in ("start", "count", "factor", "colour", "VGG")),
            self._episodes[number - 1],
        )
        return Job(
            f"{folder.name} pairs and training",
            self._pairs_seconds(path) + sum(map(self._seconds, settings)),
            (*made_of, *(text for each in settings for text in _texts(each))),
            () if inputs.start else (upscaler,),
            folder / OPERATOR_FILE,
            run,
            kind="operator",
        )

    def _score(self, name: str, seed: int, network: str, inputs: tuple[Path, ...]) -> Job:
        file = self._scores / f"{name}-{seed}.json"
        made_of = (*self.scoring.made_of, *(() if inputs else (name, self.inputs.origin["start"])))
        run = partial(self.scoring.score, network, file)
        return Job(f"{name}-{seed} score", self.scoring.seconds, made_of, inputs, file, run, kind="score")

    @property
    def _scores(self) -> Path:
        return self.inputs.folder / "scores"

    @property
    def _episodes(self) -> list[str]:
        return [text for name, text in self.inputs.origin.items() if name.startswith("episode ")]

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self.inputs.folder / "done.json", digest_texts([FORMAT, core_run.FORMAT, pairs.FORMAT]))

    def _seconds(self, settings: RunConfig) -> float:
        """Return the time of a training."""
        multi = isinstance(settings, VSRConfig) and settings.network.multi_scale
        alike = settings.model_copy(update={"start": RANDOM, "seed": 0, "lbo_pool": ()})
        if isinstance(settings, VSRConfig):
            losses = "gan" if settings.losses.gan else "L1"
            key = f"{losses}, {'multi' if multi else 'single'}-scale"
        else:
            key = settings.stage
        same = ("stage=", "degradation.", "steps=", "ema=")  # with others, a step takes as long
        texts = [text for text in _texts(alike) if not text.startswith(same)]
        return settings.steps * self._time(key, texts, lambda: time_stage(alike, TRIAL))

    def _pairs_seconds(self, episode: Path) -> float:
        inputs = self.inputs
        network = inputs.stages(inputs.rows.variants[0], 0)[-1][0].build_network().eval()

        def measure() -> float:
            clip = require_clip(episode, "episode")
            return estimate_pairs("", clip, network, inputs.count, inputs.factor).seconds

        return self._time(f"pairs of {episode.name}", [str(inputs.count), str(inputs.factor)], measure)

    def _time(self, kind: str, texts: list[str], measure: Callable[[], float]) -> float:
        """Return a time that was measured on this machine before, or measure it now."""
        file = self.inputs.folder / "times.json"
        known = _read_times(file)
        key = f"{kind}, {digest_texts([processor(), str(cores()), str(torch.get_num_threads()), *texts])}"
        if key not in known:
            _log.info("timing %s", kind)
            known[key] = measure()
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, json.dumps(known, indent=1).encode())
        return known[key]

    def _notes(self) -> list[str]:
        inputs, scoring = self.inputs, self.scoring
        start = (
            f"All start from {inputs.start}, except the multi-scale ablation"
            if inputs.start
            else "Two stages from random weights, as in the paper"
        )
        l1 = "" if inputs.l1_steps is None else f" ({inputs.l1_steps:,} of the one by L1)"
        shared = f", {' '.join(inputs.assignments)}" if inputs.assignments else ""
        done = sum(self._ledger.is_done(job) for job in self.jobs)
        titles = ", ".join(MEASURES[name].title for name in scoring.work.measures if not MEASURES[name].every)
        slow = f"; {titles} of one in {scoring.work.every}" if titles else ""
        return [
            f"{done} of {count(len(self.jobs), 'job')} are done, for {count(self.seeds, 'seed')}.",
            f"{start}: {inputs.steps:,} steps of a stage{l1}; {inputs.operator_steps:,} of one of an operator, and of "
            f"NN-only. Preset {inputs.preset}{shared}.",
            *_unlearned(inputs.operator(number, seed) for seed in range(self.seeds) for number in inputs.numbers),
            f"Set: {count(len(scoring.clips), 'clip')}, {sum(map(len, scoring.clips))} frames{slow}.",
        ]


def _read_times(file: Path) -> dict[str, float]:
    """Return the times of a file; none if it is missing or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): float(seconds) for key, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _unlearned(operators: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence about operators that are worse than none, if there are some."""
    effects = {folder.name: read_effect(folder) for folder in operators}
    worse = [f"{name} ({effect})" for name, effect in effects.items() if effect and effect.is_worse]
    if worse:
        yield (
            f"**Not learned**: {', '.join(worse)}. What is trained with them says nothing of the paper's orders; give "
            "--operator-steps more."
        )


def _same(settings: VSRConfig) -> VSRConfig:
    return settings


def _texts(settings: RunConfig) -> list[str]:
    """Return all settings that a result depends on. Of files, their jobs have the content."""
    return [f"{name}={text}" for name, text in deciding(settings).items()]

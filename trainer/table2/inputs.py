"""What a user gives, checked before the first step; and the settings of all trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vsanimesr.network.colour import Colour

from ..advice.sources import require_fit_hq, require_fit_sources
from ..core.config import SHORT_RUN, RunConfig, deciding, loss_weights
from ..core.start import RANDOM, describe_start
from ..data.clips import find_clips, require_clip
from ..errors import SettingError
from ..lbo.config import STAGES as OPERATOR_STAGES
from ..lbo.config import OperatorConfig
from ..lbo.rescaling import require_factor
from ..losses.vgg.weights import SOURCES, read_vgg, resolve_vgg
from ..origin import Origin, differences, digest_tensors, digest_texts, read_origin
from ..recipe import (
    FIRST_STAGE,
    LOSSES_PREFIX,
    OPERATOR_PREFIX,
    STAGE,
    Stages,
    check_mode,
    check_sizes,
    operator_config,
)
from ..settings import override
from ..vsr.config import VSRConfig, configure, preset
from ..vsr.train import check
from ..vsr.weights import load_network
from .nn_only import alone, require_sizes
from .rows import Rows, Variant, without_operators

PAPER_STEPS, OPERATOR_SHARE = 300_000, 3
"""Steps of each stage of the network in the paper. An operator has a third of them in each of its stages."""
LEAST_OPERATOR_STEPS = 3000
"""So many taught even narrow operators of 8 features their episode; 1000 did not (docs/training.md)."""
CHECKPOINTS, MOST_STEPS = 10, 5000
"""Checkpoints of a run at least, and steps between two of them at most."""
GIVEN = {
    **{"data": "--data", "start": "--start", "steps": "--steps", "seed": "--seeds", "lbo.seed": "--seeds"},
    **{"lbo_pool": "the episodes", "network.multi_scale": "nothing: it is one of the rows"},
}
"""Settings that arguments decide."""
VGG_SETTING = "losses.perceptual.weights"


@dataclass(frozen=True)
class Inputs:
    """All that decides the table, but for the number of seeds."""

    episodes: Sequence[Path]
    """LQ episodes: videos, or folders of images."""
    data: Path
    """Folder of HQ clips."""
    folder: Path
    """Folder for runs and results."""
    other: Path | None = None
    """Another folder of HQ clips, for the ablation of training sets."""
    steps: int = PAPER_STEPS
    """Steps of each stage of a network."""
    l1_steps: int | None = None
    """Steps of the stage by L1, if they are not `steps`: one takes a small part of the time of a step with a GAN."""
    own_operator_steps: int | None = None
    """Steps of each stage of an operator, and of NN-only. None: a third of `steps`, but at least LEAST_OPERATOR_STEPS
    unless the preset is debug."""
    start: str = ""
    """Network that all start from, and that makes pseudo-HQ. If empty, networks are trained in two stages from random
    weights, and that with basic operators makes pseudo-HQ, as in the paper."""
    preset: str = "paper"
    count: int = 200
    """Largest number of windows of an episode."""
    factor: float | None = None
    """Input rescaling of all episodes; None for the suggested one of each."""
    colour: Colour = "source"
    """Whose colours pseudo-HQ has."""
    assignments: Sequence[str] = ()
    """Texts `name=value` for all networks, `lbo.name=value` for all operators."""
    renew: bool = False
    """Train again what was trained with other settings or sources."""

    @property
    def rows(self) -> Rows:
        return Rows(len(self.episodes), self.other is not None, bool(self.start))

    @property
    def numbers(self) -> range:
        """Numbers of the episodes."""
        return range(1, len(self.episodes) + 1)

    @property
    def operator_steps(self) -> int:
        """Steps of each stage of an operator, and of NN-only."""
        if self.own_operator_steps is not None:
            return self.own_operator_steps
        return max(self.steps // OPERATOR_SHARE, 1 if self.preset == "debug" else LEAST_OPERATOR_STEPS)

    def run(self, name: str, seed: int) -> Path:
        """Return the folder of a network's last run."""
        return self.folder / "runs" / f"{name}-{seed}"

    def operator(self, number: int, seed: int) -> Path:
        """Return the folder of the operator of an episode, from 1."""
        return self.run(f"operator-{number}", seed)

    def stages(self, variant: Variant, seed: int) -> Stages:
        """Return the trainings of a network: one from `start`, else one by L1 and one with all losses."""
        from_start = self.start and not variant.from_random
        last, l1 = self.run(variant.name, seed), self.run(f"{variant.name}-l1", seed)
        first, final = self._base
        runs = [(final, last, self.start)] if from_start else [(first, l1, RANDOM), (final, last, str(l1))]
        return [(self._adapt(base, variant, seed, start), folder) for base, folder, start in runs]

    def operator_settings(self, stage: str, seed: int) -> OperatorConfig:
        """Return the settings of a stage of an operator."""
        steps = self.operator_steps
        texts = [f"steps={steps}", f"seed={seed}", *_records(steps), *_schedule(steps)]
        if stage == OPERATOR_STAGES[-1] and self.preset != "debug":
            perceptual, gan = loss_weights(steps)
            texts += [f"losses.perceptual.weight={perceptual}", f"losses.gan={gan}"]
        own = [text.removeprefix(OPERATOR_PREFIX) for text in self.assignments if text.startswith(OPERATOR_PREFIX)]
        settings = operator_config(self.preset, self._base[1].degradation.down.modes, [*texts, *own], stage)
        if settings.losses.perceptual.weights == "auto":
            return override(settings, [f"{VGG_SETTING}={self.vgg}"])
        return settings

    @property
    def vgg(self) -> str:
        """Weights of the perceptual loss, except of operators that are given others. Never `auto`: a server that comes
        back within the hours of the table would make its networks ones that cannot be compared."""
        return self._base[1].losses.perceptual.weights

    def _resolve_vgg(self, weights: str) -> str:
        """Return what `auto` was when the table was begun, else what it is now."""
        before = "" if self.renew else read_origin(self.folder).get(VGG_SETTING, "")
        return resolve_vgg(before if weights == "auto" and before in SOURCES else weights)

    @cached_property
    def _base(self) -> tuple[VSRConfig, VSRConfig]:
        """The settings that all networks share, of their first and their last stage."""
        own = [text for text in self.assignments if not text.startswith(OPERATOR_PREFIX)]
        for text in self.assignments:
            if source := GIVEN.get(text.partition("=")[0]):
                raise SettingError(f"{text} is decided by {source}; leave it out")
        final = preset(STAGE, self.preset)
        first = preset(FIRST_STAGE, self.preset).model_copy(update={"degradation": final.degradation})
        of_first = [text for text in own if not text.startswith(LOSSES_PREFIX)]
        of_l1 = _budget(self.steps if self.l1_steps is None else self.l1_steps)
        final = configure(final, [*_budget(self.steps), *own])
        vgg = self._resolve_vgg(final.losses.perceptual.weights)
        return override(first, [*of_l1, *of_first]), override(final, [f"{VGG_SETTING}={vgg}"])

    def _adapt(self, base: VSRConfig, variant: Variant, seed: int, start: str) -> VSRConfig:
        data = self.other if variant.other else self.data
        pool = tuple(str(self.operator(number, seed)) for number in variant.operators)
        network = base.network.model_copy(update={"multi_scale": variant.multi_scale})
        places = {"data": str(data), "start": start, "seed": seed, "lbo_pool": pool, "network": network}
        settings = base.model_copy(update=places)
        return override(settings if pool or variant.nn_only else without_operators(settings), [])

    @cached_property
    def origin(self) -> Origin:
        """What all jobs are made of, by content.

        Raises:
            TrainerError: something cannot be read.
        """
        first, final = self._base
        sets = {"data": self.data, **({"other": self.other} if self.other else {})}
        operators = {stage: self.operator_settings(stage, 0) for stage in OPERATOR_STAGES}
        others: dict[str, RunConfig] = {FIRST_STAGE: first, **operators}
        vggs = dict.fromkeys([self.vgg, *(each.losses.perceptual.weights for each in operators.values())])
        return {
            **{name: digest_texts(clip.digest() for clip in find_clips(folder)) for name, folder in sets.items()},
            **{f"episode {n}": require_clip(path, "episode").digest() for n, path in enumerate(self.episodes, 1)},
            "start": describe_start(self.start),
            "VGG": digest_texts(digest_tensors(read_vgg(each).tensors) for each in vggs),
            "count": str(self.count),
            "factor": str(self.factor or "suggested"),
            "colour": self.colour,
            VGG_SETTING: self.vgg if self.vgg in SOURCES else "a file",
            **deciding(final),
            **{f"{stage} {name}": text for stage, each in others.items() for name, text in deciding(each).items()},
        }

    def check(self, *, as_is: bool) -> None:
        """Check all inputs and settings, without training.

        Args:
            as_is: whether combed and anamorphic sources are taken as they are.

        Raises:
            TrainerError: one cannot be used, or the folder has a table of other inputs or settings.
        """
        counts = {"--steps": self.steps, "--l1-steps": self.l1_steps, "--count": self.count}
        counts["--operator-steps"] = self.own_operator_steps
        for name, value in counts.items():
            if value is not None and value < 1:
                raise SettingError(f"{name} {value} has to be 1 or more")
        if self.folder.exists() and not self.folder.is_dir():
            raise SettingError(f"-o {self.folder} is a file; name a folder")
        if self.factor is not None:
            require_factor(self.factor)
        episodes = [require_clip(path, "episode") for path in self.episodes]
        sets = [find_clips(folder) for folder in (self.data, *([self.other] if self.other else []))]
        if not as_is:
            require_fit_sources(self.episodes, self.data)
            if self.other:
                require_fit_hq(self.other)
        if self.start:
            load_network(self.start)
        operators = [self.operator_settings(stage, 0) for stage in OPERATOR_STAGES]
        for base in self._base:
            check_mode(base, operators[-1])
        for episode in episodes:
            check_sizes(episode, self.factor, operators)
        require_sizes(sets[0], episodes)
        for variant in self.rows.variants:
            if variant.operators not in ((), (1,)):
                continue  # as with the first operator
            for settings, folder in self.stages(variant, 0):
                later = settings.start not in (RANDOM, self.start)  # what it starts from has still to be trained
                known = settings.model_copy(update={"start": RANDOM}) if later else settings
                check(alone(known) if variant.nn_only else known, folder, renew=True)
        self._require_same()

    def _require_same(self) -> None:
        before, now = read_origin(self.folder), dict(self.origin)
        if "other" not in before or "other" not in now:  # it may come later
            before.pop("other", None)
            now.pop("other", None)
        if before and not self.renew and (difference := differences(before, now)):
            raise SettingError(
                f"{self.folder} has a table of other inputs or settings ({difference}); give what was given before, "
                "name another folder with -o, or add --renew to train again what differs"
            )


def _budget(steps: int) -> list[str]:
    """Return the settings of a stage of a network that follow from its number of steps."""
    ema = [f"ema={round(min(0.999, max(0.0, 1 - 10 / steps)), 4)}"] if steps <= SHORT_RUN else []
    return [f"steps={steps}", *_records(steps), *_schedule(steps), *ema]


def _records(steps: int) -> list[str]:
    return [f"records.save={max(1, min(MOST_STEPS, steps // CHECKPOINTS))}", "records.preview=0"]


def _schedule(steps: int) -> list[str]:
    """Return the settings of a budget for which the paper's constant rate is not made."""
    return ["optimiser.schedule=cosine"] if steps <= SHORT_RUN else []

"""The networks of the paper's table 2: what differs between their trainings, and which ones are better in the paper.

Source: the paper's section 5.3 and table 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..degradation.settings import Down
from ..vsr.config import VSRConfig

BASIC, NN_ONLY, POOL, OTHER = "basic", "nn-only", "pool", "other-set"
SINGLE, MULTI = "single-scale", "multi-scale"
SETS, DEGRADATION, SCALES, OPERATORS = "training set", "degradation", "multi-scale", "operators"
"""The ablations."""
PAPER_SINGLES = (0.3763, 0.3803, 0.3796)
"""MANIQA of the paper's networks with one operator."""

type Order = tuple[str, str]
"""Names of two networks, of which the second is better in the paper."""


def single(number: int) -> str:
    """Return the name of the network with the operator of one episode, from 1."""
    return f"lbo-{number}"


@dataclass(frozen=True)
class Variant:
    """A network: what is special in its training."""

    name: str
    operators: tuple[int, ...] = ()
    """Numbers, from 1, of the episodes whose operators degrade."""
    nn_only: bool = False
    other: bool = False
    """Whether it learns from the second set of HQ clips."""
    multi_scale: bool = True
    from_random: bool = False
    """Whether it starts from random weights whatever the others start from."""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    ablation: str
    title: str
    network: str
    """Name of the variant. As in the paper, some rows share one."""
    paper: float | None
    """MANIQA in the paper."""


@dataclass(frozen=True)
class Rows:
    """What the inputs allow of the table.

    Args:
        episodes: number of episodes, 1 or more.
        other: whether there is a second set of HQ clips.
        started: whether networks start from given weights. Then the two of the multi-scale ablation are trained apart
            from the others, from random weights.
    """

    episodes: int
    other: bool
    started: bool

    @property
    def singles(self) -> list[str]:
        return [single(number) for number in self._numbers]

    @property
    def variants(self) -> list[Variant]:
        """The networks, in the order of their training."""
        numbers = tuple(self._numbers)
        found = [Variant(BASIC), *(Variant(single(number), (number,)) for number in numbers)]
        found += [Variant(POOL, numbers)] if len(numbers) > 1 else []
        found.append(Variant(NN_ONLY, nn_only=True))
        found += [Variant(OTHER, (1,), other=True)] if self.other else []
        found.append(Variant(SINGLE, (1,), multi_scale=False, from_random=True))
        return [*found, *([Variant(MULTI, (1,), from_random=True)] if self.started else [])]

    def __iter__(self) -> Iterator[Row]:
        first, pooled = single(1), self.episodes > 1
        if self.other:
            yield Row(SETS, "--other (ATD-12K)", OTHER, 0.3309)
            yield Row(SETS, "--data (AVC-Train)", first, 0.3763)
        yield Row(DEGRADATION, "BasicOP-only", BASIC, 0.3554)
        yield Row(DEGRADATION, "NN-only", NN_ONLY, 0.3034)
        yield Row(DEGRADATION, "1 LBO", first, 0.3763)
        if pooled:
            yield Row(DEGRADATION, f"{self.episodes} LBO", POOL, self._paper_pool)
        yield Row(SCALES, "single-scale", SINGLE, 0.3283)
        yield Row(SCALES, "multi-scale", self._multi, 0.3763)
        for number, name in zip(self._numbers, self.singles, strict=True):
            paper = PAPER_SINGLES[number - 1] if number <= len(PAPER_SINGLES) else None
            yield Row(OPERATORS, f"LBO-{number}", name, paper)
        if pooled:
            yield Row(OPERATORS, "LBO pool", POOL, self._paper_pool)

    @property
    def _paper_pool(self) -> float | None:
        """The paper's pool is one of three operators."""
        return 0.3832 if self.episodes == len(PAPER_SINGLES) else None

    @property
    def orders(self) -> list[Order]:
        """The paper's orders between these networks."""
        networks = {row.network for row in self}
        pairs = [(OTHER, single(1)), *degradation_orders(self.singles), (SINGLE, self._multi)]
        return [pair for pair in pairs if networks.issuperset(pair)]

    @property
    def left_out(self) -> list[str]:
        """Why rows of the paper are missing, as sentences."""
        reasons = {
            "No second set of HQ clips was given (--other): there is no training set ablation.": not self.other,
            "One episode was given: there is no pool.": self.episodes == 1,
        }
        return [text for text, holds in reasons.items() if holds]

    @property
    def _numbers(self) -> range:
        return range(1, self.episodes + 1)

    @property
    def _multi(self) -> str:
        return MULTI if self.started else single(1)


def degradation_orders(singles: Sequence[str]) -> list[Order]:
    """Return the orders of NN-only, basic operators, each single operator, and the pool."""
    return [(NN_ONLY, BASIC), *((BASIC, name) for name in singles), *((name, POOL) for name in singles), (BASIC, POOL)]


def without_operators(settings: VSRConfig) -> VSRConfig:
    """Return the settings of a final stage without learned operators: basic ones only."""
    unused = Down().model_dump(include={"lbo", "lbo_mode", "lbo_choice"})
    down = settings.degradation.down.model_copy(update=unused)
    degradation = settings.degradation.model_copy(update={"down": down})
    stage = "vsr-gan" if settings.stage == "vsr-final" else settings.stage
    return settings.model_copy(update={"stage": stage, "lbo_pool": (), "degradation": degradation})

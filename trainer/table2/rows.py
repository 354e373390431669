"""The networks of the paper's table 2: what differs between their trainings, and which ones are better in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from ..degradation.settings import Down
from ..vsr.config import VSRConfig

BASIC, NN_ONLY, POOL = "basic", "nn-only", "pool"
SINGLE, MULTI = "single-scale", "multi-scale"

type Order = tuple[str, str]
"""Names of two networks, of which the second is better in the paper."""


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

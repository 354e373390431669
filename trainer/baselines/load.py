"""One entry for all baselines: from a name to an upscaler, as `trainer.evaluation` compares them."""

from __future__ import annotations

from collections.abc import Callable

from vsanimesr.errors import suggestion

from ..errors import BaselineError
from .files import load_realbasicvsr, load_rrdb
from .network import Baseline, BaselineNetwork
from .released import MODELS, load_released
from .temporalfix import SUFFIX, TemporalFix

FILES: dict[str, Callable[[str], BaselineNetwork]] = {
    "bsrgan": load_rrdb,
    "realesrgan": load_rrdb,
    "realbasicvsr": load_realbasicvsr,
}
"""Names of baselines that are followed by `=` and the path of their weights."""
NAMES = (*MODELS, *(f"{name}=PATH" for name in FILES))
"""The names of all baselines, for texts."""


def is_baseline(name: str) -> bool:
    """Return whether a name is that of a baseline, rather than of another network; its path may still be wrong."""
    kind, equals, _ = name.removesuffix(SUFFIX).partition("=")
    return kind in FILES or (kind in MODELS and not equals)


def load_baseline(name: str) -> Baseline | TemporalFix:
    """Load a baseline.

    Args:
        name: of `NAMES`. Weights of Real-ESRGAN are fetched once; those of others are read from a file, as in
            `bsrgan=BSRGAN.pth`. With `+temporalfix` at its end, vs_temporalfix follows (see `TemporalFix`).

    Raises:
        BaselineError: the name is unknown, or its weights cannot be fetched or read, or belong to another network.
        MissingDependencyError: vs_temporalfix is not installed.
    """
    if name.endswith(SUFFIX):
        return TemporalFix(_load(name.removesuffix(SUFFIX)))
    return _load(name)


def _load(name: str) -> Baseline:
    kind, _, path = name.partition("=")
    if name in MODELS:
        return Baseline(name, load_released(name))
    if kind not in FILES:
        hint = suggestion(kind, [*MODELS, *FILES]) or f"use {', '.join(NAMES)}"
        raise BaselineError(f"{name!r} is no baseline; {hint}")
    if not path:
        raise BaselineError(f"{name!r} names no file of weights; use {kind}=PATH")
    try:
        return Baseline(name, FILES[kind](path))
    except BaselineError as error:
        raise BaselineError(f"{kind}={error}") from error

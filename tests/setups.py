"""What engines are opened with in tests."""

from __future__ import annotations

from vsanimesr.engine_options import parse
from vsanimesr.engines.base import Setup
from vsanimesr.weights import read_weights


def setup_for(
    engine: str, width: int, height: int, *, model: str = "v2", precision: str = "auto", options: tuple[str, ...] = ()
) -> Setup:
    """As a session makes it."""
    return Setup(
        width=width,
        height=height,
        precision=precision,
        device=0,
        options=parse(engine, options),
        read_weights=lambda: read_weights(model),
    )

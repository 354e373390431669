"""What every engine that was built of the network depends on, whatever built it."""

from __future__ import annotations

from ..graph import VERSION, GraphPrecision
from ..weights import WeightsFile


def key_of_network(
    engine: str, library: str, weights: WeightsFile, size: tuple[int, int] | None, precision: GraphPrecision
) -> dict[str, str | int | list[str]]:
    """The beginning of a `cache.Key`, to which an engine adds what it depends on besides.

    Args:
        library: the full version of what builds it.
        size: width and height of LR frames, or None for any.
    """
    return {
        "engine": engine,
        "library": library,
        "graph": VERSION,
        "weights": weights.digest,
        "size": "any" if size is None else "{}x{}".format(*size),
        "precision": precision,
    }

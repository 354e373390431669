"""What a runtime raises, told as an error of its engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import EngineError

type Errors = tuple[type[Exception], ...]


@contextmanager
def told_by(
    engine: str,
    what: str,
    *,
    failures: Errors = (RuntimeError,),
    out_of_memory: Errors = (MemoryError,),
    line: int = -1,
) -> Iterator[None]:
    """Turn what is raised within into an EngineError.

    Args:
        what: the engine was doing, after its name: `cannot be opened`.
        failures: what the runtime raises.
        out_of_memory: what it raises where memory is the reason.
        line: of a longer message, the one that says it.

    Raises:
        EngineError: any of these was raised.
    """
    try:
        yield
    except out_of_memory as error:
        raise EngineError(f"engine={engine!r} {what}: not enough memory; free some, or use a smaller clip") from error
    except failures as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EngineError(f"engine={engine!r} {what}: {lines[line]}") from error

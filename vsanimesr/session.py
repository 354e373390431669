"""One running filter: the engine that its options ask for, ready for the first step."""

from __future__ import annotations

from .engines import open_engine
from .engines.base import Frame, Ticket
from .options import Options
from .quiet import stdout_to_stderr
from .weights import load_weights


class Session:
    """Runs steps of the recurrence on frames of one size.

    Raises:
        AnimeSRError: the weights cannot be had, or the engine cannot be opened.
    """

    def __init__(self, options: Options, *, width: int, height: int) -> None:
        with stdout_to_stderr():
            self._engine = open_engine(
                options.engine,
                load_weights=lambda: load_weights(options.model),
                width=width,
                height=height,
                precision=options.precision,
                device=options.device,
            )
        self.depth = self._engine.depth
        """How many tickets may be waiting at once."""

    def step(self, prev: Frame, cur: Frame, next: Frame, *, reset: bool, output: bool) -> Ticket | None:
        """Run one step on the window; `reset` sets the recurrent state to zero before it."""
        if reset:
            self._engine.reset()
        return self._engine.submit(prev, cur, next, output=output)

    def close(self) -> None:
        """Free the engine. Closing twice does no harm."""
        self._engine.close()

"""One running filter: the engine that its options ask for, ready for the first step."""

from __future__ import annotations

from .engine_options import parse
from .engines import chosen, open_engine
from .engines.base import Frame, Setup, Ticket
from .options import Options
from .quiet import stdout_to_stderr
from .weights import read_weights


class Session:
    """Runs steps of the recurrence on frames of one size.

    Raises:
        AnimeSRError: the weights cannot be had, or the engine cannot be opened.
    """

    def __init__(self, options: Options, *, width: int, height: int) -> None:
        with stdout_to_stderr():
            engine = chosen(options.engine)
            setup = Setup(
                width=width,
                height=height,
                precision=options.precision,
                device=options.device,
                options=parse(engine, options.engine_options),
                read_weights=lambda: read_weights(options.model),
            )
            self._engine = open_engine(engine, setup)
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

"""Steps replayed as CUDA graphs, for the engine `torch`: one call for a step instead of a launch for each kernel.

A graph reads and writes fixed memory, so there are two: even steps read one set of state buffers and write the other,
odd steps the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

type Step = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""`AnimeSR`, or what a compiler made of it."""


class ReplayedRecurrence:
    """A step and the state that goes through it, all on the stream that is current when it is made and used."""

    def __init__(self, step: Step, zero: tuple[Tensor, Tensor], blank: Tensor) -> None:
        self._window = [blank.clone() for _ in range(3)]
        self._even, odd = ([tensor.clone() for tensor in zero] for _ in range(2))
        for _ in range(2):  # libraries that set themselves up at a first step must not do so while it is recorded
            step(*self._window, *zero)
        even_graph = torch.cuda.CUDAGraph()
        odd_graph = torch.cuda.CUDAGraph()
        even_frame = self._record(even_graph, None, step, self._even, odd)
        # They never run at once, so what lives only within a step can share memory.
        odd_frame = self._record(odd_graph, even_graph.pool(), step, odd, self._even)
        self._graphs = ((even_graph, even_frame), (odd_graph, odd_frame))
        self._steps = 0

    def reset(self) -> None:
        self._steps = 0
        for tensor in self._even:
            tensor.zero_()

    def step(self, prev: Tensor, cur: Tensor, next: Tensor) -> Tensor:
        """The frame, in memory that the step after the next one overwrites."""
        for target, picture in zip(self._window, (prev, cur, next), strict=True):
            target.copy_(picture)
        graph, frame = self._graphs[self._steps % 2]
        graph.replay()
        self._steps += 1
        return frame

    def _record(
        self, graph: torch.cuda.CUDAGraph, pool: Any, step: Step, read: Sequence[Tensor], written: Sequence[Tensor]
    ) -> Tensor:
        # thread_local: what other threads do with the GPU meanwhile is no part of this, and no error.
        with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            frame, *state = step(*self._window, *read)
            for target, tensor in zip(written, state, strict=True):
                target.copy_(tensor)
        return frame

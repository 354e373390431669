"""CUDA graphs for the backend `torch`: one launch per step instead of one per kernel.

A graph reads and writes fixed memory, so there are two graphs: even steps read one set of state buffers and write the
other, and odd steps do the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

type Step = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""`AnimeSR` or `RestoringColours`, compiled or not."""


class GraphRecurrence:
    """A step, captured as graphs, and the state that it updates. Create and use it on the same current stream."""

    def __init__(self, step: Step, zero: tuple[Tensor, Tensor], blank: Tensor) -> None:
        self._window = [blank.clone() for _ in range(3)]
        self._even, self._odd = ([tensor.clone() for tensor in zero] for _ in range(2))
        for _ in range(2):  # libraries that initialise themselves at a first step must not do so during the capture
            step(*self._window, *zero)
        even_graph = torch.cuda.CUDAGraph()
        odd_graph = torch.cuda.CUDAGraph()
        even_frame = self._capture(even_graph, None, step, self._even, self._odd)
        # The graphs never run at once, so they share the memory of intermediate results.
        odd_frame = self._capture(odd_graph, even_graph.pool(), step, self._odd, self._even)
        self._graphs = ((even_graph, even_frame), (odd_graph, odd_frame))
        self._steps = 0

    @property
    def state(self) -> Sequence[Tensor]:
        """The buffers that the next step reads. The step after it overwrites them."""
        return (self._even, self._odd)[self._steps % 2]

    def reset(self) -> None:
        self._steps = 0
        for tensor in self._even:
            tensor.zero_()

    def load(self, state: Sequence[Tensor]) -> None:
        self._steps = 0
        for tensor, value in zip(self._even, state, strict=True):
            tensor.copy_(value)

    def step(self, prev: Tensor, cur: Tensor, next: Tensor) -> Tensor:
        """Run a step. The step after the next one overwrites the memory of the returned frame."""
        for target, frame in zip(self._window, (prev, cur, next), strict=True):
            target.copy_(frame)
        graph, out = self._graphs[self._steps % 2]
        graph.replay()
        self._steps += 1
        return out

    def _capture(
        self, graph: torch.cuda.CUDAGraph, pool: Any, step: Step, source: Sequence[Tensor], target: Sequence[Tensor]
    ) -> Tensor:
        # thread_local: calls of other threads to the GPU are not captured, and are no error.
        with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            frame, *state = step(*self._window, *source)
            for buffer, tensor in zip(target, state, strict=True):
                buffer.copy_(tensor)
        return frame

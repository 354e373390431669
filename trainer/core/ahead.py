"""Finishes drawn batches on the device that trains, ahead of the training step.

A thread takes drawn batches in order, computes on the device in a stream of its own, and hands what is left to a pool
of threads of the CPU: FFmpeg encodes without Python's lock. Order and number of threads change no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.samples import Finish
from ..data.uint8 import UINT8_MAX, Frames
from .batch import Batch

AHEAD = 2
"""Batches that wait for the training step at most, besides the one that is being computed."""
POLL = 0.1
"""Seconds between two looks at whether the batches are still wanted, while none is taken."""


@dataclass(frozen=True)
class _Started:
    """A batch whose inputs are being encoded."""

    target: Tensor
    inputs: list[Future[tuple[Frames, int]]]
    ready: torch.cuda.Event | None
    """Comes after the targets in the stream that computed them."""

    def result(self) -> Batch:
        frames, failures = zip(*(each.result() for each in self.inputs), strict=True)
        inputs = torch.from_numpy(np.stack(frames)).movedim(-1, 2).contiguous()
        device = self.target.device
        if self.ready:
            stream = torch.cuda.current_stream(device)
            stream.wait_event(self.ready)
            self.target.record_stream(stream)
            inputs = inputs.pin_memory()
        return Batch(inputs.to(device, non_blocking=True).float().div_(UINT8_MAX), self.target, sum(failures))


def finish_ahead(drawn: Iterator[Any], finish: Finish, device: torch.device, threads: int) -> Iterator[Batch]:
    """Yield batches that are finished ahead. No thread is left when the iterator is closed, or at its end.

    Args:
        drawn: drawn batches. Only one thread takes them.
        finish: as of `DrawnSamples.finish_on`.
        threads: threads that encode.

    Raises:
        Exception: whatever drawing or finishing a batch raises, in place of that batch.
    """
    started: Queue[_Started | BaseException | None] = Queue(AHEAD)
    unwanted = Event()

    def put(item: _Started | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                started.put(item, timeout=POLL)
                break

    def run() -> None:
        try:
            stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
            with torch.no_grad(), torch.cuda.stream(stream) if stream else nullcontext():
                for each in drawn:
                    if unwanted.is_set():
                        return
                    target, jobs = finish(each)
                    ready = stream.record_event() if stream else None
                    put(_Started(target, [encoders.submit(job) for job in jobs], ready))
            put(None)
        except BaseException as error:  # the thread that trains raises it
            put(error)

    with ThreadPoolExecutor(threads, "encode") as encoders:
        thread = Thread(target=run, name="degrade")
        thread.start()
        try:
            while (item := started.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item.result()
        finally:
            unwanted.set()
            thread.join()
            encoders.shutdown(cancel_futures=True)

"""Batches that are finished ahead: their order, errors, and that nothing is left at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.core.ahead import AHEAD, finish_ahead
from trainer.core.batch import Batch
from trainer.data.samples import Encode
from trainer.data.uint8 import Frames
from trainer.errors import ClipError, CodecError

CPU = torch.device("cpu")


def numbers(count: int, drawn: list[int] | None = None) -> Iterator[int]:
    for n in range(count):
        if drawn is not None:
            drawn.append(n)
        yield n


def finish(n: int) -> tuple[Tensor, list[Encode]]:
    def encode(clip: int) -> tuple[Frames, int]:
        time.sleep(0.005 * (clip % 2))  # the first of a batch would come last
        return np.full((1, 2, 2, 3), 10 * n + clip, np.uint8), clip

    return torch.full((3, 1, 3, 8, 8), n, dtype=torch.uint8), [partial(encode, clip) for clip in range(3)]


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("degrade", "encode"))]


def first_input(batch: Batch) -> list[int]:
    return [round(float(each)) for each in 255 * batch.input[:, 0, 0, 0, 0]]


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_come_in_order_with_the_inputs_of_their_own(threads: int) -> None:
    found = list(finish_ahead(numbers(6), finish, CPU, threads))

    assert [first_input(batch) for batch in found] == [[10 * n, 10 * n + 1, 10 * n + 2] for n in range(6)]
    assert [{*batch.target.flatten().tolist()} for batch in found] == [{n} for n in range(6)]
    assert (found[0].input.dtype, found[0].input.shape) == (torch.float32, (3, 1, 3, 2, 2))
    assert {batch.failures for batch in found} == {3}
    assert not names()


def test_no_more_batches_are_drawn_than_wait() -> None:
    drawn: list[int] = []
    batches = finish_ahead(numbers(100, drawn), finish, CPU, 2)
    next(batches)
    time.sleep(0.3)

    assert AHEAD < len(drawn) <= AHEAD + 2
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert not names()


def broken(count: int) -> Iterator[int]:
    yield from range(count)
    raise ClipError("a frame cannot be read")


def test_an_error_of_the_loader_comes_after_the_batches_before_it() -> None:
    batches = finish_ahead(broken(2), finish, CPU, 2)

    assert [first_input(next(batches))[0] for _ in range(2)] == [0, 10]
    with pytest.raises(ClipError, match="a frame cannot be read"):
        next(batches)
    assert not names()


def test_an_error_of_the_device_or_of_the_codec_is_raised_where_batches_are_taken() -> None:
    def out_of_memory(n: int) -> tuple[Tensor, list[Encode]]:
        raise torch.OutOfMemoryError("no memory")

    def failing() -> tuple[Frames, int]:
        raise CodecError("no encoding")

    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        next(finish_ahead(numbers(5), out_of_memory, CPU, 1))
    with pytest.raises(CodecError, match="no encoding"):
        next(finish_ahead(numbers(5), lambda n: (finish(n)[0], [failing]), CPU, 1))
    assert not names()

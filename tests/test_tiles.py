"""Tiles: they cover every frame, and give what the whole frame gives as far as they see enough of it."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
from itertools import pairwise
from math import prod
from typing import ClassVar

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.studies.psnr import compute_psnr
from tests.backends.runner import Picture, Size, make_frame, make_setup, read_frame, submit_step
from tests.video import core, get_frames, numbered_clip
from vsanimesr.backends import null
from vsanimesr.backends.base import Availability, Backend, Frame, Planes, Setup, State, Ticket
from vsanimesr.errors import BackendError
from vsanimesr.network.colour import REACH as COLOUR_REACH
from vsanimesr.network.colour import Colour
from vsanimesr.network.graph import padded_size
from vsanimesr.network.shapes import MULTIPLE, Shape
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.options import Options
from vsanimesr.session import Session
from vsanimesr.tiles import TiledBackend, open_tiled
from vsanimesr.tiling import choose_size, split_side
from vsanimesr.weights.load import WeightsFile

MULTIPLES = st.integers(1, 60).map(lambda n: 4 * n)
RADIUS = 4
"""How far the fake looks, in LR pixels. A cell of 4 pixels that it reads may reach as far again."""


# Geometry


@given(side=MULTIPLES, tile=MULTIPLES, overlap=st.integers(0, 59).map(lambda n: 4 * n))
def test_tiles_cover_a_side(side: int, tile: int, overlap: int) -> None:
    overlap = min(overlap, tile - 4)
    spans = split_side(side, tile, overlap)

    assert {span.stop - span.start for span in spans} == {min(tile, side)}
    assert all(span.start % 4 == 0 for span in spans)
    assert (spans[0].start, spans[-1].stop) == (0, side)
    assert [spans[0].first, *(span.last for span in spans)] == [*(span.first for span in spans), side]
    for span, later in pairwise(spans):
        assert span.stop - later.start >= overlap
        assert min(span.stop - span.last, later.first - later.start) >= overlap // 2
    assert all(span.first < span.last for span in spans)
    assert len(spans) == 1 or (len(spans) - 1) * (tile - overlap) + overlap < side


@given(
    width=MULTIPLES, height=MULTIPLES, overlap=st.integers(0, 12).map(lambda n: 4 * n), pixels=st.integers(16, 60000)
)
def test_a_size_is_chosen_that_is_small_enough_and_cheap(width: int, height: int, overlap: int, pixels: int) -> None:
    size = choose_size(width, height, overlap, pixels)
    wide, high = size

    assert (wide % 4, high % 4) == (0, 0)
    assert wide == width or wide > overlap
    assert high == height or high > overlap
    if prod(size) > pixels:  # only if none is small enough
        assert prod(size) == prod(choose_size(width, height, overlap, 0))
    if width * height <= pixels:
        assert size == (width, height)
    smaller = choose_size(width, height, overlap, pixels // 2)
    assert prod(smaller) <= prod(size)


# A backend whose step sees a few pixels around each one: tiles with as much overlap give the same bits


class LocalBackend(Backend):
    """A linear step in whole numbers, with one channel of state. It reads `RADIUS` pixels, and cells of 4x4 pixels.

    As the backends may, it uploads frames of one number once. As they do, it pads frames by repeating the edge.
    """

    depth = 2
    opened: ClassVar[list[Size]] = []
    fail = False

    def __init__(self, setup: Setup) -> None:
        self.opened.append((setup.width, setup.height))
        self._size = (setup.width, setup.height)
        self._uploads: dict[int, Picture] = {}
        self._failure: BackendError | None = None
        self.reset()
        self.state_bytes = self._state.nbytes

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True, "a fake")

    def reset(self) -> None:
        self._failure = None
        self._state = np.zeros((padded_size(self._size[1]), padded_size(self._size[0])), np.float64)

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._failure:
            raise self._failure
        if self.fail:
            self._failure = BackendError("out of luck")
            raise self._failure
        total = sum(weight * self._upload(frame) for weight, frame in ((1, prev), (3, cur), (7, next)))
        seen = np.pad(total + self._state, RADIUS)
        blurred = (
            seen[: -2 * RADIUS, RADIUS:-RADIUS]
            + 3 * seen[2 * RADIUS :, : -2 * RADIUS]
            + seen[RADIUS:-RADIUS, 2 * RADIUS :]
        )
        cells = blurred.reshape(blurred.shape[0] // 4, 4, -1, 4).sum((1, 3))
        self._state = (blurred + np.kron(cells, np.ones((4, 4)))) % 9973
        return _Enlarged(self._state[: self._size[1], : self._size[0]]) if output else None

    def save_state(self) -> State:
        if self._failure:
            raise self._failure
        return (self._state[None].copy(),)

    def load_state(self, state: State) -> None:
        self._failure = None
        self._state = state[0][0].copy()

    def close(self) -> None:
        pass

    def _upload(self, frame: Frame) -> NDArray[np.float64]:
        picture = self._uploads.setdefault(frame.number, np.stack(frame.planes))
        pads = [(0, padded_size(side) - side) for side in self._size[::-1]]
        red, green, blue = np.pad(np.floor(64 * picture.astype(np.float64)), [(0, 0), *pads], "edge")
        planes: NDArray[np.float64] = red + 100 * green + 10000 * blue
        return planes


class _Enlarged(Ticket):
    def __init__(self, picture: NDArray[np.float64]) -> None:
        self._picture = np.kron(picture, np.arange(16).reshape(4, 4) + 1)

    def wait(self, out: Planes) -> None:
        for factor, plane in enumerate(out):
            plane[:] = self._picture + factor


def open_local(size: Size, tile: Size, overlap: int) -> TiledBackend:
    return TiledBackend(make_setup("null", *size), tile, overlap, LocalBackend)


SIZES = st.tuples(st.integers(1, 50), st.integers(1, 50))


@settings(deadline=None, max_examples=60)
@given(
    size=SIZES,
    extra=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    margin=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_tiles_that_see_enough_give_the_bits_of_the_whole_frame(
    size: Size, extra: tuple[int, int], margin: int, seed: int
) -> None:
    """Random steps, resets and snapshots, with the frames of a clip in random order."""
    overlap = 4 * (RADIUS + margin)  # a core ends in its middle, which may be in the middle of a cell
    choose = random.Random(seed)
    tiled = open_local(size, (overlap + 4 * extra[0], overlap + 4 * extra[1]), overlap)
    whole = LocalBackend(make_setup("null", *size))
    states = [(tiled.save_state(), whole.save_state())]
    for _ in range(8):
        if choose.random() < 0.2:
            tiled.reset()
            whole.reset()
        if choose.random() < 0.3:
            states.append((tiled.save_state(), whole.save_state()))
        if choose.random() < 0.3:
            for backend, state in zip((tiled, whole), choose.choice(states), strict=True):
                backend.load_state(state)
        n, output = choose.randrange(5), choose.random() < 0.7
        tickets = [submit_step(backend, n, size=size, output=output) for backend in (tiled, whole)]
        assert [ticket is not None for ticket in tickets] == [output, output]
        if output:
            assert np.array_equal(read_frame(tickets[0], size), read_frame(tickets[1], size))
    for found, expected in zip(tiled.save_state(), whole.save_state(), strict=True):
        assert np.array_equal(found, expected)
    assert tiled.state_bytes == whole.state_bytes


def test_tiles_that_see_too_little_give_something_else() -> None:
    tiled, whole = open_local((60, 60), (20, 20), 4), LocalBackend(make_setup("null", 60, 60))
    tickets = [submit_step(backend, 0, size=(60, 60)) for backend in (tiled, whole)]

    assert not np.array_equal(read_frame(tickets[0], (60, 60)), read_frame(tickets[1], (60, 60)))


def test_after_a_failure_no_step_is_run_until_the_state_is_set() -> None:
    class Failing(LocalBackend):
        def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
            if Failing.steps_left == 0:
                raise error
            Failing.steps_left -= 1
            return super().submit(prev, cur, next, output=output)

        steps_left = -1

    size = (30, 30)
    tiled, whole = (
        TiledBackend(make_setup("null", *size), (20, 20), 12, Failing),
        LocalBackend(make_setup("null", *size)),
    )
    state = tiled.save_state()
    error: BaseException
    for error in (BackendError("out of luck"), KeyboardInterrupt()):
        for overcome in (tiled.reset, lambda: tiled.load_state(state)):
            submit_step(tiled, 3, size=size, output=False)
            Failing.steps_left = 2  # of nine tiles
            with pytest.raises(type(error)):
                submit_step(tiled, 4, size=size)
            Failing.steps_left = -1
            with pytest.raises(BackendError, match=r"out of luck|interrupted"):
                submit_step(tiled, 4, size=size)
            with pytest.raises(BackendError, match=r"out of luck|interrupted"):
                tiled.save_state()
            overcome()
            whole.reset()
            tickets = [submit_step(backend, 0, size=size) for backend in (tiled, whole)]
            assert np.array_equal(read_frame(tickets[0], size), read_frame(tickets[1], size))


# Opening


@pytest.mark.parametrize("tiles", [(), (48, 32), (41, 30), (1000, 1000)])
def test_one_tile_is_the_whole_frame(tiles: tuple[int, ...]) -> None:
    assert isinstance(open_tiled("null", make_setup("null", 41, 30), tiles, 8), null.NullBackend)


@pytest.mark.parametrize(
    ("memory", "count"), [(None, 1), (10**12, 1), (2 * 4096 * 41 * 60, 2), (2 * 4096 * 28 * 36, 4), (1, 117)]
)
def test_auto_takes_tiles_for_the_memory_there_is(
    memory: int | None, count: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(null.NullBackend, "memory", lambda device: memory)
    with caplog.at_level(logging.INFO):
        backend = open_tiled("null", make_setup("null", 41, 60), "auto", 8)

    assert isinstance(backend, TiledBackend) == (count > 1)
    if isinstance(backend, TiledBackend):
        assert len(backend.tiles) == count
        assert f"in {count} tiles of" in caplog.text


def test_the_memory_of_this_machine_is_known() -> None:
    memory = null.NullBackend.memory(0)

    assert memory is not None
    assert 2**28 < memory < 2**50


def test_only_a_tile_is_opened() -> None:
    LocalBackend.opened.clear()
    tiled = open_local((157, 93), (64, 200), 16)

    assert LocalBackend.opened == [(64, 96)]
    assert len(tiled.tiles) == 3


# Through a session and through VapourSynth


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_frames_of_a_session_are_pure(data: st.DataObject) -> None:
    """Jumps to snapshots of a run give the frames of that run. The backend `null` digests every step of every tile."""
    size = (data.draw(st.integers(9, 30)), data.draw(st.integers(9, 30)))

    def open_session() -> Session:
        return Session(Options(backend="null", tiles=(12, 12), overlap=4), width=size[0], height=size[1])

    def run(session: Session, n: int) -> bytes:
        frame = make_frame(n, size)
        ticket = session.step(
            make_frame(max(n - 1, 0), size), frame, make_frame(n + 1, size), reset=n == 0, output=True
        )
        return read_frame(ticket, size).tobytes()

    linear, jumping = open_session(), open_session()
    expected = [run(linear, n) for n in range(6)]
    assert len({*expected}) == 6
    now, states = 0, {}
    for _ in range(10):
        assert run(jumping, now) == expected[now]
        now += 1
        if data.draw(st.booleans()):
            states[now] = jumping.save()
        if now == 6 or data.draw(st.booleans()):
            now = data.draw(st.sampled_from([0, *states]))
            if now:
                jumping.restore(states[now])
            now %= 6


def test_frames_through_vapoursynth_are_pure() -> None:
    clip = numbered_clip(20, 30, 22, {7})
    expected = dict(
        get_frames(core.animesr.Upscale(clip, backend="null", tiles=[16, 12], overlap=8), range(20), at_once=1)
    )
    whole = dict(get_frames(core.animesr.Upscale(clip, backend="null"), range(20), at_once=1))
    order = [*range(20), 3, 19, 0, 8, 8, 12]
    random.Random(0).shuffle(order)
    upscaled = core.animesr.Upscale(clip, backend="null", tiles=[16, 12], overlap=8)

    assert all(planes == expected[n] for n, planes in get_frames(upscaled, order, at_once=8))
    assert expected != whole


@pytest.mark.parametrize(("size", "colour"), [((110, 46), "source"), ((112, 48), "network")])
def test_the_network_in_tiles_gives_the_whole_frame(size: tuple[int, int], colour: Colour) -> None:
    """With the overlap that is the default, but not with much less."""
    setup = make_setup("openvino", *size, precision="fp32", colour=colour)

    def run(overlap: int) -> list[Picture]:
        with open_tiled("openvino", setup, (56 + overlap // 2, 48) if overlap else (), overlap) as backend:
            assert isinstance(backend, TiledBackend) == (overlap > 0)
            return [read_frame(submit_step(backend, n, size=size), size) for n in range(3)]

    expected = run(0)
    assert min(map(compute_psnr, run(Options().overlap), expected)) >= 110
    assert min(map(compute_psnr, run(Options().overlap - 28), expected)) < 90


@given(width=st.integers(Options().overlap + 5, 100), height=st.integers(1, 12), turned=st.booleans())
@example(width=89, height=7, turned=False)
@example(width=78, height=6, turned=True)
@settings(deadline=None, max_examples=6)
def test_colours_of_the_source_are_the_same_in_tiles_at_any_size(width: int, height: int, turned: bool) -> None:
    """Up to rounding, which may depend on the shape, and to the last rows and columns, which the network pads."""
    size = (height, width) if turned else (width, height)
    setup = dataclasses.replace(
        make_setup("openvino", *size, precision="fp32", colour="source"), read_weights=make_small_weights
    )
    tile = Options().overlap + 4

    def run(tiles: tuple[int, ...]) -> list[Picture]:
        with open_tiled("openvino", setup, tiles, Options().overlap) as backend:
            assert isinstance(backend, TiledBackend) == bool(tiles)
            return [read_frame(submit_step(backend, n, size=size), size) for n in range(2)]

    assert min(map(compute_psnr, run((tile, tile)), run(()))) >= 110


def make_small_weights() -> WeightsFile:
    """Return random weights of a network that is quick to run and changes colours much."""
    random = np.random.default_rng(0)
    shapes = Shape(features=4, blocks=(1, 1, 0)).tensors()
    data = safetensors.numpy.save(
        {name: (0.1 * random.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
    )
    return WeightsFile("small.safetensors", hashlib.sha256(data).hexdigest(), data)


def test_a_step_of_the_released_networks_reaches_half_of_the_overlap() -> None:
    """All weights are positive, so that whatever is reached changes. The border is where tiles begin and end."""
    network = AnimeSR(features=2).double().eval()
    border, width = 112, 224
    with torch.inference_mode():
        for parameter in network.parameters():
            parameter.abs_().add_(0.3)
        frame = torch.full((1, 3, 8, width), 0.5, dtype=torch.double)
        state = [array + 1 for array in network.initial_state(frame)]
        _, *before = network(frame, frame, frame, *state)
        changed, *changed_state = (array.clone() for array in (frame, *state))
        for array in (changed, *changed_state):
            array[..., border:] = 0.9
        _, *after = network(changed, changed, changed, *changed_state)
    reached = [(one != other).flatten(0, 2).any(0).nonzero() for one, other in zip(before, after, strict=True)]
    reach = border - min(int(columns.min()) for columns in reached)
    assert reach == 24
    # colour="source" reaches further, outside of the recurrence.
    assert reach + COLOUR_REACH <= Options().overlap // 2 < reach + COLOUR_REACH + MULTIPLE

"""The contract between a session and an engine.

An engine runs one step of the recurrence at a time and keeps the recurrent state to itself. Steps are submitted in
order, by one thread at a time; tickets may be waited for by another thread, while a later step is being submitted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..engine_options import EngineOptions
from ..network import SCALE as SCALE
from ..weights import WeightsFile

type Plane = NDArray[np.float32]
type Planes = tuple[Plane, Plane, Plane]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an engine is opened with."""

    width: int
    height: int
    """Of the LR frames, in pixels."""
    precision: str
    device: int
    """As in `Options`."""
    options: EngineOptions
    """Of the class that `engine_options.CLASSES` has for the engine."""
    read_weights: Callable[[], WeightsFile]
    """Called, once, by an engine that has a network. It may raise WeightsError."""


@dataclass(frozen=True)
class Availability:
    """Whether an engine works on this machine."""

    usable: bool
    what: str
    """The device that it runs on; or why it does not."""
    remedy: str = ""
    """The command or step that would make it usable."""
    gpu: bool = False
    """Whether that device is a GPU."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One LR frame: its number in the clip, and its R, G and B planes.

    The planes are float32, (height, width), contiguous along a row and possibly padded between rows, read-only, and
    valid until `submit` returns. Two frames with the same number hold the same pixels as long as the engine is open,
    so an engine that uploads to a device may do so once per number.
    """

    number: int
    planes: Planes


class Ticket(Protocol):
    """The output of a submitted step."""

    def wait(self, out: Planes) -> None:
        """Wait for the step and write the SR planes, float32 and (4 * height, 4 * width), into `out`.

        Called at most once. Values are as the network gives them, not clamped.

        Raises:
            EngineError: the step failed.
        """


class Engine(ABC):
    """A running engine for frames of one size; a context manager that closes itself.

    stdout is kept clean only while it is opened: a runtime that prints at its first step takes that step then.

    Raises:
        EngineError: the engine does not work here, or not with this precision or device.
        WeightsError: from `setup.read_weights`.
    """

    depth: int = 1
    """How many steps may be unfinished at once: before step i + depth is submitted, step i's ticket, if it has one, has
    been waited for."""

    @abstractmethod
    def __init__(self, setup: Setup) -> None: ...

    @classmethod
    @abstractmethod
    def availability(cls) -> Availability:
        """Whether the engine can be opened here, without opening it; its package is installed."""

    @abstractmethod
    def reset(self) -> None:
        """Set the recurrent state (SR and hidden state) to zero before the next step."""

    @abstractmethod
    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        """Run one step on the window (prev, cur, next) and carry the state on.

        With `output` false only the state is wanted: nothing is returned and nothing has to be waited for.

        Raises:
            EngineError: the step could not be started, or the step before it failed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free everything; tickets not yet waited for are void. Closing twice does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

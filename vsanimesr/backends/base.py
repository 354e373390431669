"""Interface between a session and a backend, and what all backends share: options and errors.

A backend runs one step of the recurrence at a time and keeps the recurrent state. Steps are submitted in order, by one
thread at a time. Another thread may wait for a ticket while a later step is submitted.
"""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError, OptionError, TooLittleMemoryError, suggestion
from ..network.colour import Colour
from ..network.graph import GraphPrecision
from ..network.int8 import Ranges, load_ranges
from ..network.shapes import SCALE as SCALE
from ..pixels import RGBS, Colours, PixelFormat, Target
from ..weights.load import WeightsFile
from ..weights.release import RELEASES

type Planes = tuple[NDArray[Any], ...]
"""R, G and B as float32; or the planes of another format, where a backend takes it."""

type State = tuple[NDArray[Any], ...]
"""The recurrent state in host memory: arrays (channels, height, width) of the padded LR size, with any strides.

Their values mean something to the backend only: 16-bit floats may be there as integers. A backend takes any arrays of
the shapes and types of its own, so parts of several states can be put together.
"""


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """Options of a backend, one field each. A backend without options uses this class itself.

    A field is a `Literal` of texts, or a whole number declared with `whole_number`. `core.animesr.Upscale(clip,
    backend="tensorrt", backend_options=["level=5"])` sets one.
    """

    @classmethod
    def parse(cls, backend: str, texts: Sequence[str]) -> Self:
        """Read options from texts such as `level=5`.

        Args:
            backend: name of the backend, for error messages.

        Raises:
            OptionError: a text is not `name=value`, or an option is unknown, repeated, or has a value that is not
                allowed.
        """
        types = get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise OptionError(f"backend_options has {text!r}; write name=value")
            if name not in fields:
                remedy = _remedy(name, list(fields)) if fields else "it has no options"
                raise OptionError(
                    f"backend_options has {name!r}, which is not an option of backend={backend!r}; {remedy}"
                )
            if name in values:
                raise OptionError(f"backend_options has {name!r} twice; give it once")
            maximum = fields[name].metadata.get("maximum")
            if maximum is None:
                values[name] = _parse_choice(name, value, get_args(types[name]))
            else:
                values[name] = _parse_number(name, value, maximum)
        return cls(**values)


def whole_number(default: int, *, maximum: int) -> int:
    """Declare an option whose values are the whole numbers from 0 to `maximum`."""
    return dataclasses.field(default=default, metadata={"maximum": maximum})


def _parse_number(name: str, value: str, maximum: int) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9 or int(value) > maximum:
        raise OptionError(f"backend_options has {name}={value!r}; use a whole number from 0 to {maximum}")
    return int(value)


def _parse_choice(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise OptionError(f"backend_options has {name}={value!r}; {_remedy(value, choices)}")
    return value


def _remedy(name: str, known: Sequence[str]) -> str:
    hint = suggestion(name, known)
    return f"use {', '.join(known)}{hint and '; '}{hint}"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Arguments for opening a backend."""

    width: int
    height: int
    """Size of the LR frames in pixels."""
    precision: str
    colour: Colour
    device: int
    """As in `Options`."""
    options: BackendOptions
    """Instance of the backend's `options_class`."""
    read_weights: Callable[[], WeightsFile]
    """A backend with a network calls it once. It may raise WeightsError."""
    source: PixelFormat = RGBS
    """Format of the frames that are submitted, if the backend takes it; see `Backend.own_formats`."""
    target: Target | None = None
    """What tickets give, if the backend makes it; by default the SR frame in RGBS."""


@dataclass(frozen=True)
class Availability:
    """Whether a backend works on this machine."""

    usable: bool
    detail: str
    """The device that the backend uses, or the reason why it does not work."""
    remedy: str = ""
    """Command or step that would make it usable."""
    gpu: bool = False
    """Whether the device is a GPU."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One LR frame: its number in the clip, and its R, G and B planes, or those of its own format.

    R, G and B are float32, (height, width). Planes are read-only, and valid until `submit` returns. Pixels of a row are
    contiguous; there may be padding between rows. While a backend is open, two frames with the same number hold the
    same pixels, so a backend may upload each number once.
    """

    number: int
    planes: Planes
    colours: Colours | None = None
    """What the samples mean, if the planes have another format."""


class Ticket(Protocol):
    """Output of a submitted step."""

    def wait(self, out: Planes) -> None:
        """Wait for the step and write the SR planes, float32 and (4 * height, 4 * width), into `out`.

        Called at most once. Values are those of the network, not clamped. In formats of their own, the planes are those
        of the setup's target.

        Raises:
            BackendError: the step failed.
            NotFiniteError: the SR frame holds NaN or infinity, and the planes have another format than RGBS.
        """


class FrameTicket(Ticket):
    """The SR frame of a step that has run.

    Args:
        frame: its three planes, of the size of the SR frame.
    """

    def __init__(self, frame: NDArray[np.float32]) -> None:
        self._frame = frame

    def wait(self, out: Planes) -> None:
        for plane, target in zip(self._frame, out, strict=True):
            target[:] = plane


class Backend(ABC):
    """A backend that is open for frames of one size. As a context manager, it closes itself.

    stdout is redirected only while a backend opens: if a runtime prints during its first step, that step must run then.

    Raises:
        BackendError: the backend does not work here, or not with this precision or device.
        WeightsError: from `setup.read_weights`.
    """

    options_class: ClassVar[type[BackendOptions]] = BackendOptions

    precision: str = "none"
    """What the network is computed in: `fp32`, `bf16`, `fp16`, `int8` or `fp8`."""

    depth: int = 1
    """Number of steps that may be unfinished at once. The caller waits for the ticket of step i, if it has one, before
    it submits step i + depth."""

    own_formats: bool = False
    """Whether frames have the formats of the setup: `source`, with colours, and `target`. Else all are in RGBS."""

    state_bytes: int
    """Bytes of host memory that a snapshot of the state takes."""

    @abstractmethod
    def __init__(self, setup: Setup) -> None: ...

    @classmethod
    @abstractmethod
    def availability(cls) -> Availability:
        """Return whether the backend can be opened here, without opening it. Its package must be installed."""

    @classmethod
    def memory(cls, device: int) -> int | None:
        """Return the bytes of memory of a device, or None if that cannot be told. Here: those of the host.

        Not what is free: a frame must not depend on what else runs.

        Raises:
            BackendError: the device does not exist.
        """
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # Windows, or a system that does not count its pages
            return None

    @abstractmethod
    def reset(self) -> None:
        """Set the recurrent state (SR and hidden state) to zero before the next step."""

    @abstractmethod
    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        """Run one step on the window (prev, cur, next) and update the state.

        If `output` is false, update the state only and return None.

        Raises:
            BackendError: the step cannot be started, or the previous step failed.
        """

    @abstractmethod
    def save_state(self) -> State:
        """Return a snapshot of the state after the last submitted step, or of the zero state after a reset.

        It waits for that step. No later call changes the snapshot, and it may be read-only.

        Raises:
            BackendError: the last step failed, or the state cannot be copied.
        """

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Set the state to a copy of a snapshot before the next step. It overcomes a failed step, as `reset` does.

        The following steps give the same bits as if they had followed the step of the snapshot.

        Raises:
            BackendError: the state cannot be copied.
        """

    @abstractmethod
    def close(self) -> None:
        """Free everything. Tickets that have not been waited for become invalid. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Steps(Protocol):
    """What runs the steps of a `SteppedBackend`. Its methods and attributes are those of `Backend`."""

    depth: int
    own_formats: bool
    state_bytes: int

    def reset(self) -> None: ...

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None: ...

    def save_state(self) -> State: ...

    def load_state(self, state: State) -> None: ...

    def close(self) -> None: ...


class SteppedBackend(Backend):
    """A backend that opens something which runs its steps, such as the pipeline of the GPU backends, and owns it."""

    def __init__(self, setup: Setup) -> None:
        self._steps = steps = self._open(setup)
        self.depth, self.own_formats, self.state_bytes = steps.depth, steps.own_formats, steps.state_bytes

    @abstractmethod
    def _open(self, setup: Setup) -> Steps: ...

    def reset(self) -> None:
        self._steps.reset()

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        return self._steps.submit(prev, cur, next, output=output)

    def save_state(self) -> State:
        return self._steps.save_state()

    def load_state(self, state: State) -> None:
        self._steps.load_state(state)

    def close(self) -> None:
        self._steps.close()


type Errors = tuple[type[Exception], ...]
"""Exception types of a runtime."""


@contextmanager
def wrap_errors(
    backend: str,
    problem: str,
    *,
    failures: Errors = (RuntimeError,),
    out_of_memory: Errors = (MemoryError,),
    line: int = -1,
) -> Iterator[None]:
    """Turn a runtime's exceptions into BackendError.

    Args:
        problem: what went wrong, for the message: `cannot be opened`.
        failures: exceptions of the runtime.
        out_of_memory: exceptions of the runtime when memory runs out.
        line: index of the line to quote from a message of several lines.

    Raises:
        BackendError: one of these exceptions was raised; `TooLittleMemoryError` when memory ran out.
    """
    try:
        yield
    except out_of_memory as error:
        raise TooLittleMemoryError(
            f"backend={backend!r} {problem}: not enough memory; free some, or use a smaller clip"
        ) from error
    except failures as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BackendError(f"backend={backend!r} {problem}: {lines[line]}") from error


def int8_ranges(precision: GraphPrecision, weights: WeightsFile) -> Ranges | None:
    """Return the ranges that the graph needs with int8, and None with every other precision.

    Raises:
        BackendError: there are none for these weights.
    """
    if precision != "int8":
        return None
    ranges = load_ranges(weights.digest)
    if ranges is None:
        known = [repr(name) for name, release in RELEASES.items() if load_ranges(release.sha256)]
        raise BackendError(
            f"precision='int8' needs ranges for these weights, and only those of model={' and '.join(known)} are "
            "included; use 'auto', or measure ranges with `python -m scripts.calibrate`"
        )
    return ranges

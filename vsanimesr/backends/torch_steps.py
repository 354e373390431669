"""Steps with PyTorch, one after the other, and what every step needs: settings, and frames as the network takes them.

On a CPU a step runs inside `submit`. On a GPU there is one stream, on which uploads, steps and downloads follow each
other in order; a ticket waits for its own download. NVIDIA's GPUs run steps in `gpu.torch_program` instead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..errors import BackendError
from ..network.graph import GraphPrecision, padded_size
from ..network.shapes import SCALE
from .base import Frame, Planes, State, Ticket, wrap_errors

type Step = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""`AnimeSR` or `RestoringColours`, compiled or not."""

DTYPES: dict[GraphPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def torch_errors(problem: str) -> AbstractContextManager[None]:
    """Turn PyTorch's exceptions into BackendError."""
    return wrap_errors("torch", problem, out_of_memory=(MemoryError, torch.OutOfMemoryError), line=0)


@contextmanager
def torch_settings() -> Iterator[None]:
    """Record no gradients, select no algorithm by timing, and round no float32 to fewer bits.

    What belongs to the whole process is restored afterwards, because other code in it may use PyTorch too.
    """
    with torch.inference_mode(), _process_settings:
        yield


def prepare(frame: Tensor) -> Tensor:
    """Return a frame, (1, 3, height, width), as the network takes it: clamped, and padded by repeating the edge."""
    height, width = frame.shape[2:]
    pads = (0, padded_size(width) - width, 0, padded_size(height) - height)
    return functional.pad(frame.clamp(0, 1), pads, mode="replicate").contiguous(memory_format=torch.channels_last)


def zero_state(network: Any, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the state before the first step, channels last, for an `AnimeSR` and frames of a width and height."""
    width, height = map(padded_size, size)
    blank = torch.zeros(1, 3, height, width)
    sr, hidden = (state.contiguous(memory_format=torch.channels_last) for state in network.initial_state(blank))
    return sr, hidden


class SerialSteps:
    """Runs the steps of one network. Its methods are those of `Backend`.

    After a step that failed, the state is lost: nothing can be submitted until the reset.

    Args:
        zero: the state before the first step, on the device.
        size: width and height of the frames.
        warm: whether to run a step now, for compilers that work at the first step.

    Raises:
        BackendError: the first step fails.
    """

    depth = 2
    own_formats = False

    def __init__(self, step: Step, zero: tuple[Tensor, Tensor], size: tuple[int, int], *, warm: bool) -> None:
        self._device, self._dtype = zero[0].device, zero[0].dtype
        self._size = size
        self._stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._uploads: dict[int, Tensor] = {}
        self._failure: BackendError | None = None
        self._recurrence = _Recurrence(step, zero)
        self.state_bytes = sum(tensor.nbytes for tensor in zero)
        if warm:
            with self._settings():
                blank = prepare(torch.zeros(1, 3, size[1], size[0], device=self._device))
                self._recurrence.step(blank, blank, blank)
                self._recurrence.reset()

    def reset(self) -> None:
        """Set the state to zero."""
        self._failure = None
        self._recurrence.reset()

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        """Run one step."""
        with self._guard():
            frame = self._recurrence.step(*self._load_window(prev, cur, next))
            width, height = self._size
            return _Download(frame[0, :, : SCALE * height, : SCALE * width]) if output else None

    def save_state(self) -> State:
        """Return a snapshot of the state."""
        with self._guard():
            return tuple(_to_array(tensor) for tensor in self._recurrence.state)

    def load_state(self, state: State) -> None:
        """Set the state to a snapshot."""
        self._failure = None
        with torch_errors("cannot copy its state"), self._settings():
            self._recurrence.state = tuple(self._from_array(array) for array in state)

    def close(self) -> None:
        """Free everything."""
        self._failure = BackendError("backend='torch' is closed; open another")
        self._recurrence = _Recurrence(refuse_step, ())
        self._uploads = {}

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Refuse to work after a failure, and record an error as a failure."""
        if self._failure:
            raise self._failure
        try:
            with torch_errors("failed at a step"), self._settings():
                yield
        except BackendError as error:
            self._failure = error
            raise

    def _load_window(self, *window: Frame) -> list[Tensor]:
        """Return the frames on the device. A frame is uploaded once for all the steps that use it."""
        uploads: dict[int, Tensor] = {}
        for frame in window:
            if frame.number not in uploads:
                known = self._uploads.get(frame.number)
                uploads[frame.number] = self._upload(frame) if known is None else known
        self._uploads = uploads
        return [uploads[frame.number] for frame in window]

    def _upload(self, frame: Frame) -> Tensor:
        width, height = self._size
        # PyTorch does not reuse pinned memory before the copy from it has ended.
        staging = torch.empty(1, 3, height, width, pin_memory=self._stream is not None)
        np.stack(frame.planes, out=staging.numpy()[0])
        return prepare(staging.to(self._device, non_blocking=True))

    def _from_array(self, array: NDArray[Any]) -> Tensor:
        """Return a tensor of the state."""
        copy = torch.from_numpy(array).view(self._dtype)[None].to(self._device, copy=True)
        return copy.contiguous(memory_format=torch.channels_last)

    @contextmanager
    def _settings(self) -> Iterator[None]:
        with torch_settings(), torch.cuda.stream(self._stream) if self._stream else ExitStack():
            yield


class _Recurrence:
    """A step and the state that it updates. No step writes to the tensors of the state before it."""

    def __init__(self, step: Step, zero: tuple[Tensor, ...]) -> None:
        self._step = step
        self._zero = self.state = zero

    def reset(self) -> None:
        self.state = self._zero

    def step(self, prev: Tensor, cur: Tensor, next: Tensor) -> Tensor:
        frame, *state = self._step(prev, cur, next, *self.state)
        self.state = tuple(state)
        return frame


class _Download(Ticket):
    """The SR frame of a step, and its copy to ordinary memory."""

    def __init__(self, frame: Tensor) -> None:
        self._ready: torch.cuda.Event | None = None
        if frame.device.type != "cuda":
            self._frame = frame.cpu()
            return
        self._frame = torch.empty(frame.shape, pin_memory=True).copy_(frame, non_blocking=True)
        self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._ready.record()

    def wait(self, out: Planes) -> None:
        if self._ready is not None:
            with torch_errors("failed at a step"):
                self._ready.synchronize()
        for plane, target in zip(self._frame, out, strict=True):
            torch.from_numpy(target).copy_(plane)


class _ProcessSettings:
    """Context in which settings of the whole process have our values. Any number of threads may be in it at once.

    The first thread keeps what was set before, and the last one restores it. If each did so for itself, one would keep
    the values of another, and restore them for good. PyTorch does not tell whether a precision was set for convolutions
    or for everything; it is restored for convolutions.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._before: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._threads:
                self._before = [(owner, name, _read(owner, name)) for owner, name, _ in _settings()]
                try:
                    _set(_settings())
                except BaseException:
                    _set(self._before)
                    raise
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads -= 1
            if not self._threads:
                _set(self._before)


_process_settings = _ProcessSettings()


def _settings() -> list[tuple[Any, str, Any]]:
    """Return the settings: their owner, name and value, in the order in which they are set.

    TF32 is set in PyTorch's old way and in its new one. With the old one alone a script that has set the new one for
    everything, `torch.backends.fp32_precision`, would keep TF32. With the new one alone, reading the old one fails.
    """
    cudnn, rnn = torch.backends.cudnn, torch.backends.cudnn.rnn
    return [
        (cudnn, "enabled", True),
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
        (cudnn, "allow_tf32", False),
        (cudnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
        (rnn, "fp32_precision", "ieee"),
        (torch.backends.mkldnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
    ]


def _read(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except RuntimeError:  # `allow_tf32` contradicts what a script has set in the new way, and does so again afterwards
        return torch.backends.cudnn.conv.fp32_precision != "tf32"  # type: ignore[attr-defined]


def _set(settings: list[tuple[Any, str, Any]]) -> None:
    for owner, name, value in settings:
        setattr(owner, name, value)


def refuse_step(*_: Tensor) -> Any:
    """Stand in for the step of what has been closed."""
    raise AssertionError("a closed backend runs no steps")


def _to_array(tensor: Tensor) -> NDArray[Any]:
    """Return a copy of a tensor of the state, as integers, because numpy does not have all floats."""
    integer = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
    return tensor[0].view(integer).to("cpu", copy=True).numpy()

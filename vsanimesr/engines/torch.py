"""The network with PyTorch: on an NVIDIA or AMD GPU, an Apple GPU, or a CPU.

On a CPU a step runs within `submit`. On a GPU it is put on a stream, where uploads, steps and downloads of one engine
follow each other in order; a ticket waits for its own download.

The same steps give the same bits: no algorithm is chosen by timing, and cuDNN is asked for deterministic ones. That is
set while a step is being submitted and put back after it, since PyTorch may serve others in the same process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..engine_options import TorchOptions
from ..errors import EngineError, MissingDependencyError
from ..graph import GraphPrecision, padded
from ..network import SCALE
from ..torch_network import AnimeSR, network_of
from .base import Availability, Engine, Frame, Planes, Setup, Ticket
from .failures import told_by
from .torch_graphs import ReplayedRecurrence, Step

DTYPES: dict[GraphPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HAS_BF16 = ("avx512_bf16", "amx_bf16")
"""Features of a CPU with which bfloat16 was measured to be faster than float32, by half."""

type State = tuple[Tensor, Tensor]

_errors = partial(
    told_by, "torch", failures=(RuntimeError,), out_of_memory=(MemoryError, torch.OutOfMemoryError), line=0
)


class TorchEngine(Engine):
    """The network in fp32, bf16 or fp16. A step that fails takes the state with it, until the reset."""

    depth = 2

    def __init__(self, setup: Setup) -> None:
        options = cast(TorchOptions, setup.options)
        self._device = _device(setup.device)
        precision = _resolved(setup.precision, self._device)
        _require_compiler(options, self._device)
        self._size = (setup.width, setup.height)
        self._stream = _stream(self._device)
        self._uploaded: dict[int, Tensor] = {}
        self._failure: EngineError | None = None
        tensors = {key: torch.from_numpy(value) for key, value in setup.read_weights().load().items()}
        with self._running(), _errors(f"cannot be opened for {setup.width}x{setup.height}"):
            network = network_of(tensors)
            network.to(self._device, DTYPES[precision]).to(memory_format=torch.channels_last)
            network.eval().requires_grad_(False)
            blank = self._like_frame(torch.zeros(1, 3, setup.height, setup.width))
            zero = _channels_last(network.initial_state(blank))
            step = _compiled(network, options.compile, (blank, blank, blank, *zero))
            self._recurrence = _recurrence(step, zero, blank, options)
            if options.compile != "no" or self._device.type != "cpu":
                self._recurrence.step(blank, blank, blank)  # what compiles at the first step does so here
            self._recurrence.reset()

    @classmethod
    def availability(cls) -> Availability:
        device = _device(0)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return Availability(True, f"{name} (auto: {_resolved('auto', device)})", gpu=device.type != "cpu")

    def reset(self) -> None:
        self._failure = None
        with self._running():
            self._recurrence.reset()

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._failure:
            raise self._failure
        try:
            with self._running(), _errors("failed at a step"):
                frame = self._recurrence.step(*self._window(prev, cur, next))
                width, height = self._size
                return _Done(frame[0, :, : SCALE * height, : SCALE * width]) if output else None
        except EngineError as error:
            self._failure = error
            raise

    def close(self) -> None:
        self._failure = EngineError("engine='torch' is closed; open another")
        self._recurrence = _Recurrence(_nothing, ())
        self._uploaded = {}

    def _window(self, *window: Frame) -> list[Tensor]:
        """The frames on the device, each uploaded once for all the steps that look at it."""
        uploaded: dict[int, Tensor] = {}
        for frame in window:
            if frame.number not in uploaded:
                known = self._uploaded.get(frame.number)
                uploaded[frame.number] = self._upload(frame) if known is None else known
        self._uploaded = uploaded
        return [uploaded[frame.number] for frame in window]

    def _upload(self, frame: Frame) -> Tensor:
        width, height = self._size
        # Pinned memory is not given out again before the copy from it is done; PyTorch sees to that.
        staged = torch.empty(1, 3, height, width, pin_memory=self._device.type == "cuda")
        np.stack(frame.planes, out=staged.numpy()[0])
        return self._like_frame(staged.to(self._device, non_blocking=True))

    def _like_frame(self, picture: Tensor) -> Tensor:
        """A picture as the network wants it: clamped, and padded by repeating the edge."""
        width, height = self._size
        pads = (0, padded(width) - width, 0, padded(height) - height)
        picture = functional.pad(picture.to(self._device).clamp(0, 1), pads, mode="replicate")
        return picture.contiguous(memory_format=torch.channels_last)

    @contextmanager
    def _running(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self._stream is not None:
                stack.enter_context(torch.cuda.stream(self._stream))
                flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
                stack.enter_context(flags)
            yield


class _Recurrence:
    """A step and the state that goes through it."""

    def __init__(self, step: Step, zero: tuple[Tensor, ...]) -> None:
        self._step = step
        self._zero = self._state = zero

    def reset(self) -> None:
        self._state = self._zero

    def step(self, prev: Tensor, cur: Tensor, next: Tensor) -> Tensor:
        frame, *state = self._step(prev, cur, next, *self._state)
        self._state = tuple(state)
        return frame


class _Done(Ticket):
    """A frame on its way to ordinary memory, or there."""

    def __init__(self, frame: Tensor) -> None:
        self._done: torch.cuda.Event | None = None
        if frame.device.type != "cuda":
            self._frame = frame.cpu()
            return
        self._frame = torch.empty(frame.shape, pin_memory=True).copy_(frame, non_blocking=True)
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._done.record()

    def wait(self, out: Planes) -> None:
        if self._done is not None:
            with _errors("failed at a step"):
                self._done.synchronize()
        for plane, target in zip(self._frame, out, strict=True):
            torch.from_numpy(target).copy_(plane)


def _device(number: int) -> torch.device:
    """The device with a number: of the GPUs, where there are any; else the CPU.

    Raises:
        EngineError: there is none with that number.
    """
    kind, count = "cpu", 1
    if torch.cuda.is_available():  # AMD's too, in PyTorch's builds for ROCm
        kind, count = "cuda", torch.cuda.device_count()
    elif torch.backends.mps.is_available():
        kind = "mps"
    if number >= count:
        numbers = "device=0" if count == 1 else f"a number from 0 to {count - 1}"
        raise EngineError(
            f"device={number} does not exist for engine='torch', which finds {count} ({kind}); use {numbers}"
        )
    return torch.device(kind, number) if kind == "cuda" else torch.device(kind)


def _resolved(precision: str, device: torch.device) -> GraphPrecision:
    """What `auto` comes to, checked."""
    known: tuple[GraphPrecision, ...] = ("fp32",)
    if device.type == "cpu":
        # Older versions of PyTorch do not tell what a CPU has: it computes bfloat16 on any, slowly where it has none.
        features: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if any(features.get(name) for name in HAS_BF16):
            known = ("bf16", "fp32")
    elif device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        known = ("fp16", "fp32")
    else:
        known = ("fp16", "bf16", "fp32")
    if precision == "auto":
        return known[0]
    if precision not in known:
        others = " or ".join(repr(other) for other in (*known, "auto"))
        raise EngineError(
            f"precision={precision!r} is not computed in hardware by the {device.type} of engine='torch'; use {others}"
        )
    return precision


def _stream(device: torch.device) -> torch.cuda.Stream | None:
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _require_compiler(options: TorchOptions, device: torch.device) -> None:
    if options.compile != "tensorrt":
        return
    if find_spec("torch_tensorrt") is None:
        raise MissingDependencyError(
            "engine_options has compile='tensorrt', which needs the package torch_tensorrt; "
            "pip install torch-tensorrt, or use compile=inductor or compile=no"
        )
    if device.type != "cuda":
        raise EngineError(
            f"engine_options has compile='tensorrt', which needs an NVIDIA GPU, and engine='torch' finds "
            f"device={device.type}; use compile=inductor or compile=no"
        )


def _compiled(network: AnimeSR, how: str, inputs: tuple[Tensor, ...]) -> Step:
    if how == "no":
        return network
    with torch.inference_mode(False), torch.no_grad():
        # A copy of its own: what is compiled for one engine is not looked at, nor counted, for another.
        exported = torch.export.export(network, tuple(tensor.clone() for tensor in inputs))
    if how == "inductor":
        return cast(Step, torch.compile(exported.module(), fullgraph=True, dynamic=False))
    import torch_tensorrt

    return cast(
        Step,
        torch_tensorrt.dynamo.compile(
            exported,
            arg_inputs=inputs,
            use_explicit_typing=True,
            disable_tf32=True,
            immutable_weights=True,
            min_block_size=1,
        ),
    )


def _recurrence(step: Step, zero: State, blank: Tensor, options: TorchOptions) -> Any:
    if blank.device.type != "cuda" or options.graphs == "no" or options.compile == "tensorrt":
        return _Recurrence(step, zero)
    return ReplayedRecurrence(step, zero, blank)


def _channels_last(state: State) -> State:
    sr, hidden = (tensor.contiguous(memory_format=torch.channels_last) for tensor in state)
    return sr, hidden


def _nothing(*_: Tensor) -> Any:
    raise AssertionError("a closed engine runs no steps")

"""The network with PyTorch: on an NVIDIA or AMD GPU, an Apple GPU, or a CPU.

On a CPU a step runs inside `submit`. On a GPU, each backend has a stream, on which uploads, steps and downloads follow
each other in order; a ticket waits for its own download.

The same steps give the same bits: no algorithm is selected by timing, and cuDNN is set to deterministic algorithms. The
setting holds while a step is submitted and is then restored, because other code in the process may use PyTorch too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError, MissingDependencyError
from ..network.graph import GraphPrecision, padded_size
from ..network.shapes import SCALE
from .base import Availability, Backend, BackendOptions, Frame, Planes, Setup, State, Ticket, wrap_errors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .torch_graphs import Step

BF16_FEATURES = ("avx512_bf16", "amx_bf16")
"""CPU features with which bfloat16 was measured to be 1.5 times as fast as float32."""


@dataclass(frozen=True, kw_only=True)
class TorchOptions(BackendOptions):
    """Options of `torch`."""

    compile: Literal["no", "inductor", "tensorrt"] = "no"
    """Compiler of the network: none, `torch.compile`, or torch-tensorrt."""

    graphs: Literal["yes", "no"] = "yes"
    """Whether steps are replayed as CUDA graphs, on a GPU that has them."""


class TorchBackend(Backend):
    """The network in fp32, bf16 or fp16.

    After a step that failed, the state is lost: nothing can be submitted until the reset.
    """

    options_class = TorchOptions
    depth = 2

    def __init__(self, setup: Setup) -> None:
        import torch

        from ..network.torch_colour import RestoringColours
        from ..network.torch_network import build_network

        options = cast(TorchOptions, setup.options)
        self._device = _find_device(setup.device)
        precision = self.precision = _resolve_precision(setup.precision, self._device)
        _require_compiler(options, self._device)
        self._dtype = _dtype(precision)
        self._size = (setup.width, setup.height)
        self._stream = _make_stream(self._device)
        self._uploads: dict[int, Tensor] = {}
        self._failure: BackendError | None = None
        tensors = {key: torch.from_numpy(value) for key, value in setup.read_weights().load().items()}
        with _errors(f"cannot be opened for {setup.width}x{setup.height}"), self._torch_settings():
            network = build_network(tensors)
            network.to(self._device, self._dtype).to(memory_format=torch.channels_last)
            network.eval().requires_grad_(False)
            blank = self._prepare(torch.zeros(1, 3, setup.height, setup.width))
            zero = _to_channels_last(network.initial_state(blank))
            self.state_bytes = sum(tensor.nbytes for tensor in zero)
            padded = (padded_size(setup.width), padded_size(setup.height))
            module = network if setup.colour == "network" else RestoringColours(network, padded)
            step = _compile(module, options.compile, (blank, blank, blank, *zero))
            self._recurrence = _make_recurrence(step, zero, blank, options)
            if options.compile != "no" or self._device.type != "cpu":
                self._recurrence.step(blank, blank, blank)  # compilers that work at the first step do so now
            self._recurrence.reset()

    @classmethod
    def availability(cls) -> Availability:
        import torch

        device = _find_device(0)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return Availability(True, f"{name} (auto: {_resolve_precision('auto', device)})", gpu=device.type != "cpu")

    @classmethod
    def memory(cls, device: int) -> int | None:
        import torch

        kind = _find_device(device).type
        if kind == "cuda":
            return int(torch.cuda.get_device_properties(device).total_memory)
        return super().memory(device) if kind == "cpu" else None

    def reset(self) -> None:
        self._failure = None
        with _errors("cannot be reset"), self._torch_settings():
            self._recurrence.reset()

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._failure:
            raise self._failure
        try:
            with _errors("failed at a step"), self._torch_settings():
                frame = self._recurrence.step(*self._load_window(prev, cur, next))
                width, height = self._size
                return _Download(frame[0, :, : SCALE * height, : SCALE * width]) if output else None
        except BackendError as error:
            self._failure = error
            raise

    def save_state(self) -> State:
        if self._failure:
            raise self._failure
        try:
            with _errors("failed at a step"), self._torch_settings():
                return tuple(_to_array(tensor) for tensor in self._recurrence.state)
        except BackendError as error:
            self._failure = error
            raise

    def load_state(self, state: State) -> None:
        self._failure = None
        with _errors("cannot copy its state"), self._torch_settings():
            self._recurrence.load(tuple(self._from_array(array) for array in state))

    def close(self) -> None:
        self._failure = BackendError("backend='torch' is closed; open another")
        self._recurrence = _Recurrence(_refuse_step, ())
        self._uploads = {}

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
        import torch

        width, height = self._size
        # PyTorch does not reuse pinned memory before the copy from it has ended.
        staging = torch.empty(1, 3, height, width, pin_memory=self._device.type == "cuda")
        np.stack(frame.planes, out=staging.numpy()[0])
        return self._prepare(staging.to(self._device, non_blocking=True))

    def _prepare(self, frame: Tensor) -> Tensor:
        """Return a frame as the network takes it: on the device, clamped, and padded by repeating the edge."""
        import torch

        width, height = self._size
        pads = (0, padded_size(width) - width, 0, padded_size(height) - height)
        frame = torch.nn.functional.pad(frame.to(self._device).clamp(0, 1), pads, mode="replicate")
        return frame.contiguous(memory_format=torch.channels_last)

    def _from_array(self, array: NDArray[Any]) -> Tensor:
        """Return a tensor of the state."""
        import torch

        copy = torch.from_numpy(array).view(self._dtype)[None].to(self._device, copy=True)
        return copy.contiguous(memory_format=torch.channels_last)

    @contextmanager
    def _torch_settings(self) -> Iterator[None]:
        """Set PyTorch's stream and cuDNN's algorithms for this backend, and restore them afterwards."""
        import torch

        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self._stream is not None:
                stack.enter_context(torch.cuda.stream(self._stream))
                flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
                stack.enter_context(flags)
            yield


class _Recurrence:
    """A step and the state that it updates."""

    def __init__(self, step: Step, zero: tuple[Tensor, ...]) -> None:
        self._step = step
        self._zero = self.state = zero

    def reset(self) -> None:
        self.state = self._zero

    def load(self, state: tuple[Tensor, ...]) -> None:
        """Set the state. No step writes to these tensors."""
        self.state = state

    def step(self, prev: Tensor, cur: Tensor, next: Tensor) -> Tensor:
        frame, *state = self._step(prev, cur, next, *self.state)
        self.state = tuple(state)
        return frame


class _Download(Ticket):
    """The SR frame of a step, and its copy to ordinary memory."""

    def __init__(self, frame: Tensor) -> None:
        import torch

        self._ready: torch.cuda.Event | None = None
        if frame.device.type != "cuda":
            self._frame = frame.cpu()
            return
        self._frame = torch.empty(frame.shape, pin_memory=True).copy_(frame, non_blocking=True)
        self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._ready.record()

    def wait(self, out: Planes) -> None:
        import torch

        if self._ready is not None:
            with _errors("failed at a step"):
                self._ready.synchronize()
        for plane, target in zip(self._frame, out, strict=True):
            torch.from_numpy(target).copy_(plane)


def _errors(problem: str) -> AbstractContextManager[None]:
    import torch

    return wrap_errors("torch", problem, out_of_memory=(MemoryError, torch.OutOfMemoryError), line=0)


def _find_device(number: int) -> torch.device:
    """Return the GPU with a number, or the CPU if there is no GPU.

    Raises:
        BackendError: no device has this number.
    """
    import torch

    kind, count = "cpu", 1
    if torch.cuda.is_available():  # AMD's GPUs too, in PyTorch's builds for ROCm
        kind, count = "cuda", torch.cuda.device_count()
    elif torch.backends.mps.is_available():
        kind = "mps"
    if number >= count:
        numbers = "device=0" if count == 1 else f"a number from 0 to {count - 1}"
        raise BackendError(
            f"device={number} does not exist for backend='torch', which finds {count} ({kind}); use {numbers}"
        )
    return torch.device(kind, number) if kind == "cuda" else torch.device(kind)


def _resolve_precision(precision: str, device: torch.device) -> GraphPrecision:
    """Replace `auto` by the device's fastest precision, and check any other."""
    import torch

    known: tuple[GraphPrecision, ...] = ("fp32",)
    if device.type == "cpu":
        # Older versions of PyTorch do not list the CPU's features. PyTorch computes bfloat16 on any CPU, but slowly
        # without these features.
        features: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if any(features.get(name) for name in BF16_FEATURES):
            known = ("bf16", "fp32")
    elif device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        known = ("fp16", "fp32")
    else:
        known = ("fp16", "bf16", "fp32")
    if precision == "auto":
        return known[0]
    if precision not in known:
        others = " or ".join(repr(other) for other in (*known, "auto"))
        raise BackendError(
            f"precision={precision!r} is not computed in hardware by the {device.type} of backend='torch'; use {others}"
        )
    return precision


def _dtype(precision: GraphPrecision) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def _make_stream(device: torch.device) -> torch.cuda.Stream | None:
    import torch

    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _require_compiler(options: TorchOptions, device: torch.device) -> None:
    if options.compile != "tensorrt":
        return
    if find_spec("torch_tensorrt") is None:
        raise MissingDependencyError(
            "backend_options has compile='tensorrt', which needs the package torch_tensorrt; "
            "pip install torch-tensorrt, or use compile=inductor or compile=no"
        )
    if device.type != "cuda":
        raise BackendError(
            f"backend_options has compile='tensorrt', which needs an NVIDIA GPU, and backend='torch' finds "
            f"device={device.type}; use compile=inductor or compile=no"
        )


def _compile(module: torch.nn.Module, compiler: str, inputs: tuple[Tensor, ...]) -> Step:
    import torch

    if compiler == "no":
        return module
    with torch.inference_mode(False), torch.no_grad():
        # Each backend exports its own copy, so that code compiled for other backends is neither checked at each call
        # nor counted towards the compiler's limit.
        exported = torch.export.export(module, tuple(tensor.clone() for tensor in inputs))
    if compiler == "inductor":
        return cast("Step", torch.compile(exported.module(), fullgraph=True, dynamic=False))
    import torch_tensorrt

    return cast(
        "Step",
        torch_tensorrt.dynamo.compile(
            exported,
            arg_inputs=inputs,
            use_explicit_typing=True,
            disable_tf32=True,
            immutable_weights=True,
            min_block_size=1,
        ),
    )


def _make_recurrence(step: Step, zero: tuple[Tensor, Tensor], blank: Tensor, options: TorchOptions) -> Any:
    if blank.device.type != "cuda" or options.graphs == "no" or options.compile == "tensorrt":
        return _Recurrence(step, zero)
    from .torch_graphs import GraphRecurrence

    return GraphRecurrence(step, zero, blank)


def _to_array(tensor: Tensor) -> NDArray[Any]:
    """Return a copy of a tensor of the state, as integers, because numpy does not have all floats."""
    import torch

    integer = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
    return tensor[0].view(integer).to("cpu", copy=True).numpy()


def _to_channels_last(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    import torch

    sr, hidden = (tensor.contiguous(memory_format=torch.channels_last) for tensor in state)
    return sr, hidden


def _refuse_step(*_: Tensor) -> Any:
    raise AssertionError("a closed backend runs no steps")

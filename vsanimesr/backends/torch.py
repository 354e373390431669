"""The network with PyTorch: on an NVIDIA or AMD GPU, an Apple GPU, or a CPU.

On an NVIDIA GPU steps run in the pipeline of all GPU backends, see `gpu.torch_program`; elsewhere one after the other,
see `torch_steps`. The same steps give the same bits: no algorithm is selected by timing, and cuDNN is set to
deterministic algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

from ..errors import BackendError, MissingDependencyError
from ..network.graph import GraphPrecision
from .base import Availability, BackendOptions, Setup, SteppedBackend, Steps

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .gpu.pipeline import Pipeline
    from .torch_steps import SerialSteps, Step

BF16_FEATURES = ("avx512_bf16", "amx_bf16")
"""CPU features with which bfloat16 was measured to be 1.5 times as fast as float32."""


@dataclass(frozen=True, kw_only=True)
class TorchOptions(BackendOptions):
    """Options of `torch`."""

    compile: Literal["no", "inductor", "tensorrt"] = "no"
    """Compiler of the network: none, `torch.compile`, or torch-tensorrt."""

    graphs: Literal["yes", "no"] = "yes"
    """Whether steps are replayed as CUDA graphs, on a GPU that has them."""


class TorchBackend(SteppedBackend):
    """The network in fp32, bf16 or fp16."""

    options_class = TorchOptions

    def _open(self, setup: Setup) -> Steps:
        options = cast(TorchOptions, setup.options)
        device = _find_device(setup.device)
        self.precision = precision = _resolve_precision(setup.precision, device)
        _require_compiler(options, device)
        open_steps = _open_pipeline if _has_pipeline(device) else _open_serial
        return open_steps(setup, device, precision)

    @classmethod
    def availability(cls) -> Availability:
        import torch

        device = _find_device(0)
        if _has_pipeline(device):
            _load_cuda()
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return Availability(True, f"{name} (auto: {_resolve_precision('auto', device)})", gpu=device.type != "cpu")

    @classmethod
    def memory(cls, device: int) -> int | None:
        import torch

        kind = _find_device(device).type
        if kind == "cuda":
            return int(torch.cuda.get_device_properties(device).total_memory)
        return super().memory(device) if kind == "cpu" else None


def _open_serial(setup: Setup, device: torch.device, precision: GraphPrecision) -> SerialSteps:
    """Return steps that run one after the other."""
    from .torch_steps import SerialSteps, torch_errors

    options = cast(TorchOptions, setup.options)
    with torch_errors(_opening_problem(setup)):
        step, zero = _build_step(setup, device, precision)
        warm = options.compile != "no" or device.type != "cpu"
        return SerialSteps(step, zero, (setup.width, setup.height), warm=warm)


def _open_pipeline(setup: Setup, device: torch.device, precision: GraphPrecision) -> Pipeline:
    """Return the pipeline of an NVIDIA GPU."""
    import torch

    from .gpu.cuda import OLDEST_CUDA_OF_TORCH, CudaDevice, find_gpu
    from .gpu.opening import open_pipeline
    from .gpu.torch_program import TorchCuda, TorchProgram, release_unused, torch_tensors
    from .torch_steps import torch_errors

    options = cast(TorchOptions, setup.options)
    cudart = _load_cuda()
    gpu = find_gpu(cudart, setup.device, OLDEST_CUDA_OF_TORCH)
    cuda = CudaDevice(setup.device, cudart)
    release_unused()  # what PyTorch holds without using it counts as free

    def open_program() -> tuple[TorchProgram, bool]:
        with torch_errors(_opening_problem(setup)):
            step, (_, hidden) = _build_step(setup, device, precision)
            tensors = torch_tensors(setup.width, setup.height, precision, hidden.shape[1])
            del hidden
            obstacle = "torch-tensorrt queues work on streams of its own" if options.compile == "tensorrt" else ""
            program = TorchProgram(step, tensors, TorchCuda(cuda, device), obstacle=obstacle)
            return program, options.graphs == "yes"

    out_of_memory = (torch.OutOfMemoryError,)
    pipeline, _ = open_pipeline("torch", setup, precision, gpu, cuda, open_program, out_of_memory=out_of_memory)
    return pipeline


def _build_step(setup: Setup, device: torch.device, precision: GraphPrecision) -> tuple[Step, tuple[Tensor, Tensor]]:
    """Return the step on its device, compiled if that was asked for, and the state before the first one."""
    import torch

    from ..network.torch_colour import RestoringColours
    from ..network.torch_network import build_network
    from .torch_steps import DTYPES, prepare, torch_settings, zero_state

    options, size = cast(TorchOptions, setup.options), (setup.width, setup.height)
    weights = {key: torch.from_numpy(value) for key, value in setup.read_weights().load().items()}
    with torch_settings():
        network = build_network(weights)
        network.to(device, DTYPES[precision]).to(memory_format=torch.channels_last)
        network.eval().requires_grad_(False)
        zero = zero_state(network, size)
        blank = prepare(torch.zeros(1, 3, setup.height, setup.width, device=device))
        padded = (blank.shape[3], blank.shape[2])
        module = network if setup.colour == "network" else RestoringColours(network, padded)
        step = _compile(module, options.compile, (blank, blank, blank, *zero))
        if device.type == "cuda":
            # Steps run on another stream than this work. Waiting for the whole device would break a capture elsewhere.
            torch.cuda.current_stream(device).synchronize()
    return step, zero


def _opening_problem(setup: Setup) -> str:
    return f"cannot be opened for {setup.width}x{setup.height}"


def _has_pipeline(device: torch.device) -> bool:
    """Return whether steps run in the pipeline: on NVIDIA's GPUs. AMD's are called `cuda` too."""
    import torch

    return device.type == "cuda" and torch.version.hip is None


def _load_cuda() -> Any:
    """Import the module of the CUDA runtime, which PyTorch installs on Linux only.

    Raises:
        MissingDependencyError: it is not installed, or for an older CUDA than PyTorch.
    """
    import torch

    from .gpu.cuda import load_runtime

    major = int(str(torch.version.cuda).partition(".")[0])
    try:
        return load_runtime(1000 * major)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"backend='torch' needs the package cuda-bindings for CUDA {major} on an NVIDIA GPU; "
            f'pip install "cuda-bindings=={major}.*"'  # a newer one might need a newer driver than PyTorch does
        ) from error


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

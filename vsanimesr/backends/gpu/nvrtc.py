"""CUDA C++ compiled for a GPU by NVRTC, which needs no GPU. What was compiled is kept in the cache of engines."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any

from ... import cache
from ...cache import Key
from ...errors import MissingDependencyError
from .device import DeviceError

OPTIONS = ("--std=c++17",)


def compile_kernels(source: str, capability: tuple[int, int]) -> bytes:
    """Return CUDA C++, compiled for GPUs of a compute capability, for example (8, 9).

    It is taken from the cache, if it was compiled before by the same version of NVRTC.

    Returns:
        A cubin; or PTX, which the driver compiles, if NVRTC is older than the GPU.

    Raises:
        MissingDependencyError: NVRTC is not installed.
        DeviceError: the source cannot be compiled.
    """
    nvrtc = _load()
    options = (f"--gpu-architecture={_choose_target(nvrtc, capability)}", *OPTIONS)
    major, minor = nvrtc.nvrtcVersion()[1:]
    key: Key = {
        "backend": "nvrtc",
        "kind": "kernels",
        "source": hashlib.sha256(source.encode()).hexdigest(),
        "options": list(options),
        "library": f"{major}.{minor}",
    }
    if (kept := cache.read(key)) is not None:
        return bytes(kept)
    image = _compile(nvrtc, source, options)
    cache.keep(key, image)
    return image


def _choose_target(nvrtc: Any, capability: tuple[int, int]) -> str:
    number = 10 * capability[0] + capability[1]
    known = [int(each) for each in _call(nvrtc, None, "nvrtcGetSupportedArchs")]
    if number in known:
        return f"sm_{number}"
    if older := [each for each in known if each < number]:
        return f"compute_{max(older)}"
    raise DeviceError(f"compute capability {number / 10} is too old for the installed NVRTC")


def _compile(nvrtc: Any, source: str, options: tuple[str, ...]) -> bytes:
    program = _call(nvrtc, None, "nvrtcCreateProgram", source.encode(), b"convert.cu", 0, [], [])
    try:
        _call(nvrtc, program, "nvrtcCompileProgram", program, len(options), [option.encode() for option in options])
        kind = "CUBIN" if "=sm_" in options[0] else "PTX"
        image = bytes(_call(nvrtc, program, f"nvrtcGet{kind}Size", program))
        _call(nvrtc, program, f"nvrtcGet{kind}", program, image)
        return image
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _load() -> Any:
    try:
        nvrtc = import_module("cuda.bindings.nvrtc")
        nvrtc.nvrtcVersion()  # loads the library
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f"the conversion of frames on the GPU needs NVRTC ({str(error).strip().partition('\n')[0]}); "
            "pip install nvidia-cuda-nvrtc"
        ) from error
    return nvrtc


def _call(nvrtc: Any, program: Any, function: str, *arguments: Any) -> Any:
    """Call a function of NVRTC and return its value, or None if it has none.

    Raises:
        DeviceError: the function returned an error code.
    """
    error, *values = getattr(nvrtc, function)(*arguments)
    if int(error) == 0:
        return values[0] if values else None
    text = nvrtc.nvrtcGetErrorString(error)[1].decode()
    log = ""
    if program is not None:
        log = " " * nvrtc.nvrtcGetProgramLogSize(program)[1]
        buffer = log.encode()
        nvrtc.nvrtcGetProgramLog(program, buffer)
        log = buffer.rstrip(b"\0 ").decode(errors="replace")
    raise DeviceError(f"{function}: {text}{log and ': '}{log}")

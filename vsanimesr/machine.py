"""Facts about this machine that speed depends on: processor, memory, GPUs, versions."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import packages_distributions, version
from pathlib import Path

from .backends.base import Backend
from .backends.gpu.cuda import (
    OLDEST_CUDA,
    OLDEST_CUDA_OF_TORCH,
    OLDEST_DRIVERS,
    Gpu,
    cuda_version,
    list_gpus,
    load_runtime,
)
from .errors import AnimeSRError

BF16 = ("amx_bf16", "avx512_bf16")
"""Processor flags of bf16 instructions, the fastest first."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the name of the processor, or at least its architecture."""
    found = ""
    if sys.platform == "darwin":
        command = ("sysctl", "-n", "machdep.cpu.brand_string")
        with suppress(OSError):
            found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    elif sys.platform == "win32":
        import winreg

        place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            found = str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    else:
        found = _cpuinfo("model name")
    return found or platform.machine()


def bf16_instructions() -> list[str]:
    """Return the processor's flags of bf16 instructions, the fastest first. Known on Linux only."""
    flags = _cpuinfo("flags").split()
    return [flag for flag in BF16 if flag in flags]


def memory() -> int | None:
    """Return the bytes of memory, or None if the system does not tell."""
    return Backend.memory(0)


def load() -> float | None:
    """Return how many programs computed during the last minute, or None if the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def nvidia_gpus() -> list[Gpu]:
    """Return NVIDIA's GPUs, at least one.

    Raises:
        AnimeSRError: there is none, or it cannot be used.
    """
    return list_gpus(load_runtime(OLDEST_CUDA_OF_TORCH), OLDEST_CUDA_OF_TORCH)


def describe_gpus() -> str:
    """Describe the NVIDIA GPUs and their driver, or why none was found."""
    try:
        found = nvidia_gpus()
    except AnimeSRError as error:
        return f"none of NVIDIA's ({str(error).partition(';')[0]})"
    driver = found[0].driver
    text = f"{', '.join(gpu.description for gpu in found)}; driver for CUDA {cuda_version(driver)}"
    if driver >= OLDEST_CUDA:
        return text
    return f"{text}, which is enough for torch only: TensorRT needs driver {OLDEST_DRIVERS[OLDEST_CUDA]} or newer"


def vapoursynth_version() -> str:
    """Return the version of VapourSynth's core. Its package does not tell: every plugin wheel owns a piece of it."""
    from vapoursynth import core  # not at the top: importing it loads all plugins

    return f"R{core.core_version.release_major}"


def package_version(package: str) -> str | None:
    """Return the version of the distribution that contains a package, or None if there is none."""
    names = _distributions().get(package, [])
    return version(names[0]) if names else None


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()  # reads the metadata of all installed packages


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor in /proc/cpuinfo, or an empty string."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    values = (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == field)
    return next(values, "")

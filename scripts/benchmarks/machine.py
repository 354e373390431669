"""Facts about the machine that runs the benchmark."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

BF16 = ("amx_bf16", "avx512_bf16")
"""Processor flags of bf16 instructions, the fastest first."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the name of the processor."""
    return _cpu("model name") or platform.machine()


def has_amx() -> bool:
    """Return whether the processor has matrix multiplication in bf16."""
    return BF16[0] in _cpu("flags").split()


def has_bf16() -> bool:
    """Return whether the processor computes bf16."""
    return any(flag in _cpu("flags").split() for flag in BF16)


def describe() -> str:
    """Return one line: processor, cores, bf16 instructions, load, and versions of the packages."""
    flags = _cpu("flags").split()
    bf16 = ", ".join(flag for flag in BF16 if flag in flags) or "not in hardware"
    packages = ("VapourSynth", "OpenVINO", "torch", "vapoursynth-animesr")
    versions = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in packages)]
    return f"{processor()}, {cores()} cores, bf16: {bf16}, load {os.getloadavg()[0]:.1f}; {', '.join(versions)}"


def _cpu(field: str) -> str:
    """Return a field of the first processor in /proc/cpuinfo, or an empty string."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    values = (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == field)
    return next(values, "")

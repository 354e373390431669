"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

BF16 = ("amx_bf16", "avx512_bf16")
"""Flags of processors that compute bf16, the fastest first."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_amx() -> bool:
    """Whether the processor multiplies matrices of bf16 as such."""
    return BF16[0] in _cpu("flags").split()


def has_bf16() -> bool:
    """Whether the processor computes bf16."""
    return any(flag in _cpu("flags").split() for flag in BF16)


def line() -> str:
    """Processor, cores, what it has for bf16, how busy it is, and the versions of what is compared."""
    flags = _cpu("flags").split()
    bf16 = ", ".join(flag for flag in BF16 if flag in flags) or "not in hardware"
    name = _cpu("model name") or platform.machine()
    packages = ("VapourSynth", "OpenVINO", "torch", "vapoursynth-animesr")
    versions = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in packages)]
    return f"{name}, {cores()} cores, bf16: {bf16}, load {os.getloadavg()[0]:.1f}; {', '.join(versions)}"


def _cpu(field: str) -> str:
    """A field of the first processor; empty where the system does not tell."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    values = (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == field)
    return next(values, "")

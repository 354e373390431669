"""Facts about the machine that runs the benchmark."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from vsanimesr.machine import BF16, bf16_instructions, cores, processor


def has_amx() -> bool:
    """Return whether the processor has matrix multiplication in bf16."""
    return BF16[0] in bf16_instructions()


def has_bf16() -> bool:
    """Return whether the processor computes bf16."""
    return bool(bf16_instructions())


def describe() -> str:
    """Return one line: processor, cores, bf16 instructions, load, and versions of the packages."""
    bf16 = ", ".join(bf16_instructions()) or "not in hardware"
    packages = ("VapourSynth", "OpenVINO", "torch", "vapoursynth-animesr")
    versions = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in packages)]
    return f"{processor()}, {cores()} cores, bf16: {bf16}, load {os.getloadavg()[0]:.1f}; {', '.join(versions)}"

"""Facts about the machine: cards, drivers, links, processor, packages."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

from scripts.benchmarks.table import format_rows
from vsanimesr.machine import cores, processor

QUERY = {
    "name": "name",
    "driver_version": "driver",
    "memory.total": "memory",
    "power.limit": "power limit",
    "clocks.max.sm": "highest clock",
    "pcie.link.gen.max": "PCIe generation",
    "pcie.link.width.current": "PCIe lanes",
    "temperature.gpu": "temperature",
}
"""Fields of nvidia-smi, and their headings."""
PACKAGES = (
    "vapoursynth-animesr",
    "VapourSynth",
    "torch",
    "cuda-bindings",
    "tensorrt",
    "tensorrt-rtx",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch-tensorrt",
)


def report() -> None:
    """Print the facts."""
    print(f"{processor()}, {cores()} cores; {platform.platform()}; Python {platform.python_version()}\n")
    print(_cards())
    found = [f"{package} {number}" for package in PACKAGES if (number := _version(package))]
    print(f"\n{', '.join(found)}")


def _cards() -> str:
    """Return a table of NVIDIA's cards, or why there is none."""
    if shutil.which("nvidia-smi") is None:
        return "nvidia-smi is not installed, so nothing is known about cards and links."
    command = ("nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode:
        return f"nvidia-smi fails: {result.stdout.strip() or result.stderr.strip()}"
    rows = [[cell.strip() for cell in line.split(",")] for line in result.stdout.strip().splitlines()]
    return format_rows(tuple(QUERY.values()), rows)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

"""Memory of the GPU that a clip takes: an estimate, and what to do where there is too little."""

from __future__ import annotations

import math

from ...network.graph import GraphPrecision
from ...network.shapes import MULTIPLE
from ...pixels import RGBS, PixelFormat, Target
from ..base import Setup
from .cuda import Gpu
from .pipeline import bytes_needed

GB = 1e9
ACTIVATIONS: dict[GraphPrecision, int] = {"fp32": 3750, "bf16": 2000, "fp16": 2000, "int8": 2000, "fp8": 1650}
"""Bytes of intermediate results for each LR pixel, in an engine of TensorRT-RTX for many GPUs. One for one GPU has a
quarter less. Read from plans of the released network (`animesr build --report`)."""
WORKSPACE = 26_000_000
"""Bytes that kernels take besides, whatever the size."""
SMALLEST_TILE = 84
"""Side in LR pixels. It must be larger than the default overlap of 68, or `Options` refuses the tiles."""


def estimate_bytes(
    width: int,
    height: int,
    precision: GraphPrecision,
    source: PixelFormat = RGBS,
    target: Target | None = None,
) -> int:
    """Return about how many bytes TensorRT and the pipeline take for LR frames of a size.

    The exact number is known only when an engine is loaded.

    Args:
        source: as in `Pipeline`, with `target`.
    """
    activations = ACTIVATIONS[precision] * width * height
    return bytes_needed(width, height, precision, source, target) + activations + WORKSPACE


def too_little_memory(gpu: Gpu, free: int, setup: Setup, precision: GraphPrecision) -> str:
    """Return the error for a GPU on which the frames of a setup have just failed to find memory.

    Args:
        free: bytes of its memory that were free before.
    """
    width, height = setup.width, setup.height
    needed = estimate_bytes(width, height, precision, setup.source, setup.target)
    share = (free - WORKSPACE) / (needed - WORKSPACE)
    tile = fitting_tile(width, height, min(max(share, 0), 0.75))  # more was needed than estimated if free is enough
    remedy = f"use tiles={list(tile)} or smaller ones" if tile else "use backend='openvino'"
    return (
        f"device={gpu.number} ({gpu.description}) has too little memory for frames of {width}x{height} in {precision}: "
        f"about {needed / GB:.1f} GB are needed, and {free / GB:.1f} GB are free; {remedy}, or close other programs "
        "that use the GPU"
    )


def fitting_tile(width: int, height: int, share: float) -> tuple[int, int] | None:
    """Return width and height of tiles that have this share of a frame's pixels and its shape, or None if too small."""
    scale = math.sqrt(share)
    sides = (int(width * scale) // MULTIPLE * MULTIPLE, int(height * scale) // MULTIPLE * MULTIPLE)
    return sides if min(sides) >= SMALLEST_TILE else None

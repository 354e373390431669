"""Memory of the GPU that a clip takes: an estimate, and what to do where there is too little."""

from __future__ import annotations

import math

from ...network.graph import GraphPrecision, padded_size
from ...network.shapes import MULTIPLE
from ...pixels import RGBS, PixelFormat, Target
from ...tiling import OVERLAP, choose_size
from ..base import Setup
from .cuda import Gpu
from .pipeline import bytes_needed

GB = 1e9
ACTIVATIONS: dict[GraphPrecision, int] = {"fp32": 3750, "bf16": 2000, "fp16": 2000, "int8": 2000, "fp8": 1650}
"""Bytes of intermediate results for each LR pixel, in an engine of TensorRT-RTX for many GPUs. One for one GPU has up
to a fifth less. Read from plans of the released network (`animesr build --report`). In PyTorch 3752 and 1912 bytes of
tensors exist at once."""
WORKSPACE = 26_000_000
"""Bytes that kernels of TensorRT-RTX take besides, whatever the size. PyTorch's are not known."""


def estimate_bytes(
    width: int,
    height: int,
    precision: GraphPrecision,
    source: PixelFormat = RGBS,
    target: Target | None = None,
) -> int:
    """Return about how many bytes the network and the pipeline take for LR frames of a size.

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
    """Return width and height of tiles that have this share of a frame's pixels at most, or None if there are none."""
    pixels = int(share * width * height)
    least = padded_size(OVERLAP) + MULTIPLE  # or `Options` refuses the tiles
    size = choose_size(padded_size(width), padded_size(height), padded_size(OVERLAP), pixels)
    tile = max(size[0], least), max(size[1], least)
    return tile if math.prod(tile) <= pixels else None

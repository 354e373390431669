"""From a run to a file that `core.animesr.Upscale` takes as `model=`, or that other tools take."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from vsanimesr.files import write_whole
from vsanimesr.graph import build_graph

from . import checkpoints
from .errors import ExportError
from .weights import checkpoint_at

type Which = Literal["average", "raw"]

FORMATS = (".safetensors", ".pth", ".onnx")


def export(source: Path, to: Path, *, which: Which = "average", size: tuple[int, int] | None = None) -> None:
    """Write a run's weights.

    Args:
        source: a run, whose newest checkpoint is taken, or a checkpoint.
        to: a `.safetensors` or `.pth` file (a bare state dict, as the released ones), or an `.onnx` one: one step as a
            graph, fp32.
        which: the moving average, or the weights of the last step.
        size: width and height of the graph's frames; None for any.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ExportError: the format is unknown, the file cannot be written, or there is nothing that runs the network.
    """
    path = checkpoint_at(source)
    state = checkpoints.read(path)
    if not checkpoints.network_settings_of(path, state).multi_scale:
        raise ExportError(f"{path} is a network with multi_scale=false, which only the trainer runs; train one without")
    weights: dict[str, Tensor] = {
        name: tensor.contiguous() for name, tensor in state["network" if which == "raw" else "average"].items()
    }
    match to.suffix:
        case ".safetensors":
            data = save_safetensors(weights)
        case ".pth":
            buffer = io.BytesIO()
            torch.save(weights, buffer)
            data = buffer.getvalue()
        case ".onnx":
            data = build_graph({name: tensor.numpy() for name, tensor in weights.items()}, size).SerializeToString()
        case other:
            raise ExportError(f"--to {to}: {other!r} is not a format; use {', '.join(FORMATS)}, or engine")
    try:
        write_whole(to, data)
    except OSError as error:
        raise ExportError(f"{to} cannot be written ({error.strerror or error}); name another file") from error

"""Exports the weights of a run to a file that `core.animesr.Upscale` takes as `model=`, or that other tools take."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from vsanimesr.files import write_atomic
from vsanimesr.network.graph import build_graph

from ..core import checkpoints
from ..errors import ExportError
from ..origin import METADATA_KEY, ORIGIN_FILE
from .config import NETWORK_CONFIGS

type WeightsKind = Literal["ema", "raw"]

SUFFIXES = (".safetensors", ".pth", ".onnx")


def export(source: Path, to: Path, *, weights: WeightsKind = "ema", size: tuple[int, int] | None = None) -> None:
    """Write the weights of a run.

    Args:
        source: folder of a run, which stands for its best step, as in `read_run`, or a checkpoint.
        to: a `.safetensors` or `.pth` file, which holds a bare state dict, as the released files do; or an `.onnx`
            file, which holds one step as a graph, in fp32. What the weights were trained with is written into its
            metadata, of a `.pth` file into a file beside it.
        weights: the moving average (`ema`), or the weights of the last step (`raw`).
        size: width and height of the graph's frames in pixels; None for any size.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ExportError: the format is unknown, the file cannot be written, or no backend runs this network.
    """
    path, state = checkpoints.read_run(source)
    if not checkpoints.read_config(path, state, *NETWORK_CONFIGS).network.multi_scale:
        raise ExportError(f"{path} is a network with multi_scale=false, which only the trainer runs; train one without")
    tensors: dict[str, Tensor] = {
        name: tensor.contiguous() for name, tensor in state["network" if weights == "raw" else "ema"].items()
    }
    origin = json.dumps(checkpoints.origin_of(path, state, *NETWORK_CONFIGS) | {"weights": weights})
    match to.suffix:
        case ".safetensors":
            data = save_safetensors(tensors, {METADATA_KEY: origin})
        case ".pth":
            buffer = io.BytesIO()
            torch.save(tensors, buffer)
            data = buffer.getvalue()
        case ".onnx":
            graph = build_graph({name: tensor.numpy() for name, tensor in tensors.items()}, size)
            graph.metadata_props.add(key=METADATA_KEY, value=origin)
            data = graph.SerializeToString()
        case suffix:
            raise ExportError(f"--to {to}: {suffix!r} is not a format; use {', '.join(SUFFIXES)}, or engine")
    try:
        beside = to.with_name(f"{to.name}.{ORIGIN_FILE}")
        beside.unlink(missing_ok=True)  # first: it should never be that of another file
        write_atomic(to, data)
        if to.suffix == ".pth":
            write_atomic(beside, origin.encode())
    except OSError as error:
        raise ExportError(f"{to} cannot be written ({error.strerror or error}); name another file") from error

"""`export`: a run's weights as a file to upscale with, or as a TensorRT engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vsanimesr.cli.sizes import size

from ..errors import ExportError
from ..export import export
from ..weights import checkpoint_at

ENGINE = "engine"


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a run's weights as a file to upscale with",
        description="Writes weights that core.animesr.Upscale takes as model=..., an ONNX graph of one step for other "
        "tools, or builds a TensorRT-RTX engine for NVIDIA's GPUs, which Upscale finds by itself.",
    )
    parser.add_argument("run", type=Path, help="a run's folder, or a checkpoint")
    parser.add_argument("--to", required=True, metavar="FILE", help=".safetensors, .pth, .onnx, or the word engine")
    parser.add_argument("--weights", choices=("average", "raw"), default="average", help="default: the moving average")
    parser.add_argument("--size", type=size, metavar="WxH", help="of the frames of a graph or engine; default: any")
    parser.set_defaults(run_command=run)


def run(given: argparse.Namespace) -> None:
    """Write."""
    if given.to != ENGINE:
        export(given.run, Path(given.to), which=given.weights, size=given.size)
        print(f"wrote {given.to}")
        return
    from vsanimesr.cli import main as animesr

    weights = checkpoint_at(given.run).with_suffix(".safetensors")
    export(given.run, weights, which=given.weights)
    sizes = [f"--size={given.size[0]}x{given.size[1]}"] if given.size else []
    if animesr(["build", f"--model={weights}", *sizes]):
        raise ExportError(f"the engine could not be built: see above. The weights are in {weights}")
    print(f'built; use it by core.animesr.Upscale(clip, model="{weights}", engine="tensorrt_rtx")')

"""Export the weights of a run to a file for Upscale, or build a TensorRT engine.

Writes weights for core.animesr.Upscale(model=...), an ONNX graph of one step for other tools, or a TensorRT-RTX engine
for NVIDIA GPUs, which Upscale finds in the cache.

Example:
  python -m trainer export runs/gan --to mine.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanimesr.cli.build import build_engines
from vsanimesr.cli.sizes import parse_size
from vsanimesr.errors import AnimeSRError

from ..core import checkpoints
from ..errors import ExportError
from ..vsr.export import export

ENGINE = "engine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("run", type=Path, help="folder of a run, or a checkpoint")
    parser.add_argument(
        "--to",
        required=True,
        metavar="FILE",
        help="a .safetensors, .pth or .onnx file, or the word engine",
    )
    parser.add_argument(
        "--weights",
        choices=("ema", "raw"),
        default="ema",
        help="the moving average of the weights (ema, default), or the weights of the last step (raw)",
    )
    parser.add_argument(
        "--size", type=parse_size, metavar="WxH", help="LR frame size of the graph or engine (default: any size)"
    )


def run(args: argparse.Namespace) -> int:
    """Export."""
    if args.to != ENGINE:
        export(args.run, Path(args.to), weights=args.weights, size=args.size)
        print(f"wrote {args.to}")
        return 0
    weights = checkpoints.resolve(args.run).with_suffix(".safetensors")
    export(args.run, weights, weights=args.weights)
    try:
        for path in build_engines(str(weights), [args.size] if args.size else []):
            print(path)
    except AnimeSRError as error:
        raise ExportError(f"the engine could not be built: {error}. The weights are in {weights}") from error
    # Upscale looks for an engine of the clip's size, unless told otherwise.
    options = "" if args.size else ', backend_options=["shapes=dynamic"]'
    print(f'built; use it with core.animesr.Upscale(clip, model="{weights}", backend="tensorrt_rtx"{options})')
    return 0

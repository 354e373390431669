"""Clean HQ clips by a network, so that training does not learn their faults.

Real animation is compressed, HQ too. Each frame is upscaled by 4 and scaled down to its own size again, and keeps its
colours. Clips that are clean, such as drawn ones, lose detail: compare them by eye. The same command goes on after a
stop, and cleans clips that are new. Clips that were cleaned otherwise, or that left since, are refused.
The folder is data=... of a training.

Example:
  python -m trainer dataset clean avc -o avc-clean
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanimesr.weights.release import MODEL_NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder of HQ clips")
    parser.add_argument("-o", "--to", type=Path, required=True, metavar="FOLDER", help="folder for cleaned clips")
    parser.add_argument(
        "--model", default="v2", help=f"{', '.join(MODEL_NAMES)}, a run, a checkpoint, or a weights file (default: v2)"
    )
    parser.add_argument(
        "--renew",
        action="store_true",
        help="clean again what was made of other clips or weights, and remove clips that left FOLDER",
    )


def run(args: argparse.Namespace) -> int:
    """Clean, and print the names of the clips."""
    from ..dataset.clean import clean_set

    print(*clean_set(args.folder, args.to, model=args.model, renew=args.renew), sep="\n")
    return 0

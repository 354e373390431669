"""Make a copy of a video that can be learned from: progressive, with square pixels, without loss.

Film is taken out of fields again (inverse telecine), and video that was never film is deinterlaced; frames that are
progressive stay as they are. Pixels become square by scaling the width. What the frames show decides, and otherwise
what the file says. The copy is FFV1 in Matroska, without sound. Needs the extra upscale.

Example:
  python -m trainer prepare old1.vob -o old1-progressive.mkv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanimesr.episode.script import FIELDS

from ..advice.copying import copy_progressive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("video", type=Path, help="a video file")
    parser.add_argument("-o", "--to", type=Path, required=True, metavar="MKV", help="file to write")
    how = parser.add_mutually_exclusive_group()
    for fields in FIELDS:
        how.add_argument(
            f"--{fields}",
            dest="fields",
            action="store_const",
            const=fields,
            help=f"fields, whatever is found: {fields}",
        )


def run(args: argparse.Namespace) -> int:
    """Write the copy."""
    copy_progressive(args.video, args.to, args.fields)
    return 0

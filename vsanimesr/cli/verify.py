"""Check that a result of `animesr upscale` has the frames that were encoded.

OUT is decoded, and compared with the hashes in OUT.animesr.json, a hash for each chunk. Of a job that is not finished,
the finished chunks are checked.

Example:
  animesr verify new.mkv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..episode.verification import verify
from ..progress import Display, count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("output", type=Path, metavar="OUT", help="what `animesr upscale` has written, or writes")


def run(args: argparse.Namespace) -> int:
    """Check a result; 1 if it has other frames."""
    found = verify(args.output, Display())
    for chunk in found.different:
        print(f"{args.output}: frames {chunk.start} to {chunk.end - 1} are not those that were encoded")
    if found.different:
        return 1
    chunks = count(found.chunks, "chunk") + ("" if found.chunks == found.of else f" of {found.of} that are finished")
    print(f"{args.output}: {count(found.frames, 'frame')} in {chunks} are those that were encoded")
    return 0

"""Find where the scenes of a clip start, and write a scene file.

IN is a video file, or a VapourSynth script whose output 0 is read: the clip before Upscale. Scenes start where Upscale
finds them with scene_change="auto". It takes the file as scene_change="FILE".

Example:
  animesr scenes episode.mkv -o scenes.txt
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path

from ..episode.clips import find_scenes, open_clip
from ..errors import OptionError
from ..files import write_atomic
from ..outputs import check_output
from ..progress import show_progress
from ..quiet import stdout_to_stderr
from ..scene_file import SUFFIXES, WRITTEN, write_scenes

NO_RATE = Fraction(24)
"""Frames a second of a clip that does not say."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("input", type=Path, metavar="IN", help="a video file or a .vpy script")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE", help="file to write")
    suffixes = ", ".join(f"{name} for {suffix}" for suffix, name in SUFFIXES.items())
    parser.add_argument("--format", choices=WRITTEN, help=f"default: {suffixes}, else lines (a frame number a line)")


def run(args: argparse.Namespace) -> int:
    """Find the scenes and write the file."""
    output: Path = args.output
    _check_paths(args.input, output)
    place = output.absolute()  # a script may change the current folder
    with stdout_to_stderr():
        clip = open_clip(args.input)
        with show_progress(len(clip)) as advance:
            scenes = find_scenes(clip, str(args.input), advance=advance)
    wanted = args.format or SUFFIXES.get(output.suffix.lower(), WRITTEN[0])
    text = write_scenes(scenes, len(clip), clip.fps or NO_RATE, wanted)
    try:
        write_atomic(place, text.encode())
    except OSError as error:
        raise OptionError(f"-o {output} cannot be written ({error.strerror or error}); use another path") from None
    print(f"{output}: {len(scenes)} scenes in {len(clip)} frames", file=sys.stderr)
    return 0


def _check_paths(source: Path, output: Path) -> None:
    """Check both paths before the work starts."""
    try:
        if not source.is_file():
            raise OptionError(f"{source} is no file; give a video file or a .vpy script")
    except OSError as error:  # in a folder that may not be entered, or a name that is too long
        raise OptionError(f"{error.filename} cannot be used ({error.strerror or error}); use another path") from None
    check_output(output, [source])

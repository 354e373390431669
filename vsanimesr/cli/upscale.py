"""Upscale a whole video file: audio, subtitles, chapters and fonts are copied.

IN is a video file, a folder of them, or a VapourSynth script whose output 0 is encoded. OUT is an .mkv or .mp4 file, or
a folder.

The work is cut into chunks, which are kept in the folder OUT.animesr until OUT is written. If it is stopped, by Ctrl-C
or by a power cut, the same command goes on. `animesr verify OUT` checks a result.

Example:
  animesr upscale episode.mkv -o new.mkv --height 1080
  animesr upscale dvd/ -o new/ --height 1080 --square
  animesr upscale episode.mkv -o try.mkv --preview 30s
"""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..episode.chunks import TARGET
from ..episode.cluster import RESOURCE
from ..episode.encoding import ENCODERS
from ..episode.job import print_script, upscale
from ..episode.request import CONTAINERS, Request
from ..episode.script import FIELDS, upscale_arguments
from ..errors import AnimeSRError, OptionError
from ..files import is_hidden
from ..options import SCENE_CHANGES
from ..progress import Display
from ..quiet import stdout_to_stderr
from ..weights.release import MODEL_NAMES

LABEL = "animesr: "
VIDEO_SUFFIXES = frozenset(
    [".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogm", ".ts", ".vob", ".webm", ".wmv"]
)
"""Files that are taken of a folder."""

HELP = {
    "model": ("NAME", f"{', '.join(MODEL_NAMES)}, or a weights file"),
    "backend": ("NAME", "what runs the network; null: none, to try a command"),
    "precision": ("NAME", "fp32, bf16, fp16, int8, fp8 or auto"),
    "colour": ("NAME", "whose colours the result has: source or network"),
    "device": ("N", "number of the device"),
    "backend_options": ("NAME=VALUE", "an option of the backend; may be repeated"),
    "scene_change": ("HOW", "auto, props, props:NAME, none, frame numbers 0,96,..., or a scene file"),
    "preroll": ("N", "steps before the first frame of a scene"),
    "segment": ("N,N", "length and warm-up of segments"),
    "held": ("HOW", "skip: held frames are not run again, which is faster"),
    "cache": ("MIB", "memory for frames and states"),
    "tiles": ("SIZE", "auto, or width and height of tiles such as 480x270"),
    "overlap": ("N", "pixels by which tiles overlap"),
    "format": ("NAME", "format that is encoded, such as YUV420P10 (default: 10 bits, for x264 8)"),
    "width": ("N", "width of the result"),
    "height": ("N", "height of the result (default: four times that of the source)"),
    "kernel": ("NAME", "kernel that brings the result to this size"),
    "square": ("", "square pixels"),
}
"""Arguments of Upscale: what stands for their value, and what they are."""
WORDS = {"model": MODEL_NAMES, "scene_change": SCENE_CHANGES}
"""Arguments that take the path of a file or one of these words."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("input", type=Path, metavar="IN", help="a video file, a folder, or a .vpy script")
    parser.add_argument("-o", dest="output", type=Path, metavar="OUT", help="an .mkv or .mp4 file, or a folder")
    parser.add_argument("--vpy", action="store_true", help="print the script that does the same, and do nothing else")
    parser.add_argument("--range", metavar="A-B", help="only a part: times (1:00-2:30), or frames (1000-2000)")
    parser.add_argument("--preview", metavar="TIME", help="only so much, such as 30s, from a third of the clip on")
    parser.add_argument(
        "--streams-from", type=Path, metavar="FILE", help="copy audio and the rest of this file (default: IN)"
    )
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever is finished")
    parser.add_argument("--no-estimate", action="store_true", help="begin at once, and do not check the disk")
    parser.add_argument(
        "--chunk", type=_positive, default=TARGET, metavar="N", help=f"frames of a chunk, at most (default: {TARGET})"
    )
    _add_workers(parser)
    _add_fields(parser)
    _add_encoder(parser)
    _add_network(parser)


def run(args: argparse.Namespace) -> int:
    """Upscale a file, or all files of a folder."""
    if args.gpus and args.device:
        raise OptionError(f"--device {args.device}: --gpus says which devices are used; leave one of them out")
    if args.vpy:
        request = _request(args, args.input, args.output or Path("new.mkv"))
        with stdout_to_stderr():
            text = print_script(request)
        _print_script(text)
        return 0
    if args.output is None:
        raise OptionError("-o is missing; write, for example, -o new.mkv")
    with stdout_to_stderr():
        if args.input.is_dir():
            return _run_folder(args)
        output = args.output / f"{args.input.stem}{CONTAINERS[0]}" if args.output.is_dir() else args.output
        upscale(_request(args, args.input, output), Display())
    return 0


def _print_script(text: str) -> None:
    """Print a script so that a file of it can be run. Python reads UTF-8, which a pipe of Windows may not be: there,
    escapes stand for all letters of other languages.
    """
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        text = text.encode("ascii", "backslashreplace").decode()
    print(text, end="")


def _run_folder(args: argparse.Namespace) -> int:
    """Upscale all videos in a folder; one that fails does not stop the others."""
    files = [path for path in args.input.iterdir() if not is_hidden(path)]
    inputs = sorted(path for path in files if path.suffix.lower() in VIDEO_SUFFIXES)
    if not inputs:
        raise OptionError(f"{args.input} holds no video files; give a folder with some, or one file")
    if args.output.suffix.lower() in CONTAINERS or (args.output.exists() and not args.output.is_dir()):
        raise OptionError(f"-o {args.output} is no folder, but {args.input} is one; give a folder for the results")
    if args.streams_from:
        raise OptionError(f"--streams-from {args.streams_from} is one file, but {args.input} is a folder; leave it out")
    outputs: dict[Path, Path] = {}
    for path in inputs:
        output = args.output / f"{path.stem}{CONTAINERS[0]}"
        if output in outputs:
            raise OptionError(f"{outputs[output]} and {path} would both become {output}; rename one of them")
        outputs[output] = path
    try:
        args.output.mkdir(parents=True, exist_ok=True)
        if args.output.samefile(args.input):
            raise OptionError(f"-o {args.output} is the folder of the videos; give another one for the results")
    except OSError as error:
        raise OptionError(f"-o {args.output} cannot be created ({error.strerror or error})") from None
    display, failed = Display(), []
    for number, (output, path) in enumerate(outputs.items(), 1):
        display.say(f"[{number}/{len(inputs)}] {path.name}")
        try:
            upscale(_request(args, path, output), display)
        except AnimeSRError as error:
            display.say(f"{LABEL}{error}")
            failed.append(path)
    if failed:
        display.say(f"{LABEL}{len(failed)} of {len(inputs)} files failed: {', '.join(path.name for path in failed)}")
    return 1 if failed else 0


def _request(args: argparse.Namespace, source: Path, output: Path) -> Request:
    options = dict(args.encoder_option)
    options |= {name: value for name in ("crf", "preset") if (value := getattr(args, name)) is not None}
    return Request(
        input=source,
        output=output,
        arguments=_upscale_arguments(args),
        fields=args.fields,
        encoder=args.encoder,
        encoder_options=options,
        range=args.range,
        preview=args.preview,
        chunk=args.chunk,
        workers=args.workers,
        gpus=args.gpus,
        scheduler=args.scheduler,
        resource=args.resource,
        streams=args.streams_from,
        restart=args.restart,
        estimate=not args.no_estimate,
    )


def _upscale_arguments(args: argparse.Namespace) -> dict[str, Sequence[str]]:
    """Return the arguments of Upscale that were given, as text."""
    given: dict[str, Any] = {name: getattr(args, name) for name in upscale_arguments()}
    arguments: dict[str, Sequence[str]] = {}
    for name, value in given.items():
        if not value:
            continue
        if name == "square":
            arguments[name] = ["1"]
        elif name in {"segment", "tiles"}:
            arguments[name] = value.replace("x", ",").split(",")
        elif name == "scene_change" and all(part.strip().isdecimal() for part in value.split(",")):
            arguments[name] = value.split(",")
        elif name in WORDS and value not in WORDS[name] and Path(value).is_file():
            arguments[name] = [str(Path(value).resolve())]  # a script runs in the folder of its video
        else:
            arguments[name] = value if isinstance(value, list) else [value]
    return arguments


def _add_workers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what makes the chunks (docs/episodes.md)")
    choice = group.add_mutually_exclusive_group()
    choice.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes here (default: 1)")
    choice.add_argument(
        "--gpus", type=_numbers, default=(), metavar="N,N", help="GPUs here, with a process for each, such as 0,1"
    )
    choice.add_argument("--scheduler", metavar="ADDRESS", help="workers of a Dask cluster, such as tcp://host:8786")
    group.add_argument(
        "--resource", default=RESOURCE, metavar="NAME", help="what they must have for a chunk (default: %(default)s)"
    )


def _add_fields(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("interlaced sources (default: what the file says)")
    choice = group.add_mutually_exclusive_group()
    helps = {
        "progressive": "frames are whole, whatever the file says",
        "inverse-telecine": "match fields to film frames; at 30000/1001, drop one frame in five",
        "deinterlace": "make whole frames of fields",
    }
    for name in FIELDS:
        choice.add_argument(f"--{name}", dest="fields", action="store_const", const=name, help=helps[name])


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("encoder")
    group.add_argument("--encoder", choices=list(ENCODERS), default=next(iter(ENCODERS)), help="default: %(default)s")
    group.add_argument("--crf", metavar="N", help="quality; less is better (default: 16, for svt-av1 25)")
    group.add_argument("--preset", metavar="NAME", help="speed (default: slow, for svt-av1 4)")
    group.add_argument(
        "--encoder-option",
        type=_assignment,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another argument, such as x265-params=aq-mode=3; may be repeated",
    )


def _add_network(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network and size (arguments of Upscale, see docs/usage.md)")
    for name, default in upscale_arguments().items():
        metavar, text = HELP[name]
        flag = f"--{name.replace('_', '-')}"
        if name == "square":
            group.add_argument(flag, action="store_true", help=text)
        elif name == "backend_options":
            group.add_argument(flag.removesuffix("s"), dest=name, action="append", metavar=metavar, help=text)
        else:
            group.add_argument(flag, metavar=metavar, help=f"{text} (default: {default})" if default else text)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) < 4 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0,1")
    return tuple(map(int, parts))


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value

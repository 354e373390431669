"""Compare upscales with their source in a page for the browser.

IN is a video file, a VapourSynth script whose output 0 is read, an image, or a folder of images; the source first. The
page is one file that shows the clips at the same place: side by side, under a slider, or in turn, down to the pixel.
Frames are chosen where the clips differ most, from different scenes, or by --frames.

Example:
  animesr compare dvd.vpy new.mkv other.mkv -o report.html
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ..episode.clips import find_scenes, open_clip
from ..errors import OptionError
from ..files import write_atomic
from ..installation import DISTRIBUTION
from ..outputs import check_output
from ..progress import show_progress
from ..quiet import stdout_to_stderr

if TYPE_CHECKING:
    from ..comparison.clips import Clip

COUNT, SAMPLES, MEGABYTES = 6, 48, 40
MAX_VIEWS = 9  # the keys 1 to 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="IN", help="two or more clips, of the same frames")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE", help="page to write")
    parser.add_argument("--reference", type=Path, metavar="HQ", help="what the clips should look like: adds PSNR, SSIM")
    parser.add_argument("--labels", nargs="+", metavar="NAME", help="names of the clips (default: those of the files)")
    parser.add_argument(
        "--frames", type=_parse_frames, metavar="LIST", help="frames to show, such as 10,20,300 (default: chosen)"
    )
    parser.add_argument(
        "--count", type=_parse_count, default=COUNT, metavar="N", help=f"how many frames to choose (default: {COUNT})"
    )
    parser.add_argument(
        "--samples",
        type=_parse_count,
        default=SAMPLES,
        metavar="N",
        help=f"how many frames to choose from, spread over the scenes (default: {SAMPLES}; at least --count)",
    )
    parser.add_argument(
        "--megabytes",
        type=_parse_count,
        default=MEGABYTES,
        metavar="MB",
        help=f"largest size of the page, to which frames are cropped (default: {MEGABYTES})",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    paths = [*args.inputs, *([args.reference] if args.reference else [])]
    _check_paths(paths, args.output)
    labels = _labels(args.inputs, args.labels)
    place = args.output.absolute()  # a script may change the current folder
    with stdout_to_stderr():
        _check_packages(args)
        clips = [_open(path, label) for path, label in zip(args.inputs, labels, strict=True)]
        reference = _open(args.reference, "reference") if args.reference else None
        page = _write_report(args, clips, reference)
    data = page.encode()
    try:
        write_atomic(place, data)
    except OSError as error:
        raise OptionError(f"-o {args.output} cannot be written ({error.strerror or error}); use another path") from None
    print(f"{args.output}: {len(data) / 1e6:.1f} MB; open it in a browser", file=sys.stderr)
    if len(data) > 1e6 * args.megabytes:  # a part of a frame is not made smaller without end
        print(f"more than --megabytes {args.megabytes}: show fewer frames, or allow more", file=sys.stderr)
    return 0


def _write_report(args: argparse.Namespace, clips: Sequence[Clip], reference: Clip | None) -> str:
    # Not at the top: they import VapourSynth.
    from ..comparison.choice import sample_frames
    from ..comparison.clips import check_lengths
    from ..comparison.report import Report, render_page
    from ..comparison.shots import list_views, page_size, take_shot

    every = [*clips, *([reference] if reference else [])]
    views = list_views(clips, reference)
    if len(views) > MAX_VIEWS:
        raise OptionError(f"{len(views)} pictures of each frame are too many for the keys 1 to 9; give fewer clips")
    check_lengths(every, args.frames)
    for clip in every:
        for note in clip.notes:
            print(f"{clip.path} {note}", file=sys.stderr)
    scenes = None
    if args.frames is None:
        scenes = _find_scenes(clips)
        samples = sample_frames(scenes, len(clips[0].frames), max(args.samples, args.count))
        frames = _choose(args.count, samples, clips, reference, scenes)
        chosen_by = (
            f"Frames: {len(frames)} of {len(clips[0].frames)}, from different scenes, where the clips differ most. "
            f"{len(samples)} frames in {len(scenes)} scenes were measured."
        )
    else:
        frames = args.frames
        chosen_by = f"Frames: {len(frames)} of {len(clips[0].frames)}, chosen by hand (--frames)."
    shots = []
    # The page is read as text, in which 4 characters hold 3 bytes of an image: `take_shot` counts these characters.
    budget = int(0.99 * 1e6 * args.megabytes) // len(frames)
    with show_progress(len(frames), "pictures: ") as advance:
        for n in frames:
            shots.append(take_shot(views, page_size(every), n, budget))
            advance(len(shots))
    return render_page(Report(every, views, shots, scenes, chosen_by, version(DISTRIBUTION)))


def _find_scenes(clips: Sequence[Clip]) -> list[int]:
    """Return the scenes of the smallest clip, which is the source, or the cheapest to read."""
    source = min(clips, key=lambda clip: clip.frames.width * clip.frames.height)
    with show_progress(len(source.frames), "scenes: ") as advance:
        return find_scenes(source.rgb, str(source.path), advance=advance)


def _choose(
    count: int, samples: Sequence[int], clips: Sequence[Clip], reference: Clip | None, scenes: Sequence[int]
) -> list[int]:
    """Return the frames to show: at most `count` of `samples`."""
    from ..comparison.choice import choose_frames
    from ..comparison.differences import measure_differences
    from ..comparison.shots import compared_views, list_views, page_size

    size = page_size([*clips, *([reference] if reference else [])])
    compared = [(view.clip.path, view.clip.to_rgb24(size)) for view in compared_views(list_views(clips, reference))]
    with show_progress(len(samples), "differences: ") as advance:
        differences = measure_differences(compared, samples, advance)
    return choose_frames(differences, scenes, count)


def _open(path: Path, label: str) -> Clip:
    from .. import load  # not at the top, see `episode.clips`
    from ..comparison.clips import Clip
    from ..comparison.images import SUFFIXES, open_images

    load()
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return Clip.of(label, path, open_images(path))
    return Clip.of(label, path, open_clip(path))


def _check_paths(inputs: Sequence[Path], output: Path) -> None:
    """Check all paths before the work starts."""
    if len(inputs) < 2:
        raise OptionError(f"{inputs[0]} alone cannot be compared; give two clips or more, or --reference")
    try:
        for path in inputs:
            if not path.exists():
                raise OptionError(f"{path} does not exist; give a video file, a .vpy script, an image or a folder")
    except OSError as error:  # in a folder that may not be entered, or a name that is too long
        raise OptionError(f"{error.filename} cannot be used ({error.strerror or error}); use another path") from None
    check_output(output, inputs)


def _check_packages(args: argparse.Namespace) -> None:
    """Check all packages that are not used before the end of the work."""
    from ..comparison.images import pillow
    from ..comparison.metrics import scikit_image

    pillow()
    if args.reference:
        scikit_image()


def _labels(paths: Sequence[Path], wanted: Sequence[str] | None) -> list[str]:
    """Return the names of the clips: those that are wanted, or those of the files, each once."""
    if wanted is not None:
        if len(wanted) != len(paths):
            raise OptionError(f"--labels has {len(wanted)} names for {len(paths)} clips; give each clip one")
        return list(wanted)
    for names in ([path.stem for path in paths], [path.name for path in paths], [str(path) for path in paths]):
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(paths, 1)]


def _parse_frames(text: str) -> list[int]:
    """Read a list of frame numbers such as `10,20,300`; they are shown in order, each once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of frame numbers; write, for example, 10,20,300")
    return sorted({int(part) for part in parts})


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 99999")
    return int(text)

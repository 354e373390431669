"""Show which backends work on this machine, and how to make the others work.

Example:
  animesr doctor --size 1920x1080
"""

from __future__ import annotations

import argparse
import platform
import shutil
import textwrap
from importlib.metadata import version

from .. import cache, machine
from ..backends import BACKENDS, availability, candidates
from ..backends.base import Availability
from ..backends.gpu.host_time import YUV420P8, YUV420P10, measure_host_time, usual_target
from ..backends.gpu.memory import GB, estimate_bytes
from ..backends.gpu.pipeline import bytes_moved
from ..errors import WeightsError
from ..installation import DISTRIBUTION, REINSTALL
from ..quiet import stdout_to_stderr
from ..weights.release import RELEASES, Release, find_copy
from .sizes import parse_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--size",
        type=parse_size,
        default=(640, 480),
        metavar="WxH",
        help="size of the LR clip (default: 640x480)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    with stdout_to_stderr():
        found = {name: availability(name) for name in BACKENDS}
        auto, *others = candidates("auto", found)
        vapoursynth = machine.vapoursynth_version()
    print(f"AnimeSR {version(DISTRIBUTION)}, VapourSynth {vapoursynth}, Python {platform.python_version()}")
    print(f"{platform.system()} {platform.machine()}; GPU: {machine.describe_gpus()}\n")
    print(_table(found))
    spare = f", and if that cannot be opened, {', then '.join(others)}" if others else ""
    print(f'\nbackend="auto" selects {auto} here{spare}.')
    print(_memory(*args.size))
    print(_transfers(*args.size))
    print(_weights())
    print(_cache())
    return 0


def _table(found: dict[str, Availability]) -> str:
    rows = [("backend", "installed", "works", "device, or reason")]
    for name, state in found.items():
        package = BACKENDS[name].package
        installed = "" if package is None else machine.package_version(package) or "-"
        remedy = f"; {state.remedy}" if state.remedy else ""
        rows.append((name, installed, "yes" if state.usable else "no", f"{state.detail}{remedy}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    indent = sum(widths) + 2 * len(widths)
    last = max(shutil.get_terminal_size((120, 24)).columns - indent, 30)
    lines = []
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        text = textwrap.wrap(row[3], last, break_long_words=False) or [""]
        lines.append(f"{cells}  {text[0]}")
        lines += [" " * indent + line for line in text[1:]]
    return "\n".join(line.rstrip() for line in lines)


def _memory(width: int, height: int) -> str:
    needed = estimate_bytes(width, height, "fp16", YUV420P8, usual_target(width, height)) / GB
    return (
        f"With TensorRT in fp16, {width}x{height} takes about {needed:.1f} GB of GPU memory (computed, not measured)."
    )


def _transfers(width: int, height: int) -> str:
    up, down = (count / 1e6 for count in bytes_moved(width, height, YUV420P8, usual_target(width, height)))
    host = 1000 * measure_host_time(width, height, YUV420P8, YUV420P10)
    return (
        f"Each frame moves {up:.1f} MB to an NVIDIA GPU and {down:.1f} MB back, from YUV420P8 to YUV420P10, and takes\n"
        f"{host:.1f} ms of one core of this machine beside the network (measured without a GPU)."
    )


def _weights() -> str:
    try:
        return f"Weights: {'; '.join(f'{release.model} {_state(release)}' for release in RELEASES.values())}."
    except WeightsError as error:
        return f"Weights cannot be looked for: {error}."


def _state(release: Release) -> str:
    copy = find_copy(release)
    remedy = REINSTALL if release.shipped else "animesr weights fetch"
    if copy is None:
        return f"missing ({remedy})" if release.shipped else f"not fetched yet ({remedy})"
    if copy.fault:
        return f"damaged: {copy.fault} ({remedy})"
    return "shipped" if release.shipped else "here"


def _cache() -> str:
    states = cache.file_states()
    total = sum(state.st_size for state in states.values())
    return f"{cache.folder()} holds {len(states)} files of engines, {total / 1e6:.0f} MB."

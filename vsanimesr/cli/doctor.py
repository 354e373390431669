"""Say which engines work on this machine, and what would make the others work."""

from __future__ import annotations

import argparse
import functools
import platform
import shutil
import textwrap
from collections.abc import Mapping
from importlib.metadata import packages_distributions, version

from .. import __version__, cache
from ..engines import ENGINES, availability, chosen
from ..engines.base import Availability
from ..engines.cuda import gpus, load_runtime
from ..engines.pipeline import bytes_needed
from ..errors import AnimeSRError
from ..network import RELEASED
from ..quiet import stdout_to_stderr
from .sizes import size

GB = 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--size", type=size, default=(640, 480), metavar="WxH", help="of the clip (default: 640x480)")


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    with stdout_to_stderr():
        found = {name: availability(name) for name in ENGINES}
        auto = chosen("auto")
    print(f"AnimeSR {__version__}, VapourSynth {_version('vapoursynth')}, Python {platform.python_version()}")
    print(f"{platform.system()} {platform.machine()}; GPU: {_gpus()}\n")
    print(_table(found))
    print(f'\nengine="auto" comes to {auto} here.')
    print(_memory(*args.size))
    print(_cache())
    return 0


def _table(found: dict[str, Availability]) -> str:
    rows = [("engine", "installed", "works", "on, or why not")]
    for name, state in found.items():
        package = ENGINES[name].package
        installed = "" if package is None else _version(package)
        remedy = f"; {state.remedy}" if state.remedy else ""
        rows.append((name, installed, "yes" if state.usable else "no", f"{state.what}{remedy}"))
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


def _gpus() -> str:
    """The NVIDIA GPUs and what their driver knows, or why there are none to be seen."""
    try:
        found = gpus(load_runtime())
    except AnimeSRError as error:
        return f"none of NVIDIA's ({str(error).partition(';')[0]})"
    driver = found[0].driver
    return f"{', '.join(gpu.described for gpu in found)}; driver for CUDA {driver // 1000}.{driver % 1000 // 10}"


def _memory(width: int, height: int) -> str:
    """What TensorRT will take, as far as that is known before an engine is loaded."""
    widest = 3 * RELEASED.features + 2 * RELEASED.state_channels  # channels into and out of a convolution
    activations = 2 * width * height * widest
    total = bytes_needed(width, height, "fp16") + activations
    needed = f"{total / GB:.1f} GB of GPU memory"
    return f"With TensorRT in fp16, {width}x{height} takes about {needed} (computed, not measured)."


def _cache() -> str:
    files = cache.files()
    total = sum(path.stat().st_size for path in files)
    return f"{cache.folder()} holds {len(files)} built engines, {total / 1e6:.0f} MB."


def _version(package: str) -> str:
    """Of whichever distribution brings the package; a dash where none does."""
    names = _distributions().get(package, [])
    return version(names[0]) if names else "-"


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()  # looks through everything that is installed

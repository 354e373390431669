"""List the settings of a training stage, with their values and what they do.

The commands that train change settings by name=value. A pair of numbers in the settings of the degradation is a range:
values are sampled from it. A pattern selects the settings whose name or text contains it.

Example:
  python -m trainer settings
  python -m trainer settings paper degradation --stage vsr-gan
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby

from vsanimesr.errors import suggestion

from ..core.config import PRESETS, RunConfig, require_preset
from ..errors import SettingError
from ..lbo import config as lbo_config
from ..settings import Description, describe
from ..vsr import config as vsr_config

DISTIL = vsr_config.DistilConfig.stages()
MAX_WIDTH = 120
INDENT = "    "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    stages = (*vsr_config.STAGES, *lbo_config.STAGES, *DISTIL)
    parser.add_argument(
        "preset",
        nargs="?",
        help=f"{', '.join(PRESETS)} (default: paper); of distil: {', '.join(vsr_config.DISTIL_PRESETS)}",
    )
    parser.add_argument("pattern", nargs="?", help="part of a name or text, such as optimiser (default: all settings)")
    parser.add_argument("--stage", choices=stages, default=stages[0], help=f"stage (default: {stages[0]})")


def run(args: argparse.Namespace) -> int:
    """Print the settings."""
    presets, usual = (
        (vsr_config.DISTIL_PRESETS, vsr_config.DISTIL_PRESETS[0]) if args.stage in DISTIL else (PRESETS, "paper")
    )
    preset, pattern = args.preset or usual, args.pattern or ""
    if args.pattern is None and preset not in presets:
        preset, pattern = usual, preset
    require_preset(preset, presets)
    settings = list(describe(_config(args.stage, preset)))
    found = [each for each in settings if _matches(each, pattern)]
    if not found:
        names = {part for each in settings for part in (each.name, *each.name.split("."))}
        hint = suggestion(pattern, [*names, *presets]) or "leave the pattern out to list all settings"
        raise SettingError(f"no setting of {args.stage} contains {pattern!r}; {hint}")
    print(f"Settings of {args.stage}, preset {preset}")
    for line in format_settings(found, min(shutil.get_terminal_size().columns, MAX_WIDTH)):
        print(line)
    return 0


def _config(stage: str, preset: str) -> RunConfig:
    if stage in DISTIL:
        return vsr_config.distil_preset("", preset)
    if stage in vsr_config.STAGES:
        return vsr_config.preset(stage, preset)
    return lbo_config.preset(stage, preset)


def _matches(setting: Description, pattern: str) -> bool:
    """Return whether the name or text of a setting contains a pattern, in upper or lower case."""
    return pattern.casefold() in f"{setting.name} {setting.text}".casefold()


def format_settings(settings: Iterable[Description], width: int) -> Iterator[str]:
    """Yield lines that list settings by group.

    Args:
        width: largest length of a line.
    """
    wrap = partial(textwrap.wrap, width=width, break_on_hyphens=False)
    for (name, text), group in groupby(settings, key=lambda each: (each.name.rpartition(".")[0], each.group)):
        yield ""
        yield from wrap(f"{name}: {text}" if name else text)
        for each in group:
            yield f"{INDENT}{each.name}={each.value}"
            choices = f" One of: {', '.join(each.choices)}." if each.choices else ""
            yield from wrap(each.text + choices, initial_indent=2 * INDENT, subsequent_indent=2 * INDENT)

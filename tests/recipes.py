"""The scripts and commands of docs/recipes.md, and how the tests run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

from scripts.vspipe import SCRIPTS, environment

core = vs.core

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
"""The scripts and commands of the page by the name that follows the language."""

QUICK = {
    "--preset slow": "--preset ultrafast --log-level error",
    " -preset slow": " -preset ultrafast -x265-params log-level=error",
    "--preset 4": "--preset 12",
    "height=1080": "height=160",
    "height=2160": "height=96",
}
"""Changes with which small clips are encoded quickly."""
UNCHANGED: Mapping[str, str] = {}


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where one of these programs or plugins is missing."""
    plugins = {plugin.namespace for plugin in core.plugins()}
    missing = [name for name in names if name not in plugins and shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def edit(text: str, changes: Mapping[str, str]) -> str:
    """Return the text with these changes, each of which must apply."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the recipe"
        text = text.replace(old, new)
    return text


def edit_where_possible(text: str, changes: Mapping[str, str]) -> str:
    """Return the text with those of the changes that apply."""
    return edit(text, {old: new for old, new in changes.items() if old in text})


def script(name: str, changes: Mapping[str, str] = UNCHANGED) -> str:
    """Return a script of the page with these changes, for a small result, and without the network."""
    text = edit_where_possible(edit(BLOCKS[name], changes), QUICK)
    return re.sub(r"(core\.animesr\.Upscale\(\w+)", r'\1, backend="null"', text)


def run(folder: Path, name: str, changes: Mapping[str, str] = UNCHANGED) -> str:
    """Run a command of the page with these changes, in a folder with `episode.mkv`. Return its stdout.

    Scripts that the command names, and that are not there, are written. The start time of the source takes the place of
    the one on the page, as the page asks.
    """
    start = float(probe(folder / "episode.mkv")["streams"][0]["start_time"])
    times = {
        "--sync 0:83": f"--sync 0:{round(1000 * start)}",
        "$0 + 83": f"$0 + {1000 * start}",
        "-itsoffset 0.083": f"-itsoffset {start}",
    }
    command = edit_where_possible(edit(BLOCKS[name], changes), QUICK | times)
    for vpy in set(re.findall(r"\S+\.vpy", command)):
        if not (folder / vpy).exists():
            (folder / vpy).write_text(script(vpy))
    return bash(folder, command)


def bash(folder: Path, command: str, *, succeeds: bool = True) -> str:
    """Run a command in a folder, with the programs of this environment. Return its stdout."""
    variables = {**environment(), "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    shell = ["bash", "-euo", "pipefail", "-c", command]
    result = subprocess.run(shell, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
    assert (result.returncode == 0) == succeeds, result.stdout + result.stderr
    return result.stdout


def probe(file: Path) -> dict[str, Any]:
    """Return what ffprobe says of a file. The video is the first stream."""
    shown = ("-of", "json", "-show_streams", "-show_chapters", "-show_format")
    content: dict[str, Any] = json.loads(subprocess.check_output(["ffprobe", "-v", "error", *shown, file]))
    return content

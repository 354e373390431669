"""The page at the end of a recipe, in one file: scenes of the episodes, patches of the operators, curves."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from vsanimesr.files import write_atomic
from vsanimesr.installation import DISTRIBUTION

from ..core import checkpoints
from ..core.records import METRICS_FILE
from ..core.validation import FLICKER, LPIPS, PSNR
from ..data.clips import Episode
from ..errors import TrainerError
from ..lbo.folder import PATCHES_FILE, WINDOWS_FILE
from ..lbo.pairs import FoundWindows
from ..origin import Origin, digest_files, digest_texts, parse_origin
from .curves import draw_curves, read_curves
from .scenes import MEGABYTES, choose_scenes, render_scenes

_log = logging.getLogger(__name__)

FORMAT = "1"
"""Version of what the page shows. Raise it if that changes."""
SCENES = 12
_ORIGIN = re.compile(r'<script id="origin" type="application/json">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Result:
    """What the page shows."""

    episodes: Sequence[Episode]
    operators: Sequence[Path]
    """Folder of the operator of each episode."""
    runs: Sequence[Path]
    """Folders of the network's stages, in order."""
    models: Mapping[str, str]
    """Weights to compare, by label; the new one last. Files, or names of released weights."""
    weights: str
    """What the weights to compare are, by content."""


def write_report(file: Path, result: Result) -> None:
    """Write the page, unless the one that is there shows the same.

    Raises:
        AnimeSRError: an episode cannot be read or upscaled, or the page cannot be written.
    """
    origin = _describe(result)
    if read_report_origin(file) == origin:
        _log.info("%s is as before", file)
        return
    scenes = max(SCENES, len(result.episodes))
    _log.info("%s: up to %d scenes are upscaled by each model", file, scenes)
    try:
        write_atomic(file, _render(result, origin).encode())
    except OSError as error:
        raise TrainerError(f"{file} cannot be written ({error.strerror or error}); free some space") from error


def read_report_origin(file: Path) -> Origin:
    """Return what a page was made of; nothing if there is none, or it does not say."""
    try:
        found = _ORIGIN.search(file.read_text(encoding="utf-8"))
        return parse_origin(found[1]) if found else {}
    except (OSError, ValueError):
        return {}


def _describe(result: Result) -> Origin:
    origin = {"format": FORMAT, "version": version(DISTRIBUTION)}
    origin |= {"models": ", ".join(result.models), "weights": result.weights}
    for number, (episode, folder) in enumerate(zip(result.episodes, result.operators, strict=True), 1):
        origin[f"episode {number}"] = f"{episode.name}, {len(episode)} frames, {episode.digest()}"
        origin[f"windows {number}"] = json.dumps(_read_windows(folder))
        origin[f"patches {number}"] = digest_files([folder / PATCHES_FILE])
    for run in result.runs:
        origin[f"curves of {run.name}"] = digest_texts([json.dumps(read_curves(run / METRICS_FILE))])
    return origin


def _read_windows(folder: Path) -> list[int]:
    """Return the first frames of the windows that an operator learned from."""
    found = FoundWindows.model_validate_json((folder / WINDOWS_FILE).read_bytes())
    return [window.first for window in found.windows]


def _render(result: Result, origin: Origin) -> str:
    *others, new = result.models
    title = f"{new} beside {' and '.join(['the source', *others])}"
    share = max(1, SCENES // len(result.episodes))
    parts = []
    for episode, folder in zip(result.episodes, result.operators, strict=True):
        firsts = choose_scenes(_read_windows(folder), share)
        compared = render_scenes(episode, firsts, result.models, MEGABYTES / len(result.episodes))
        frame = f'<iframe title="{escape(episode.name)}" srcdoc="{escape(compared)}"></iframe>'
        parts += [f"<h2>{escape(episode.name)}</h2>", frame]
    for run in result.runs:
        parts += [f"<h2>Training: {escape(run.name)}</h2>", *_render_run(run)]
    for episode, folder in zip(result.episodes, result.operators, strict=True):
        image = base64.b64encode((folder / PATCHES_FILE).read_bytes()).decode()
        parts.append(f"<h2>What the operator of {escape(episode.name)} does</h2>")
        parts.append(f'<img alt="patches" src="data:image/png;base64,{image}">')
    texts = {"title": escape(title), "body": "\n".join(parts)}
    texts["origin"] = json.dumps(origin).replace("<", "\\u003c")
    template = files(__package__).joinpath("page", "page.html").read_text(encoding="utf-8")
    # One pass: what is put in is not searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], template)


def _render_run(run: Path) -> list[str]:
    """Return the scores before training and of the best step, and the curves."""
    best = checkpoints.read_newest(run).get(checkpoints.VALIDATION, {}).get("best")
    step = best["step"] if best else None
    scores = {name: dict(points) for name, points in read_curves(run / METRICS_FILE).items()}
    rows = "".join(
        f"<tr><td>{label}</td><td>{scores[name][0]:.4g}</td><td>{scores[name][step]:.4g}</td></tr>"
        for name, label in ((PSNR, "PSNR-Y, dB"), (LPIPS, "LPIPS"), (FLICKER, "flicker, grey levels"))
        if step is not None and {0, step} <= scores.get(name, {}).keys()
    )
    head = f"<tr><th>held-out clips</th><th>before</th><th>step {step}, the best</th></tr>"
    table = [f"<table>{head}{rows}</table>"] if rows else []
    if step == 0:
        table.append("<p>No step was better than the start: the model is what the training started from.</p>")
    return [*table, f'<div class="curves">{draw_curves(run / METRICS_FILE, step)}</div>']

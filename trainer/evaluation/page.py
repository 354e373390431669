"""The page of an evaluation: the tables, and a slider over what each model makes of each clip. One file.

It is the page of `animesr compare`, with clips where that has frames.
"""

from __future__ import annotations

import base64
import io
from importlib.metadata import version
from typing import Any

from PIL import Image

from vsanimesr.comparison.template import fill_page
from vsanimesr.installation import DISTRIBUTION

from .measures import MEASURES
from .models import HQ, LR
from .tables import Evaluation, Table, list_tables

FIGURES = 4
"""Measures beside the name of a picture."""
SHOWN = "Pictures: of each clip the part with the most detail, lossless; LR with each pixel enlarged to a square."


def render(evaluation: Evaluation) -> str:
    """Return the page as HTML. All models must have a picture of each clip."""
    models = [LR, *evaluation.models]
    shots = [_shot(evaluation, clip) for clip in evaluation.clips]
    content = {
        "size": [max(shot["crop"][side] for shot in shots) for side in (2, 3)],
        "window": [min(shot["crop"][side] for shot in shots) for side in (2, 3)],
        "version": version(DISTRIBUTION),
        "mode": "slider",
        "clips": [],
        "views": [{"label": model, "clip": 0, "reference": model == HQ} for model in models],
        "compared": sorted(models.index(model) for model in evaluation.compared),
        "facts": [SHOWN, *evaluation.notes],
        "tables": [_table(table) for table in list_tables(evaluation)],
        "shots": shots,
    }
    return fill_page("Evaluation of " + ", ".join(evaluation.compared), content)


def _shot(evaluation: Evaluation, clip: str) -> dict[str, Any]:
    pictures = [evaluation.records[clip, model].picture for model in (LR, *evaluation.models)]
    with Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2]))) as image:
        width, height = image.size
    return {
        "name": clip,
        "crop": [0, 0, width, height],
        "places": [[width / 2, height / 2]],
        "pictures": [{"image": picture, "box": [0, 0, width, height]} for picture in pictures],
        "figures": [_figures(evaluation, clip, model) for model in (LR, *evaluation.models)],
        "props": [],
    }


def _figures(evaluation: Evaluation, clip: str, model: str) -> str:
    """Return the measures that the name of a picture is followed by."""
    values = evaluation.records[clip, model].values
    shown = [(MEASURES[name], values[name]) for name in evaluation.measures if name in values][:FIGURES]
    return ", ".join(f"{measure.title} {value:.{measure.digits}f}" for measure, value in shown)


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": table.columns,
        "rows": table.rows,
        "marked": sorted(table.marked),
        "note": table.note,
    }

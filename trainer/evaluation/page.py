"""The page of an evaluation: the tables, and a slider over what each model makes of each clip. One file.

It is the page of `animesr compare`, with clips where that has frames.
"""

from __future__ import annotations

import base64
import io
from importlib.metadata import version
from math import sqrt
from typing import Any

from PIL import Image

from vsanimesr.comparison.template import fill_page
from vsanimesr.installation import DISTRIBUTION
from vsanimesr.network.shapes import SCALE

from .measures import MEASURES
from .models import HQ, LR
from .run import encode
from .tables import Evaluation, Table, list_tables

FIGURES = 2
"""Measures beside the name of a picture."""
LARGEST = 60_000_000
"""Characters that all pictures may take. With more clips and models, smaller parts are shown."""
SHOWN = "Pictures: of each clip the part with the most detail, lossless; LR with each pixel enlarged to a square."


def render(evaluation: Evaluation) -> str:
    """Return the page as HTML. All models must have a picture of each clip."""
    models = [LR, *evaluation.models]
    total = sum(len(evaluation.records[clip, model].picture) for clip in evaluation.clips for model in models)
    share = min(1.0, LARGEST / total)
    shots = [_shot(evaluation, clip, share) for clip in evaluation.clips]
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


def _shot(evaluation: Evaluation, clip: str, share: float) -> dict[str, Any]:
    pictures = [evaluation.records[clip, model].picture for model in (LR, *evaluation.models)]
    if share < 1:
        pictures = [_crop(picture, share) for picture in pictures]
    width, height = _decode(pictures[0]).size
    return {
        "name": clip,
        "crop": [0, 0, width, height],
        "places": [[width / 2, height / 2]],
        "pictures": [{"image": picture, "box": [0, 0, width, height]} for picture in pictures],
        "figures": [_figures(evaluation, clip, model) for model in (LR, *evaluation.models)],
        "props": [],
    }


def _decode(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))


def _crop(picture: str, share: float) -> str:
    """Return the middle of a picture, with this share of its area, or a little less. Pixels of LR stay whole."""
    with _decode(picture) as image:
        kept = [max(SCALE, int(side * sqrt(share)) // (2 * SCALE) * 2 * SCALE) for side in image.size]
        left, top = ((side - keep) // 2 // SCALE * SCALE for side, keep in zip(image.size, kept, strict=True))
        return encode(image.convert("RGB").crop((left, top, left + kept[0], top + kept[1])))


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

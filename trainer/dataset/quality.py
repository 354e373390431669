"""How good a frame looks, from 0 to 100, without a reference.

The paper takes hyperIQA. Its network is that of the package pyiqa, and its weights are a file that the user names.
Without them a stand-in takes its place, and every output says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vsanimesr.identity import file_digest

from ..advice.softness import edge_width
from ..data.clips import Frame
from ..data.uint8 import UINT8_MAX
from ..losses.pyiqa_network import load_pyiqa_network

type ScorerName = Literal["hyperiqa", "edges"]
NOTES: dict[ScorerName, str] = {
    "hyperiqa": "Quality is hyperIQA, as in the paper, by pyiqa: 0 to 100.",
    "edges": (
        "Quality is a stand-in for the paper's hyperIQA: 100 over the width of the sharper edges in pixels, less where "
        "a grid of 8 pixels shows. It tells soft and blocky frames from crisp ones, and knows nothing of beauty. Its "
        "figures cannot be compared with those of hyperIQA. For the paper's: --hyperiqa FILE."
    ),
}
LEAST: dict[ScorerName, float] = {"hyperiqa": 30, "edges": 20}
"""Frames of less quality are left out. The paper does not name its limit. Of the stand-in, 20 is edges of 5 pixels."""
BLOCK = 8
"""Side of the blocks of most codecs, in pixels."""
MOST_STEP, LEAST_STEP = 8.0, 0.25
"""Grey levels: steps at blocks are smaller than the first, and below the second nothing is seen."""


class Scorer(Protocol):
    """Measures quality."""

    name: ScorerName
    key: str
    """Tells its figures from those of others, also from those of other weights."""

    def score(self, frame: Frame) -> float | None:
        """Return the quality of a frame, or None if too little is to be seen on it."""
        ...


def open_scorer(weights: Path | None) -> Scorer:
    """Return hyperIQA with these weights, or the stand-in without any."""
    return EdgeScorer() if weights is None else HyperIQA(weights)


class HyperIQA:
    """hyperIQA of pyiqa (Su et al. 2020): the mean of 25 crops, on a GPU if there is one.

    Args:
        weights: a file as for `load_pyiqa_network`.

    Raises:
        LossError, MissingDependencyError: as `load_pyiqa_network`.
    """

    name: ScorerName = "hyperiqa"

    def __init__(self, weights: Path) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_pyiqa_network("hyperiqa", weights, "--hyperiqa").to(self._device)
        self.key = f"{self.name} {file_digest(weights)[:16]}"

    def score(self, frame: Frame) -> float:
        """Return the quality. pyiqa's values are from 0 to 1."""
        picture = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float().to(self._device) / UINT8_MAX
        with torch.inference_mode():
            return 100 * float(self._network(picture))


class EdgeScorer:
    """The stand-in: how narrow edges are, and whether a grid of blocks shows."""

    name: ScorerName = "edges"
    key = "edges"

    def score(self, frame: Frame) -> float | None:
        luma = (frame @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)
        width = edge_width([luma])
        if width is None:
            return None
        return 100 / max(width, 1.0) / max(_blockiness(luma), 1.0)


def _blockiness(luma: NDArray[np.float32]) -> float:
    """Return how large the small steps at edges of blocks are, relative to those elsewhere.

    Medians over rows and columns: things that are drawn stand at some of them only, and a grid at all.
    """
    ratios = [1.0]
    for steps in (np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma.T, axis=1))):
        means = np.minimum(steps, MOST_STEP).mean(0)
        at_edges = np.arange(1, len(means) + 1) % BLOCK == 0
        if at_edges.any():
            ratios.append(float(np.median(means[at_edges]) / max(float(np.median(means[~at_edges])), LEAST_STEP)))
    return max(ratios)

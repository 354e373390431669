"""The scores of a network on the set, by the measures of `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsanimesr.files import write_atomic
from vsanimesr.network.shapes import SCALE

from ..errors import SettingError
from ..evaluation.device import choose_device
from ..evaluation.measures import LPIPS_ALEX, MANIQA, NIQE, PSNR, FrameMeasures, choose_measures
from ..evaluation.models import Running
from ..evaluation.run import FORMAT, Work, evaluate
from ..evaluation.sets import SetClip, open_set
from ..evaluation.upscaler import Bicubic, NetworkUpscaler
from ..vsr.evaluation import BICUBIC
from ..vsr.weights import load_network

MEASURED = (MANIQA, NIQE, PSNR, LPIPS_ALEX)
"""That of the paper's table first."""
SECONDS = 3.0
"""For a megapixel of SR, network and measures: a first guess."""

type Scores = Mapping[str, Mapping[str, float]]
"""By measure and clip."""


@dataclass(frozen=True)
class Scoring:
    """The clips of the set, and what is measured of them."""

    clips: Sequence[SetClip]
    work: Work
    made_of: tuple[str, ...]
    """Texts that tell it from others."""

    @classmethod
    def open(cls, folder: Path, *, frames: int, every: int, maniqa: Path | None) -> Scoring:
        """Open a set: a folder of LQ clips, or of the folders lq and hq. Weights are loaded at once.

        Args:
            frames: largest number of frames of a clip.
            every: interval between frames of the slow measures.
            maniqa: file of MANIQA's weights, without which it is not measured.

        Raises:
            TrainerError: clips or weights cannot be used.
        """
        if frames < 1 or every < 1:
            raise SettingError(f"--frames {frames} and --every {every} have to be 1 or more")
        device = choose_device()
        clips = open_set(folder, frames, None)
        wanted = [name for name in MEASURED if maniqa or name != MANIQA]
        measures = choose_measures(wanted, with_hq=clips[0].has_hq)
        work = Work(measures, FrameMeasures(measures, device, maniqa), device, every)
        origins = [str(sorted(clip.origin().items())) for clip in clips]
        texts = (FORMAT, str(every), *measures, str(dict(work.frame_measures.origin)), *origins)
        return cls(clips, work, texts)

    @property
    def seconds(self) -> float:
        """A first guess of the time for a network."""
        pixels = sum(len(clip) * clip.size[0] * clip.size[1] * SCALE**2 for clip in self.clips)
        return SECONDS * pixels / 1e6

    def score(self, network: str, file: Path) -> None:
        """Write the scores of a network, or of bicubic.

        Args:
            network: as for `load_network`, or the name of bicubic.
        """
        upscaler = Bicubic() if network == BICUBIC else NetworkUpscaler(file.stem, load_network(network))
        model = Running(upscaler)
        records = evaluate([model], self.clips, self.work)
        found = {
            measure: {clip: record.values[measure] for (clip, _), record in records.items() if measure in record.values}
            for measure in self.work.measures
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(found, indent=1).encode())


def read_scores(file: Path) -> Scores:
    """Read what `Scoring.score` wrote."""
    scores: Scores = json.loads(file.read_text(encoding="utf-8"))
    return scores

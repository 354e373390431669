"""Train a small network with each switch from research since the paper, on and off, and measure all.

    python -m scripts.studies.drawing            # draws train and held-out clips; needs the extras learn and dataset
    python -m scripts.studies.switches .data/drawn

Each run goes on from v2-fast, by L1, with three seeds. The pairs: lines (sampling.sharpen_lines) and intra
(degradation.codec.intra.probability=0.5) against plain, on drawn clips; cleaned against compressed, on parts of the
same clips that were compressed as HQ from the web is, and cleaned by `dataset clean`.

All are scored on held-out clips, degraded as in the paper with its codec, and with frames that are coded alone: to HQ,
to HQ with sharpened lines, and without reference. A network that learned sharpened lines is farther from HQ by
construction. Runs resume, and finished ones are kept; with --budget none is begun that would take longer. Writes
results.md and clips.jpg into the folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.table import Table
from trainer.core.checkpoints import has_ended
from trainer.data.clips import find_clips
from trainer.dataset.clips import encode_png
from trainer.degradation.codec import h264_options, transcode
from trainer.errors import TrainerError
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from trainer.table2.ledger import Job, Ledger, digest_code, work_off
from trainer.table2.orders import estimate
from trainer.vsr.weights import load_network
from vsanimesr.files import write_atomic

from .. import commands
from . import scores, variants
from .pictures import draw_clips
from .scores import DEGRADATIONS, MEASURES, Limits, Scores, read_hq, score
from .variants import CLEANED, COMMON, COMPRESSED, CRF, HQ, SEEDS, START, STEPS, VARIANTS, Variant

TRAINED, TRAINED_QUICK = Limits(24, 16, 480, 272), Limits(2, 3, 128, 96)
"""Parts of clips that are compressed and cleaned."""
STEP, FRAME, SCORE = 1.2, 2.0, 60.0
"""Seconds of a step, of cleaning a frame and of scoring a network, on two idle cores. The ledger corrects them."""
CLEANER = "v2"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = commands.make_parser("switches", __doc__ or "")
    parser.add_argument("clips", type=Path, help="a folder with the folders train and held-out")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "switches"), help="default: %(default)s")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no run that would take longer than this")
    parser.add_argument("--quick", action="store_true", help="two steps, one seed, few frames: for a trial run")
    options = parser.parse_args(arguments)
    study = Study(options.clips, options.out / "quick" if options.quick else options.out, quick=options.quick)
    try:
        done = study.work(options.budget and 60 * options.budget)
        study.report()
    except (TrainerError, CalledProcessError) as error:
        _say(str(error))
        return 1
    _say("the study has finished" if done else "run it again to go on")
    return 0


@dataclass(frozen=True)
class Study:
    """Runs and scores in a folder."""

    clips: Path
    out: Path
    quick: bool

    @property
    def seeds(self) -> range:
        return range(1 if self.quick else SEEDS)

    @property
    def trained(self) -> Limits:
        return TRAINED_QUICK if self.quick else TRAINED

    @property
    def limits(self) -> Limits:
        return scores.QUICK if self.quick else scores.FULL

    def work(self, budget: float | None) -> bool:
        """Do what is missing. Return whether all is done."""
        self.out.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(self.out / "done.json", digest_code(scores, variants))
        return work_off(list(self._jobs()), ledger, budget, _say)

    def _jobs(self) -> Iterator[Job]:
        yield from self._data_jobs()
        for name in ("bicubic", START):
            yield self._score_job(name, (), None if name == "bicubic" else START)
        for seed in self.seeds:  # seed by seed: a part of the study is worth something
            for variant in VARIANTS:
                run = self._run(variant, seed)
                arguments = self.arguments(variant, seed)
                data = self._data(variant)
                train = partial(commands.train, *arguments, "-o", str(run))
                yield Job(run.name, STEPS * STEP, arguments, (data,), run, train, has_ended)
                yield self._score_job(run.name, (run,), str(run))

    def _data_jobs(self) -> Iterator[Job]:
        compressed, cleaned = self.out / COMPRESSED, self.out / CLEANED
        made_of = (str(asdict(self.trained)), str(CRF))
        train = self.clips / HQ
        yield Job(COMPRESSED, 20, made_of, (train,), compressed, partial(compress, train, compressed, self.trained))
        clean = partial(
            commands.train, "dataset", "clean", str(compressed), "-o", str(cleaned), "--model", CLEANER, "--renew"
        )
        frames = self.trained.clips * self.trained.frames
        yield Job(CLEANED, frames * FRAME, (CLEANER,), (compressed,), cleaned, clean, partial(is_whole, compressed))

    def _score_job(self, name: str, inputs: tuple[Path, ...], network: str | None) -> Job:
        result = self.out / "scores" / f"{name}.json"
        made_of = (name, str(asdict(self.limits)))
        work = partial(self._score, network, result)
        return Job(f"score of {name}", SCORE, made_of, (self.clips / "held-out", *inputs), result, work)

    def arguments(self, variant: Variant, seed: int) -> tuple[str, ...]:
        """Return the command line that trains a variant."""
        settings = (*COMMON, f"steps={STEPS}", *(variants.QUICK if self.quick else ()), *variant.settings)
        return ("vsr-l1", "paper", f"data={self._data(variant)}", *settings, f"seed={seed}")

    def _data(self, variant: Variant) -> Path:
        return self.clips / HQ if variant.data == HQ else self.out / variant.data

    def _run(self, variant: Variant, seed: int) -> Path:
        return self.out / "runs" / f"{variant.name}-{seed}"

    @cached_property
    def _lpips(self) -> Lpips:
        return Lpips(read_lpips_vgg16())

    def _score(self, network: str | None, result: Path) -> None:
        loaded = load_network(network) if network else None
        found = score(loaded, find_clips(self.clips / "held-out"), self.limits, self._lpips)
        result.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(result, json.dumps(found, indent=1).encode())

    def report(self) -> None:
        """Write the tables of what is scored, and when the first seed has finished a page of pictures."""
        commands.report(format_tables(self.read_scores()), self.out / "results.md")
        runs = {each.name: self._run(each, 0) for each in VARIANTS}
        if all(map(has_ended, runs.values())):
            networks = {START: load_network(START), **{name: load_network(str(run)) for name, run in runs.items()}}
            page = draw_clips(networks, find_clips(self.clips / "held-out"), self.limits)
            page.save(self.out / "clips.jpg", quality=85)

    def read_scores(self) -> dict[str, list[Scores]]:
        """Return the scores of each network, one for each seed from 0 on, until one is missing: seeds are compared."""
        names = {"bicubic": ["bicubic"], START: [START]}
        names |= {each.name: [self._run(each, seed).name for seed in self.seeds] for each in VARIANTS}
        files = {name: [self.out / "scores" / f"{run}.json" for run in runs] for name, runs in names.items()}
        return {
            name: [json.loads(each.read_text()) for each in takewhile(Path.is_file, own)] for name, own in files.items()
        }


def compress(train: Path, to: Path, limits: Limits) -> None:
    """Write parts of clips as PNG, after H.264. The folder appears when it is complete."""
    part = to.with_name(f"{to.name}.part")
    for clip in find_clips(train)[: limits.clips]:
        hq = np.ascontiguousarray(read_hq(clip, limits).permute(0, 2, 3, 1).numpy())
        (part / clip.name).mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(transcode(hq, "h264", h264_options(CRF, "high"))):
            (part / clip.name / f"{number:08}.png").write_bytes(encode_png(frame))
    shutil.rmtree(to, ignore_errors=True)
    part.rename(to)


def is_whole(compressed: Path, cleaned: Path) -> bool:
    """Return whether all clips are cleaned."""
    return cleaned.is_dir() and {clip.name for clip in find_clips(compressed)} <= {
        each.name for each in cleaned.iterdir()
    }


def format_tables(found: dict[str, list[Scores]]) -> list[Table]:
    """Return a table of means, and one of differences to the partner without the switch, for each degradation."""
    tables = []
    partners = {each.name: each.partner for each in VARIANTS if each.partner}
    known = {name: rows for name, rows in found.items() if rows}
    for kind in DEGRADATIONS:
        values = {
            name: {measure: np.array([each[kind][measure] for each in rows]) for measure in MEASURES}
            for name, rows in known.items()
        }
        means = [
            (name, str(len(known[name])), *(f"{np.nanmean(own[each]):.{_digits(each)}f}" for each in MEASURES))
            for name, own in values.items()
        ]
        tables.append(Table(f"Degraded {kind}: means over clips and seeds", ("network", "seeds", *MEASURES), means))
        rows = []
        for name, partner in partners.items():
            if seeds := min(len(known.get(name, ())), len(known.get(partner, ()))):
                on, off = values[name], values[partner]
                cells = [_change(on[each][:seeds] - off[each][:seeds], _digits(each)) for each in MEASURES]
                rows.append((f"{name} - {partner}", str(seeds), *cells))
        note = (
            "Each seed against its partner's, with the 95 % interval over seeds and clips (trainer/table2/orders.py). "
            "Bold: it leaves out 0."
        )
        tables.append(Table(f"Degraded {kind}: a switch on against off", ("", "seeds", *MEASURES), rows, note))
    return tables


def _digits(measure: str) -> int:
    return 4 if "LPIPS" in measure else 2


def _change(change: NDArray[np.float64], digits: int) -> str:
    found = estimate(change[:, ~np.isnan(change).any(0)])  # (seeds, clips)
    text = f"{found.mean:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"
    return text if found.low <= 0 <= found.high else f"**{text}**"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Train the networks of the paper's table 2 small and short, three seeds each, and say which of its orders hold: hours.

    python -m scripts.studies.drawing            # draws clips to train with; needs the extra learn
    python -m scripts.studies.drawing --hidden   # draws three hidden shows
    python -m scripts.studies.art                # moving clips of free art, the second training set
    OMP_NUM_THREADS=1 python -m scripts.studies.table2

The episodes and the held-out scenes are those of the study of recipe, whose docstrings describe them: each show has a
fault of its own. `python -m trainer table2` does the rest. It goes on after a stop; with --minutes it stops by itself.
When all is done, without --minutes, how far the networks shift colours is written to shifts.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d

from scripts import fetch_data
from trainer.cli.vsr import add_colour
from trainer.data.uint8 import UINT8_MAX
from trainer.errors import TrainerError
from trainer.evaluation.sets import SetClip, open_set
from trainer.evaluation.tables import Table, format_markdown
from trainer.evaluation.upscaler import Bicubic, NetworkUpscaler, Upscaler, upscale_frames
from trainer.vsr.evaluation import BICUBIC
from trainer.vsr.weights import load_network
from vsanimesr.files import write_atomic

from .commands import choose_precision, make_parser, train
from .recipe.episodes import Data
from .recipe.hidden_faults import FAULTS
from .video import write_clip

OTHER = "art/train"
L1_STEPS, STEPS, OPERATOR_STEPS, SEEDS = 2000, 400, 400, 3
"""A step by L1 takes a tenth of the time of one with a GAN. With a third of OPERATOR_STEPS, operators learn nothing."""
NETWORK = (
    *("network.features=24", "network.blocks=[3,2,1]", "discriminator.features=16", "channels_last=true"),
    *("optimiser.rate=0.001", "optimiser.clip=0.1", "sampling.frames=5", "sampling.size=96", "batch=1"),
    *("workers=0", "validation.every=0"),
)
OPERATOR = (
    *("operator.features=64", "discriminator.features=16", "optimiser.rate=0.001"),
    *("size=192", "batch=1", "workers=0"),
)
"""In place of the defaults, as in the study of recipe: small networks and crops, and a rate that few steps need. But
operators have the paper's 64 features: those of 8 need more than 1000 steps."""
EVERY = 12
"""Frames between two of which the slow measures are taken."""
SHIFTED = 6
"""Frames of a scene, of the last of which the shift of colours is taken."""
BLOCK = 32
"""Side of the blocks whose means are compared, in SR pixels."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = make_parser("table2", __doc__ or "")
    parser.add_argument("--data", type=Path, default=fetch_data.FOLDER, help="default: %(default)s")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "table2"), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="begin no job that would take longer than this from now")
    parser.add_argument("--dry-run", action="store_true", help="list the jobs and their times, and train nothing")
    add_colour(parser)
    options = parser.parse_args(arguments)
    data = Data(options.data / "drawn", options.out / "data")
    scored = data.folder / "set"  # what data was made of is checked, and so this is too
    precision = f"precision={choose_precision()}"
    more = ["--dry-run"] if options.dry_run else []
    more += ["--minutes", str(options.minutes)] if options.minutes is not None else []
    command = (
        *("table2", *(str(data.episode(fault)) for fault in FAULTS), "-o", str(options.out / "results")),
        *("--data", str(data.hq), "--other", str(options.data / OTHER), "--scored", str(scored)),
        *("--l1-steps", str(L1_STEPS), "--steps", str(STEPS), "--operator-steps", str(OPERATOR_STEPS)),
        *("--seeds", str(SEEDS), "--every", str(EVERY), "--pseudo-hq-colour", options.pseudo_hq_colour, *more),
        *(*NETWORK, precision, *(f"lbo.{text}" for text in (*OPERATOR, precision))),
    )
    try:
        data.write(FAULTS)
        write_set(data, scored)
        train(*command)
        if not more:  # all is done
            write_shifts(options.out / "results", scored)
    except (TrainerError, CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_set(data: Data, folder: Path) -> None:
    """Write LQ and HQ of the held-out scenes of all shows, if they are missing."""
    for fault in FAULTS:
        for clip in data.held_out(fault):
            write_clip(folder / "hq" / clip.name, data.read_hq(clip).permute(0, 2, 3, 1).numpy())
            write_clip(folder / "lq" / clip.name, data.degrade(fault, clip))


def write_shifts(results: Path, scored: Path) -> None:
    """Write how far the networks that are scored shift colours on the held-out scenes, as a table, and print it."""
    clips = open_set(scored, SHIFTED, None)
    shifts: dict[str, list[NDArray[np.float64]]] = {}
    for file in sorted((results / "scores").glob("*.json")):
        name = file.stem.rpartition("-")[0]
        run = results / "runs" / file.stem
        network = Bicubic() if name == BICUBIC else NetworkUpscaler(name, load_network(str(run)))
        shifts.setdefault(name, []).append(measure_shift(network, clips))
    means = {name: np.mean(each, 0) for name, each in shifts.items()}
    rows = [
        [name, str(len(shifts[name])), *map("{:+.1f}".format, mean[:3]), f"{mean[3]:.1f}"]
        for name, mean in means.items()
    ]
    note = "SR minus HQ in grey levels: means of each channel, and mean absolute differences of blocks of 32x32 pixels."
    text = format_markdown(Table("Shifts of colours", ["network", "seeds", "R", "G", "B", "blocks"], rows, note=note))
    if rows:
        write_atomic(results / "shifts.md", text.encode())
        print(text)


def measure_shift(upscaler: Upscaler, clips: Sequence[SetClip]) -> NDArray[np.float64]:
    """Return how far a network shifts R, G and B, and how far the means of blocks are off, in grey levels."""
    found = []
    for clip in clips:
        frames = clip.load()
        assert frames.hq is not None
        *_, sr = upscale_frames(upscaler, frames.lr / UINT8_MAX)
        off = avg_pool2d(sr.clamp(0, 1) - frames.hq[-1:] / UINT8_MAX, BLOCK)
        found.append([*off.mean((0, 2, 3)), off.abs().mean()])
    return UINT8_MAX * np.mean(found, 0)


if __name__ == "__main__":
    sys.exit(main())

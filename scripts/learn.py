"""Shows that training learns, on two cores in about an hour: learn.py CLIPS [-o FOLDER] [--quick] [PART ...]

Three runs of `python -m trainer`, each on the train clips of scripts/draw_clips.py, then measures on the held-out ones:

    scratch     a small network from nothing
    finetune    the released v2, by L1
    gan         that, by L1, perceptual and GAN losses

What is there already goes on or is kept. Writes results.md and results.png into the folder, and prints the table.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path += [str(SCRIPTS), str(SCRIPTS.parent)]

from learning import curves, table  # noqa: E402
from learning.parts import PARTS, Part  # noqa: E402
from parts import parsed  # noqa: E402

from trainer.clips import find_clips  # noqa: E402
from trainer.degradation.settings import PRESETS  # noqa: E402
from trainer.evaluation import Score, scores  # noqa: E402
from trainer.metrics import Lpips  # noqa: E402
from trainer.stand_in import read_stand_in  # noqa: E402
from trainer.weights import opened  # noqa: E402

QUICK = ("steps=4", "records.log=2", "records.show=0", "batch=1", "sampling.frames=3", "sampling.size=96")


def main(arguments: Sequence[str] | None = None) -> int:
    given = parsed("learn", __doc__ or "", PARTS, "learned", "a few steps, few frames", arguments)
    names = given.part or list(PARTS)
    for name in names:
        trained(PARTS[name], given.clips / "train", given.out, QUICK if given.quick else ())
    there = [name for name in PARTS if (given.out / name).is_dir()]
    found = measured(given.clips / "held-out", given.out, there, quick=given.quick)
    text = table.written(found)
    (given.out / "results.md").write_text(text)
    curves.drawn({name: given.out / name for name in there}).save(given.out / "results.png")
    print(text)
    return 0


def trained(part: Part, clips: Path, out: Path, more: Sequence[str]) -> None:
    """Train a part to its end, as a user would."""
    start = [f"start={out / part.start if part.start in PARTS else part.start}"] if part.start else []
    command = [sys.executable, "-m", "trainer", part.stage, "paper", f"data={clips}", *start, *part.settings, *more]
    subprocess.run([*command, "-o", str(out / part.name)], check=True)


def measured(clips: Path, out: Path, names: Sequence[str], *, quick: bool) -> list[Score]:
    """Bicubic, v2 and every part on the held-out clips."""
    networks = {"v2": opened("v2")} | {name: opened(str(out / name)) for name in names}
    frames, every = (2, 2) if quick else (24, 8)
    lpips = Lpips(read_stand_in())
    return list(scores(networks, find_clips(clips), PRESETS["paper"], lpips, frames=frames, every=every))


if __name__ == "__main__":
    sys.exit(main())

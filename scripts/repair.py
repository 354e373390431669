"""Shows what operators learn from episodes, on two cores in half an hour: repair.py CLIPS [-o FOLDER] [--quick]

Every other train clip of scripts/draw_clips.py becomes part of an episode with a degradation hidden behind it; what
learns knows the other clips, and the episodes as they are. Writes results.md into the folder, and prints it:

    factors     what each factor of input rescaling keeps of the episodes' HQ
    nearness    how near an operator comes to what was hidden, on the held-out clips; beside any setting of basic ones

What is there already goes on or is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path += [str(SCRIPTS), str(SCRIPTS.parent)]

from benchmarks.table import Table  # noqa: E402
from repairing import episodes, runs  # noqa: E402
from repairing.factors import factors  # noqa: E402
from repairing.nearness import Nearness, basics, cases, nearness  # noqa: E402

from trainer.clips import Clip, find_clips  # noqa: E402
from trainer.lbo.choice import read_choice  # noqa: E402
from trainer.lbo.degrader import Degrader  # noqa: E402
from trainer.lbo.pool import read_operator  # noqa: E402
from trainer.metrics import Lpips  # noqa: E402
from trainer.stand_in import read_stand_in  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="repair", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("clips", type=Path, help="a folder with the folders train and held-out")
    parser.add_argument("-o", "--out", type=Path, default=Path("repaired"), help="default: repaired")
    parser.add_argument("--quick", action="store_true", help="a few steps, few settings: to see whether it runs")
    given = parser.parse_args(arguments)
    more = runs.QUICK if given.quick else ()
    episodes.share_out(given.clips / "train", given.out)
    runs.base(given.out, more)
    for hidden in episodes.TITLES.values():
        runs.operator(given.out, given.out / "episodes" / f"{hidden.name}.mkv", more)
    lpips = Lpips(read_stand_in())
    held_out = find_clips(given.clips / "held-out")[: 1 if given.quick else None]
    tables = (
        *of_factors(given.out, find_clips(given.clips / "train"), lpips),
        of_nearness(given.out, held_out, lpips, most=3 if given.quick else None),
    )
    text = "\n\n".join(map(str, tables)) + "\n"
    (given.out / "results.md").write_text(text)
    print(text)
    return 0


def of_factors(out: Path, clips: Sequence[Clip], lpips: Lpips) -> Iterator[Table]:
    """A table for each episode."""
    for title, hidden in episodes.TITLES.items():
        lbo = out / f"lbo-{hidden.name}"
        choice = read_choice(lbo)
        shown = [clip for clip in clips[1::2] if clip.name.startswith(title)]
        rows = [
            (
                f"{each.factor:.1f}{', suggested' if choice and each.factor == choice.factor else ''}",
                *(f"{each.psnr_y:.2f}", f"{each.lpips:.4f}", f"{each.sharpness:.3f}", f"{each.artefacts:.2f}"),
            )
            for each in factors(lbo, shown, lpips)
        ]
        yield Table(f"Pseudo-HQ of {hidden.name}", ("factor", "PSNR-Y, dB", "LPIPS", "sharpness", "artefacts"), rows)


def of_nearness(out: Path, clips: Sequence[Clip], lpips: Lpips, most: int | None) -> Table:
    """The operator of each episode, and the settings of basic operators that come nearest by each measure."""
    rows = []
    for hidden in episodes.TITLES.values():
        hq_and_lq = cases(hidden, clips)
        degrader = Degrader(read_operator(out / f"lbo-{hidden.name}"))
        own = nearness("the operator", degrader, hq_and_lq, lpips)
        tried = [nearness(str(basic), basic, hq_and_lq, lpips) for basic in list(basics())[:most]]
        by_psnr, by_lpips = max(tried, key=lambda each: each.psnr_y), min(tried, key=lambda each: each.lpips)
        rows += [_row(hidden.name, each) for each in dict.fromkeys((by_psnr, by_lpips, own))]
    note = f"{len(clips)} clips. Basic operators: the nearest by PSNR and by LPIPS of all settings that were tried."
    return Table("How near to what was hidden", ("hidden", "degraded by", "PSNR-Y, dB", "LPIPS"), rows, note)


def _row(hidden: str, found: Nearness) -> tuple[str, ...]:
    return hidden, found.name, f"{found.psnr_y:.2f}", f"{found.lpips:.4f}"


if __name__ == "__main__":
    sys.exit(main())

"""Make moving clips of the free art that Debian packages ship: input for the distillation of a fast model.

FOLDER/train gets 120 clips and FOLDER/held-out 16, of 24 frames of 512x384 to 768x512 each. With --quick they get one
of each style. Each clip is one scene: a camera that moves by fractions of a pixel, figures on ones, twos and threes,
some letters, some night. Held-out clips are of other packages than train clips; docs/art.md lists them all.

Needs the extra `learn`, and apt-get with the archive of Debian 12. The art is fetched into FOLDER/art (360 MB of
packages, of which 200 MB are kept) and verified each time. The same versions of all packages give the same pictures,
byte for byte. Existing clips are kept: to make one again, delete it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts import fetch_data

from ..commands import make_parser
from ..drawing import render, svg
from ..drawing.scene import LENGTH, DrawingError
from . import styles
from .styles import Style

FOLDER = fetch_data.FOLDER / "art"
PARTS = {"train": styles.TRAIN, "held-out": styles.HELD_OUT}


def prepare(art: Path, missing: Iterable[Style]) -> None:
    """Check that all art of some styles exists before drawing starts. Raises DrawingError."""
    svg.import_resvg()
    needed = dict.fromkeys(package for style in missing for package in style.needs())
    for package in needed:
        package.fetch(art)


def make(folder: Path, art: Path, *, quick: bool) -> None:
    """Write the clips that are missing. Raises DrawingError."""
    missing: list[tuple[Path, Style, str]] = []
    for part, every in PARTS.items():
        for style in every:
            names = style.names()[:1] if quick else style.names()
            missing += [
                (folder / part, style, name) for name in names if not render.is_complete(folder / part / name, LENGTH)
            ]
    if missing:
        prepare(art, [style for _, style, _ in missing])
    for part_folder, style, name in missing:
        print(f"art: {part_folder.name}/{name}", file=sys.stderr)
        render.write(style.scene(name, art), LENGTH, part_folder, art)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("art", __doc__ or "")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="one clip of each style: for a trial run")
    options = parser.parse_args(arguments)
    try:
        make(options.folder, options.folder / "art", quick=options.quick)
    except DrawingError as error:
        print(f"art: {error}", file=sys.stderr)
        return 1
    print(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

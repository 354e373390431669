"""Render clips of drawn art: some to train with, others to evaluate on.

FOLDER/train gets 24 clips and FOLDER/held-out 8, of 24 frames of 1280x720 each. With --quick they get 4 and 2, with the
first 17 frames. Each clip is one scene of limited animation: a camera that moves over a background by fractions of a
pixel, and characters drawn on twos and threes. Held-out clips share no drawing with train clips; shows.py describes
their distance from training.

With --hidden, FOLDER/hidden-episodes and FOLDER/hidden-scenes are drawn instead: shows that only scripts.studies.recipe
may look at (hidden_shows.py).

Needs the extra `learn`. The painted art comes from a Debian package, which is fetched into FOLDER/art and verified each
time. The same versions of all packages give the same pictures, byte for byte. Existing clips are kept: to draw one
again, delete it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts import fetch_data

from ..commands import make_parser
from . import hidden_shows, people, render, renpy_art, shows, svg
from .scene import LENGTH, DrawingError, Scene

FOLDER = fetch_data.FOLDER / "drawn"
QUICK_LENGTH = 17
EPISODES, SCENES = "hidden-episodes", "hidden-scenes"
"""Folders of the clips of hidden episodes, and of held-out scenes of the same shows."""


def prepare(art: Path) -> None:
    """Check that all art exists before drawing starts. Raises DrawingError."""
    svg.import_resvg()
    for style in people.SHA256:
        people.load_style(style)
    renpy_art.fetch(art)


def draw(folder: Path, scenes: Iterable[Scene], count: int, art: Path) -> None:
    """Write the clips of scenes into `folder`. Raises DrawingError."""
    for scene in scenes:
        print(f"drawing: {folder.name}/{scene.name}", file=sys.stderr)
        render.write(scene, count, folder, art)


def open_parts(*, quick: bool) -> dict[str, list[Scene]]:
    """Return the scenes to train with and those to evaluate on, by the name of their folder."""
    return {
        "train": shows.scenes(shows.TRAIN, 4 if quick else None),
        "held-out": shows.scenes(shows.HELD_OUT, 2 if quick else None),
    }


def hidden_parts(*, quick: bool) -> dict[str, list[Scene]]:
    """Return the scenes of the hidden shows, by the name of their folder. Quick: one scene of each show."""
    most = 1 if quick else None
    return {
        EPISODES: [scene for show in hidden_shows.HIDDEN for scene in show.episode[:most]],
        SCENES: [scene for show in hidden_shows.HIDDEN for scene in show.held_out[:most]],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("drawing", __doc__ or "")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="4 and 2 clips of 17 frames: for a trial run")
    parser.add_argument("--hidden", action="store_true", help="draw the hidden shows instead")
    options = parser.parse_args(arguments)
    count = QUICK_LENGTH if options.quick else LENGTH
    parts = hidden_parts(quick=options.quick) if options.hidden else open_parts(quick=options.quick)
    try:
        for part, scenes in parts.items():
            folder = options.folder / part
            missing = [scene for scene in scenes if not render.is_complete(folder / scene.name, count)]
            if missing:
                prepare(options.folder / "art")
            draw(folder, missing, count, options.folder / "art")
    except DrawingError as error:
        print(f"drawing: {error}", file=sys.stderr)
        return 1
    print(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

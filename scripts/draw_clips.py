"""Renders clips of drawn art to train with, and others to judge by: draw_clips.py [FOLDER] [--quick].

The default folder is .data/drawn beside scripts. FOLDER/train gets 24 clips and FOLDER/held-out 8, of 24 frames of
1280x720 each; with --quick 4 and 2 of them, and their first 17 frames. Each clip is one scene of limited animation: a
camera that passes over a background by fractions of a pixel, characters whose drawings are held on twos and threes.
What is held out shares no drawing with what is trained on (scripts/drawing/titles.py says how near it is).

Needs the extra learn; the painted art comes from a Debian package, which is fetched into FOLDER/art and verified each
time. The same versions of these give the same pictures, byte for byte. Clips that are there stay as they are: to draw
one again, delete it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path.append(str(SCRIPTS))

from drawing import people, question, render, titles, vector  # noqa: E402
from drawing.errors import DrawingError  # noqa: E402
from drawing.scene import LENGTH, Scene  # noqa: E402

FOLDER = SCRIPTS.parent / ".data" / "drawn"
QUICK_LENGTH = 17


def prepare(art: Path) -> None:
    """See that everything is there before anything is drawn. Raises DrawingError."""
    vector.renderer()
    for style in people.SHA256:
        people.style(style)
    question.fetch(art)


def draw(folder: Path, scenes: Iterable[Scene], count: int, art: Path) -> None:
    """Those clips of scenes that `folder` lacks. Raises DrawingError."""
    for scene in scenes:
        print(f"draw_clips: {folder.name}/{scene.name}", file=sys.stderr)
        render.write(scene, count, folder, art)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="draw_clips", description="Renders clips of drawn art to train with.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="4 clips and 2, of 17 frames")
    given = parser.parse_args(arguments)
    count = QUICK_LENGTH if given.quick else LENGTH
    wanted = {
        "train": titles.scenes(titles.TRAIN, 4 if given.quick else None),
        "held-out": titles.scenes(titles.HELD_OUT, 2 if given.quick else None),
    }
    try:
        for part, scenes in wanted.items():
            folder = given.folder / part
            lacking = [scene for scene in scenes if not render.is_complete(folder / scene.name, count)]
            if lacking:
                prepare(given.folder / "art")
            draw(folder, lacking, count, given.folder / "art")
    except DrawingError as error:
        print(f"draw_clips: {error}", file=sys.stderr)
        return 1
    print(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

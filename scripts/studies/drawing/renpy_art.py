"""Painted backgrounds, and an inked, shaded character with four expressions in each of two dresses.

The art of The Question, Ren'Py's demo game, (c) Tom Rothamel and contributors, Expat licence, from the Debian package
renpy-thequestion.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from scripts.fetch_data import is_intact

from ..debian import PackageError, fetch_package
from .scene import DrawingError

PACKAGE = "renpy-thequestion"
INSIDE = "usr/share/games/renpy/the_question/game"
SHA256 = {
    "gui/main_menu.png": "4a4ffe4b242fbd60deac18ca17bb4a1b35146aa93fc3dc6373ef91ca1de2082a",
    "images/bg club.jpg": "e7452b6f41d9ecdaf6d3001b3509b561ad09d1109990f0f2eb47e28069bf3475",
    "images/bg lecturehall.jpg": "d8f477d6022ec8d409985e6d6c4a9dfc03f8671b98caaa587c134ba3f24fb915",
    "images/bg meadow.jpg": "c6d77eb070edb21658d66d5db5bc1578a535437ff9f9cbb34baf4d2ce46cb2a6",
    "images/bg uni.jpg": "f1198e9a72940a65bfded78cbf6603a8366afbc6423940260ea86cfcf6050390",
    "images/sylvie blue giggle.png": "1a21c22446daeabb246bc34c9fc7f87e21cff526bbdc9935fc6e7ba1a56ee056",
    "images/sylvie blue normal.png": "0e63c188ebe165fa1e415fc14b2ffcec6c5bb52bcf2d18e2388d0487b78f36d3",
    "images/sylvie blue smile.png": "d681a7b76b7efa56983482776810f4d2856411cdcb45f4d42322829ac56f5e64",
    "images/sylvie blue surprised.png": "b8a6e923df0f081ef40cd997213e8f0fc5e0e71c284edbbc28cf26ec33b64c6d",
    "images/sylvie green giggle.png": "75841d17e3a3c6002cd82f5e67a1316ebcf41b2bfce4c1a758226fc31984c4bc",
    "images/sylvie green normal.png": "11ede0da6903e143ba738383ca566d9d8564460cbe1246c1bd72f29b31acba43",
    "images/sylvie green smile.png": "4ec6422810f2910267c2ae2d2e479e45de426b76ef63c04f75e7e36dc5d1b8f4",
    "images/sylvie green surprised.png": "6d4c735652acaf30d2ff04fb4675659aca5051a9de2c761c6b186605c72a7f5a",
}
EXPRESSIONS = ("smile", "normal", "giggle", "surprised")


@dataclass(frozen=True)
class Painted:
    """A picture file of the game."""

    file: str

    @property
    def sheet(self) -> str:
        """The background, or the character in one dress: the file's name without the expression."""
        stem = Path(self.file).stem
        words = stem.split()
        return f"question/{' '.join(words[:-1]) if words[-1] in EXPRESSIONS else stem}"

    def paint(self, art: Path) -> Image.Image:
        with Image.open(art / self.file) as picture:
            return picture.convert("RGBA")


def sylvie(dress: str) -> tuple[Painted, ...]:
    """Return drawings of Sylvie in one dress, green or blue: smiling, serious, giggling with eyes shut, surprised."""
    return tuple(Painted(f"images/sylvie {dress} {expression}.png") for expression in EXPRESSIONS)


def background(name: str) -> Painted:
    """Return a background: club, lecturehall, meadow or uni."""
    return Painted(f"images/bg {name}.jpg")


CAMPUS = Painted("gui/main_menu.png")


def fetch(art: Path) -> None:
    """Verify the pictures in `art`. Fetch those that are missing or damaged.

    Raises:
        DrawingError: they cannot be fetched.
    """
    missing = {file: sha256 for file, sha256 in SHA256.items() if not is_intact(art / file, sha256)}
    if not missing:
        return
    art.mkdir(parents=True, exist_ok=True)
    remedy = (
        "If apt-get does not know the package, try apt-get update. Without apt-get or network, "
        f"unpack the package elsewhere, and copy the folders gui and images of its {INSIDE} into {art}"
    )
    with tempfile.TemporaryDirectory(dir=art) as name:
        try:
            game = fetch_package(PACKAGE, Path(name)) / INSIDE
        except PackageError as error:
            raise DrawingError(f"{error}\n{remedy}") from error
        for file, sha256 in missing.items():
            if not is_intact(game / file, sha256):
                raise DrawingError(
                    f"{file} of this system's {PACKAGE} is not the expected file (its SHA-256 differs, or it is "
                    f"missing); version 8.0.3 of the package has it\n{remedy}"
                )
            (art / file).parent.mkdir(exist_ok=True)
            (game / file).replace(art / file)

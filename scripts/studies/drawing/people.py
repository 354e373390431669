"""Drawings of people with different eyes, brows and mouths.

The heads come from DiceBear's styles, each by one illustrator: adventurer (CC BY 4.0) and lorelei (CC0) by Lisa
Wischofsky, toon-head (Johan Melin, CC BY 4.0), open-peeps (Pablo Stanley, CC0), micah (Micah Lanier, CC BY 4.0),
personas (Draftbit, CC BY 4.0). Styles that end at the chin or the neck get shoulders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from .scene import DrawingError
from .svg import INSTALL, document, path, pen, polygon, rasterize

if TYPE_CHECKING:
    from dicebear import Style

SHA256 = {
    "adventurer": "05b7daa394dba1fdc6040fb9091ccaf7a12f6288248b6134cb4402e1ee33fc32",
    "lorelei": "78551cff730ca5ad5661305c515ed67ae25177a121ef9cc41e10f630bac8961b",
    "micah": "be8cc82723bd0a5aeb2a8d3a6bf0fe6dd23774199ae23414f3f6ef0e8d1a26fd",
    "open-peeps": "1d93f30c5c0be8282225533e2eb3d6b32eb30cba6408f3e04604df093b2b1cf5",
    "personas": "148b6218e5ae195a368df0899503cd7ac2e9a6d2780bac0c181b9662b14208a3",
    "toon-head": "dadff40eef129a1390d4c5be94c750a0474f783fbbf812e36a4a5188d95da146",
}
HEIGHT = 1200
type Traits = tuple[tuple[str, str | int], ...]
"""DiceBear's options by name. The person's name is the seed of the others."""


@dataclass(frozen=True)
class Person:
    """One drawing of a person, with one face."""

    name: str
    style: str
    look: Traits
    face: Traits
    clothes: str = ""
    """Colour of the clothes, for a style without shoulders."""

    @property
    def sheet(self) -> str:
        return f"{self.style}/{self.name}"

    def paint(self, art: Path) -> Image.Image:
        head = draw_head(self.style, {"seed": self.name, **dict(self.look), **dict(self.face)})
        if self.style == "lorelei":
            head = add_collar(head, self.clothes)
        elif self.clothes:
            head = add_shoulders(head, self.clothes, str(dict(self.look)["skinColor"]))
        return rasterize(head, HEIGHT)


HEAD = 762
"""Width and height of the style adventurer."""
BUST = 1040
"""Height with shoulders; the width stays."""


def add_shoulders(head: str, colour: str, skin: str) -> str:
    """Put a head of the style adventurer on a neck and clothes with a fold, in two tones."""
    torso = "M 96,1040 Q 96,740 300,676 L 420,676 Q 624,740 624,1040 Z"
    shapes = [
        path("M 300,520 L 300,676 Q 360,760 420,676 L 420,520 Z", skin, 5),
        path("M 300,570 Q 380,650 420,560 L 420,520 L 300,520 Z", "#00000033", 0),
        path(torso, colour, 6),
        path("M 470,690 Q 624,750 624,1040 L 520,1040 Q 540,820 470,690 Z", "#1a104033", 0),
        polygon([(300, 676), (360, 810), (420, 676)], skin, 5),
        polygon([(288, 672), (262, 760), (348, 810)], "#ffffff", 5),
        polygon([(432, 672), (458, 760), (372, 810)], "#ffffff", 5),
        pen((210, 860), (200, 1040), 8, 6),
        pen((512, 860), (522, 1040), -8, 6),
        head.replace("<svg ", f'<svg width="{HEAD}" height="{HEAD}" ', 1),
    ]
    return document(shapes, HEAD, BUST)


NECK_HEAD = 980
"""Width and height of the style lorelei, which ends below the neck."""


def add_collar(head: str, colour: str) -> str:
    """Put a head of the style lorelei into clothes with a wide collar, in two tones."""
    shapes = [
        head.replace("<svg ", f'<svg width="{NECK_HEAD}" height="{NECK_HEAD}" ', 1),
        path("M 60,1340 Q 80,1010 330,900 Q 470,985 640,900 Q 900,1010 920,1340 Z", colour, 14),
        path("M 700,925 Q 900,1010 920,1340 L 760,1340 Q 790,1080 700,925 Z", "#1a104033", 0),
        polygon([(330, 880), (250, 1010), (430, 1110), (486, 960)], "#fbfbf7", 12),
        polygon([(640, 880), (724, 1010), (546, 1110), (486, 960)], "#fbfbf7", 12),
        pen((300, 1130), (286, 1340), 8, 12),
        pen((690, 1130), (704, 1340), -8, 12),
    ]
    return document(shapes, NECK_HEAD, 1340)


@cache
def load_style(name: str) -> Style:
    """Load and verify a style of DiceBear. Raises DrawingError."""
    try:
        from dicebear import Style

        definition = files("dicebear_styles").joinpath(f"{name}.json").read_bytes()
    except (ImportError, OSError) as error:
        raise DrawingError(
            f"drawings of people need dicebear-core and dicebear-styles, which cannot be imported ({error}); {INSTALL}"
        ) from error
    if hashlib.sha256(definition).hexdigest() != SHA256[name]:
        raise DrawingError(f"the style {name} is not that of dicebear-styles 10.6.0 (its SHA-256 differs); {INSTALL}")
    return Style(json.loads(definition))


def draw_head(style: str, traits: Mapping[str, str | int]) -> str:
    """Return a head as an SVG document. Raises DrawingError."""
    definition = load_style(style)
    from dicebear import Avatar

    return str(Avatar(definition, dict(traits)))

"""Rendering of scenes to folders of pictures.

Layers are composited at twice the size of the clip, then the result is halved: supersampling with four pixels each.
Both steps filter before they sample, so that nothing flickers while it moves by fractions of a pixel.

Drawn art is never enlarged. Painted art, which is 1280x720, is enlarged in close-ups by less than two: most anime is
painted smaller than it is delivered.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from .scene import HEIGHT, WIDTH, Drawing, Pose, Scene

UNIT = 2
"""Pixels of a clip per unit of its scene: usually 1280x720, the size of the painted art."""
OVERSAMPLING = 2
PLACING = Image.Resampling.BICUBIC
HALVING = Image.Resampling.HAMMING
"""As sharp as bicubic, without the halos of bicubic and Lanczos next to ink."""


def paste(canvas: Image.Image, picture: Image.Image, pose: Pose, units: tuple[float, float] = (WIDTH, HEIGHT)) -> None:
    """Composite a picture onto a canvas that shows a whole scene of so many units. Its pixels need not be square."""
    across, down = canvas.width / units[0], canvas.height / units[1]
    wide, high = across * pose.height / picture.height, down * pose.height / picture.height
    left = across * pose.x - wide * picture.width / 2
    top = down * pose.y - high * picture.height / 2
    # Only whole pixels of the canvas are filled. `box` is their area in the picture.
    x, right = max(math.ceil(left), 0), min(math.floor(left + wide * picture.width), canvas.width)
    y, bottom = max(math.ceil(top), 0), min(math.floor(top + high * picture.height), canvas.height)
    if x >= right or y >= bottom:
        return
    box = (
        max((x - left) / wide, 0),
        max((y - top) / high, 0),
        min((right - left) / wide, picture.width),
        min((bottom - top) / high, picture.height),
    )
    canvas.alpha_composite(picture.resize((right - x, bottom - y), PLACING, box), (x, y))


def render_frames(scene: Scene, count: int, art: Path) -> Iterator[Image.Image]:
    """Render the first `count` frames, RGB. Each drawing is painted once.

    Raises:
        DrawingError: art is missing.
    """
    painted: dict[Drawing, Image.Image] = {}
    size = (scene.size[0] * UNIT, scene.size[1] * UNIT)
    previous, picture = None, Image.new("RGB", size)
    for n in range(count):
        if previous != (previous := scene.frame(n)):
            canvas = Image.new("RGBA", (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING), "black")
            for drawing, pose in previous:
                if drawing not in painted:
                    painted[drawing] = drawing.paint(art)
                paste(canvas, painted[drawing], pose, scene.size)
            picture = canvas.convert("RGB").resize(size, HALVING)
        yield picture


def file_name(n: int) -> str:
    """Return the file name of frame n."""
    return f"{n:08d}.png"


def is_complete(clip: Path, count: int) -> bool:
    """Return whether a clip has at least `count` frames."""
    return all((clip / file_name(n)).is_file() for n in range(count))


def write(scene: Scene, count: int, folder: Path, art: Path) -> None:
    """Write the clip of a scene into `folder`. An existing clip is replaced.

    The pictures are written to a temporary folder next to `folder`, where no reader looks for clips. The last step is a
    rename: an atomic write.

    Raises:
        DrawingError: art is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / scene.name
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".drawing-") as work:
        fresh = Path(work, scene.name)
        fresh.mkdir()
        for n, picture in enumerate(render_frames(scene, count, art)):
            picture.save(fresh / file_name(n))
        if clip.exists():
            clip.rename(Path(work, "old"))
        fresh.rename(clip)

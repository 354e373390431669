"""Draw a frame of a script, the demo for example, upscaled by bicubic and by AnimeSR, side by side.

The script gives its source as `clip`, and the picture may follow its `FRAME` and `VIEWS`.
"""

from __future__ import annotations

import argparse
import contextlib
import runpy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

DEMO = Path(__file__).with_name("demo.vpy")
FRAME = 22
VIEWS = ((160, 60, 800, 420), (360, 245, 573, 365))
"""Left, top, right, bottom in the upscaled frame: the rabbit at its own size, then its face three times as large."""
PANEL = (640, 360)
BAR = 36


def to_picture(clip: vs.VideoNode, n: int) -> Image.Image:
    """Return frame n of a clip as a Pillow picture."""
    frame = clip.resize.Bicubic(format=vs.RGB24, dither_type="error_diffusion").get_frame(n)
    return Image.fromarray(np.dstack([np.asarray(plane) for plane in frame]))


type Views = Sequence[tuple[int, int, int, int]]


def draw_comparison(columns: dict[str, Image.Image], views: Views = VIEWS) -> Image.Image:
    """Draw a column for each picture, with its name at the top and a panel for each view."""
    width, height = PANEL
    sheet = Image.new("RGB", (width * len(columns), BAR + height * len(views)), "black")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(22)
    for column, (name, image) in enumerate(columns.items()):
        draw.text((width * (column + 0.5), BAR / 2), name, "white", font, anchor="mm")
        for row, view in enumerate(views):
            panel = image.crop(view).resize(PANEL, Image.Resampling.NEAREST)
            sheet.paste(panel, (width * column, BAR + height * row))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.compare", description=__doc__)
    parser.add_argument("out", type=Path, metavar="PICTURE")
    parser.add_argument("script", nargs="?", type=Path, default=DEMO, metavar="SCRIPT.vpy", help="default: %(default)s")
    arguments = parser.parse_args()
    with contextlib.chdir(arguments.script.parent):  # as vspipe does
        variables = runpy.run_path(arguments.script.name)
    output = vs.get_output(0)
    if not isinstance(output, vs.VideoOutputTuple):
        parser.error(f"{arguments.script} has no video output")
    source, upscaled = variables["clip"], output.clip
    frame, views = variables.get("FRAME", FRAME), variables.get("VIEWS", VIEWS)
    bicubic = source.resize.Bicubic(upscaled.width, upscaled.height)
    columns = {"bicubic": to_picture(bicubic, frame), "AnimeSR": to_picture(upscaled, frame)}
    draw_comparison(columns, views).save(arguments.out, optimize=True, quality=90)


if __name__ == "__main__":
    main()

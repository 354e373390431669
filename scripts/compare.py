"""Draws one frame of the demo, enlarged by bicubic and by AnimeSR, side by side: compare.py OUT.png [SCRIPT.vpy]."""

from __future__ import annotations

import contextlib
import runpy
import sys
from pathlib import Path

import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

DEMO = Path(__file__).with_name("demo.vpy")
FRAME = 22
# Of the enlarged frame, left, top, right, bottom: the rabbit at its own size, then his face three times larger.
VIEWS = ((160, 60, 800, 420), (360, 245, 573, 365))
PANEL = (640, 360)
BAR = 36


def picture(clip: vs.VideoNode, n: int) -> Image.Image:
    """Frame n of a YUV clip as a Pillow picture."""
    frame = clip.resize.Bicubic(format=vs.RGB24, dither_type="error_diffusion").get_frame(n)
    return Image.fromarray(np.dstack([np.asarray(plane) for plane in frame]))


def comparison(columns: dict[str, Image.Image]) -> Image.Image:
    """One column for each picture, headed by its name, with a panel for each of VIEWS."""
    width, height = PANEL
    sheet = Image.new("RGB", (width * len(columns), BAR + height * len(VIEWS)), "black")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(22)
    for column, (name, image) in enumerate(columns.items()):
        draw.text((width * (column + 0.5), BAR / 2), name, "white", font, anchor="mm")
        for row, view in enumerate(VIEWS):
            panel = image.crop(view).resize(PANEL, Image.Resampling.NEAREST)
            sheet.paste(panel, (width * column, BAR + height * row))
    return sheet


def main(out: str, script: str = str(DEMO)) -> None:
    with contextlib.chdir(Path(script).parent):  # as vspipe does
        small: vs.VideoNode = runpy.run_path(script)["clip"]
    output = vs.get_output(0)
    if not isinstance(output, vs.VideoOutputTuple):
        raise SystemExit(f"compare: {script} gives no video")
    upscaled = output.clip
    bicubic = small.resize.Bicubic(upscaled.width, upscaled.height)
    comparison({"bicubic": picture(bicubic, FRAME), "AnimeSR": picture(upscaled, FRAME)}).save(out, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Measure how well the trainer tells combed clips from progressive ones: python -m scripts.studies.combs FOLDER...

Each FOLDER holds clips, as `python -m scripts.studies.drawing` draws them. Every other one, and some drawn here whose
lines are horizontal, is made 352x240, progressive, telecined (24 to 30 frames a second, as on NTSC DVDs) and
interlaced, and encoded. The table shows how many clips of each kind are taken for combed, and for how many nothing is
known, since too little moves. It begins with the clips that are taken for the wrong kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.benchmarks.table import format_rows
from trainer.advice.combing import LENGTH, Combing, measure_frames
from trainer.data.clips import find_clips
from trainer.data.uint8 import Frames
from trainer.degradation.codec import h264_options, quantiser_options, transcode

from .commands import make_parser

SIZES = ((352, 240),)
FILM = 24
"""Film frames of a clip that are used."""
FIELDS = {"flags": "+ildct+ilme"}
CODECS: Mapping[str, tuple[str, Mapping[str, str]] | None] = {
    "none": None,
    "MPEG-2, quantiser 12": ("mpeg2", quantiser_options(12) | FIELDS),
    "MPEG-2, quantiser 31": ("mpeg2", quantiser_options(31) | FIELDS),
    "H.264, crf 28": ("h264", h264_options(28, "high")),
}


def progressive(film: Frames) -> Frames:
    return film


def telecined(film: Frames) -> Frames:
    """Return five frames for every four, of which two show fields of two."""
    fields = [n for n in range(len(film)) for _ in range(3 - n % 2)]
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return np.stack([_weave(film[upper], film[lower]) for upper, lower in pairs])


def interlaced(film: Frames) -> Frames:
    """Return a frame for every two. It begins with the second one: drawings on twos are mixed then."""
    return np.stack([_weave(film[n], film[n + 1]) for n in range(1, len(film) - 1, 2)])


def lower_first(film: Frames) -> Frames:
    """Return interlaced frames whose lower field is the earlier one."""
    return np.stack([_weave(film[n + 1], film[n]) for n in range(1, len(film) - 1, 2)])


KINDS: Mapping[str, Callable[[Frames], Frames]] = {
    each.__name__: each for each in (progressive, telecined, interlaced, lower_first)
}


def _weave(upper: Frames, lower: Frames) -> Frames:
    frame = upper.copy()
    frame[1::2] = lower[1::2]
    return frame


def draw_lines(size: tuple[int, int]) -> Iterator[tuple[str, Frames]]:
    """Yield clips of horizontal lines of one to three rows, which move up and aside, slowly and fast."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    for thickness in (1, 2, 3):
        for name, up, aside in (
            ("up", 1, 0),
            ("up fast", 3, 0),
            ("slowly", 0.25, 0.5),
            ("aside", 0, 2),
            ("both", 1, 3),
        ):
            clip = []
            for n in range(FILM):
                lines = ((y + round(up * n)) // thickness % (4 * thickness) == 0) & (
                    (x + round(aside * n)) // 60 % 3 > 0
                )
                clip.append(np.where(lines, 40, 210).astype(np.uint8)[..., None].repeat(3, 2))
            yield f"lines of {thickness}, {name}", np.stack(clip)


def read_films(folders: Sequence[Path], size: tuple[int, int]) -> Iterator[tuple[str, Frames]]:
    """Yield the beginning of every other clip in this size."""
    for folder in folders:
        for clip in find_clips(folder)[::2]:
            frames = clip.read(range(min(FILM, len(clip))))
            yield clip.name, np.stack([np.asarray(Image.fromarray(each).resize(size)) for each in frames])


def measure(frames: Frames) -> Combing:
    """Measure windows of the usual length."""
    starts = range(0, max(len(frames) - LENGTH, 0) + 1, LENGTH)
    return sum((measure_frames(list(frames[start : start + LENGTH])) for start in starts), Combing())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = make_parser("combs", __doc__ or "")
    parser.add_argument("folders", nargs="+", type=Path)
    args = parser.parse_args(arguments)
    found: dict[tuple[str, str, str], list[tuple[str, Combing]]] = {}
    for size in SIZES:
        for art, films in (("lines", draw_lines(size)), ("drawn", read_films(args.folders, size))):
            for name, film in films:
                for kind, make in KINDS.items():
                    made = make(film)
                    for codec, encoding in CODECS.items():
                        combing = measure(transcode(made, *encoding) if encoding else made)
                        found.setdefault((art, kind, codec), []).append((f"{name}, {size[0]}x{size[1]}", combing))
                        wrong = combing.is_found if kind == "progressive" else combing.is_excluded
                        if wrong:
                            print(f"wrong: {art}, {name}, {size[0]}x{size[1]}, {kind}, {codec}: {combing}", flush=True)
    rows = []
    for (art, kind, codec), results in found.items():
        combed, excluded = (sum(getattr(each, name) for _, each in results) for name in ("is_found", "is_excluded"))
        counts = len(results), combed, excluded, len(results) - combed - excluded
        rows.append([art, kind, codec, *map(str, counts)])
    print(format_rows(("art", "kind", "codec", "clips", "combed", "not combed", "unknown"), rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The page that shows a set: pictures, distributions, and why each clip was taken or dropped. One file of HTML."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from vsanimesr.files import write_atomic
from vsanimesr.progress import count

from ..errors import DatasetError
from .clips import images_of
from .manifest import PAGE_FILE, WORK_FOLDER, ClipEntry, DroppedEntry, Manifest, VideoEntry
from .measures import THUMB_EVERY, Measures, encode_jpeg, load_measures, measures_file
from .sources import show

PICTURE_HEIGHT = 144
PICTURES = 3
"""Pictures of a clip: its first frame, one in the middle, the last one."""
SHOWN_DROPPED = 3
"""Candidates with a picture, for each video, of those that were dropped."""
WIDTH, HEIGHT, BASE, BINS = 400, 160, 140, 20
"""Size of a chart, the height at which its bars stand, and its bars."""


def write_page(folder: Path, manifest: Manifest) -> None:
    """Write the page.

    Raises:
        DatasetError: it cannot be written; the set itself is complete.
    """
    try:
        write_atomic(folder / PAGE_FILE, render_page(folder, manifest).encode())
    except OSError as error:
        raise DatasetError(
            f"{show(folder / PAGE_FILE)} cannot be written ({error.strerror or error}); the clips and the manifest are "
            "complete. Free some space, and run the same command again for the page"
        ) from error


def render_page(folder: Path, manifest: Manifest) -> str:
    """Return the page as HTML."""
    clip_count, video_count = count(len(manifest.clips), "clip"), count(len(manifest.videos), "video")
    title = f"{show(folder.absolute().name)}: {clip_count} of {video_count}"
    body = [*_head(manifest), *_charts(manifest), "<h2>Videos</h2>"]
    clips: dict[str, list[ClipEntry]] = {}
    for clip in manifest.clips:
        clips.setdefault(clip.video, []).append(clip)
    for video in manifest.videos:
        measures = load_measures(measures_file(folder / WORK_FOLDER / "measures", video.digest, manifest.scorer))
        body += _video(folder, video, clips.get(video.digest, []), measures)
    texts = {"title": escape(title), "body": "\n".join(body)}
    template = files(__package__).joinpath("page", "page.html").read_text(encoding="utf-8")
    # One pass: what is put in is not searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], template)


def _head(manifest: Manifest) -> list[str]:
    frames = sum(clip.frames for clip in manifest.clips)
    rules = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in manifest.rules.items())
    lines = [
        f"<p>{frames} frames. {escape(rules)}. The score is the weighted mean of quality and of motion, both 0 to 100; "
        "motion is optical flow of the pixels that move most, in percent of the height a frame.</p>",
        f'<p class="note">{escape(manifest.quality_note)}</p>',
        f'<p class="quiet">{escape(", ".join(f"{name} {each}" for name, each in manifest.versions.items()))}</p>',
    ]
    if manifest.failed:
        rows = "".join(f"<tr><td>{escape(e.name)}</td><td>{escape(e.reason)}</td></tr>" for e in manifest.failed)
        lines.append(f"<h2>Failed: {len(manifest.failed)}</h2><table>{rows}</table>")
    return lines


def _charts(manifest: Manifest) -> list[str]:
    """Return what the paper shows of its set: resolution and quality; and motion."""
    sizes = Counter(f"{clip.width}x{clip.height}" for clip in manifest.clips)
    charts = [_bars("resolution", sorted(sizes.items(), key=lambda each: _pixels(each[0])))]
    dropped = [each for video in manifest.videos for each in video.dropped]
    for name, label in (("quality", "quality, 0 to 100"), ("motion", "motion, percent of the height a frame")):
        taken = [float(getattr(clip, name)) for clip in manifest.clips]
        others = [float(value) for each in dropped if (value := getattr(each, name)) is not None]
        if taken:
            charts.append(_histogram(label, taken, [*taken, *others]))
    return ["<h2>Distributions</h2>", f'<div class="row charts">{"".join(charts)}</div>']


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)


def _histogram(label: str, taken: Sequence[float], candidates: Sequence[float]) -> str:
    """Return a chart of clips before all candidates: each as shares of its own number."""
    low, high = min(candidates), max(candidates)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    parts = []
    shares = [np.histogram(values, edges)[0] / len(values) for values in (candidates, taken)]
    most = max(float(each.max()) for each in shares)
    step = WIDTH / BINS
    for share, kind, inset in zip(shares, ("all", "of-set"), (0.0, step / 4), strict=True):
        for n, each in enumerate(share):
            height = float(each) / most * (BASE - 10)
            place = f'x="{n * step + inset:.1f}" y="{BASE - height:.1f}" width="{step - 1 - 2 * inset:.1f}"'
            parts.append(f'<rect class="{kind}" {place} height="{height:.1f}"/>')
    parts += [_text(2, "start", f"{edges[0]:.3g}"), _text(WIDTH - 2, "end", f"{edges[-1]:.3g}")]
    mean = f"mean {np.mean(taken):.3g}, of all {count(len(candidates), 'candidate')} {np.mean(candidates):.3g} (grey)"
    return _figure(f"{label}: {mean}", parts)


def _bars(label: str, counts: Sequence[tuple[str, int]]) -> str:
    """Return a chart of counts by name."""
    step = WIDTH / max(len(counts), 1)
    most = max((number for _, number in counts), default=1)
    parts = []
    for n, (name, number) in enumerate(counts):
        height = number / most * (BASE - 20)
        place = f'x="{n * step + 2:.1f}" y="{BASE - height:.1f}" width="{step - 4:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="of-set" {place}/>')
        parts.append(_text((n + 0.5) * step, "middle", f"{name}: {number}"))
    return _figure(label, parts)


def _text(x: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{BASE + 12}" text-anchor="{anchor}">{escape(text)}</text>'


def _figure(caption: str, parts: Sequence[str]) -> str:
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">{"".join(parts)}</svg>'
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _video(folder: Path, video: VideoEntry, clips: Sequence[ClipEntry], measures: Measures | None) -> list[str]:
    """Return what is shown of a video."""
    facts = f"{video.width}x{video.height}, {count(video.frames, 'frame')}, {count(video.shots, 'shot')}"
    if video.sample_aspect != "1":
        facts += f", pixels were {video.sample_aspect.replace('/', ':')}"
    lines = [f"<h3>{escape(video.name)}</h3>", f'<div class="quiet">{facts}; title: {escape(video.title)}</div>']
    if video.reason:
        lines.append(f"<p>No clip: {escape(video.reason)}</p>")
    lines += [_clip(folder, clip) for clip in clips]
    candidates = sorted((e for e in video.dropped if e.score is not None), key=lambda e: -(e.score or 0))
    figures = "".join(_dropped(each, measures) for each in candidates[:SHOWN_DROPPED])
    if figures:
        lines.append(f'<div class="row">{figures}</div>')
    if video.faults or video.repeats or video.dropped:
        lines.append(_details(video))
    return lines


def _clip(folder: Path, clip: ClipEntry) -> str:
    images = images_of(folder / clip.name)
    chosen = [images[n * (len(images) - 1) // (PICTURES - 1)] for n in range(PICTURES)] if images else []
    pictures = "".join(_picture(_read_small(each)) for each in chosen)
    figures = f"score {clip.score:.1f}, quality {clip.quality:.1f}, motion {clip.motion:.2f}"
    text = f"{clip.name}: from frame {clip.first}, {figures}; taken: {clip.why}"
    return f'<div class="row taken">{pictures}</div><div class="quiet">{escape(text)}</div>'


def _dropped(each: DroppedEntry, measures: Measures | None) -> str:
    data = b""
    if measures is not None and len(measures.thumbs):
        middle = int(np.searchsorted(measures.numbers, each.first + each.frames // 2))
        data = measures.thumbs[min(middle // THUMB_EVERY, len(measures.thumbs) - 1)]
    text = f"frame {each.first}, score {each.score or 0:.1f}: {each.reason}"
    return f'<figure class="dropped">{_picture(data)}<figcaption>{escape(text)}</figcaption></figure>'


def _details(video: VideoEntry) -> str:
    """Return a table of all that was dropped: frames by their faults, and shots by their reasons."""
    rows = [
        *_rows(video.faults, "{} frames are left out: {}"),
        *_rows(video.repeats, "{} frames were shown before in {}"),
    ]
    for each in video.dropped:
        figures = "" if each.score is None else f"score {each.score:.1f}"
        rows.append((f"frames {each.first} to {each.first + each.frames - 1}", f"{figures} {each.reason}"))
    cells = "".join(f"<tr><td>{escape(one)}</td><td>{escape(other)}</td></tr>" for one, other in rows)
    return f"<details><summary>{count(len(video.dropped), 'part')} dropped</summary><table>{cells}</table></details>"


def _rows(counts: Mapping[str, int], text: str) -> list[tuple[str, str]]:
    return [("", text.format(number, name)) for name, number in counts.items()]


def _picture(jpeg: bytes) -> str:
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">' if jpeg else ""


def _read_small(file: Path) -> bytes:
    """Return an image as a small JPEG; nothing if it cannot be read."""
    try:
        picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return b""
    if picture is None:
        return b""
    width = max(round(picture.shape[1] * PICTURE_HEIGHT / picture.shape[0]), 1)
    return encode_jpeg(np.asarray(cv2.resize(picture, (width, PICTURE_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8))

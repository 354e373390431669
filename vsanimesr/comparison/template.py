"""The files of `page/` as one page with its content in it. It needs neither VapourSynth nor Pillow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def fill_page(title: str, content: Mapping[str, Any]) -> str:
    """Return the page as HTML.

    Args:
        content: what `page.js` reads, with `tables`, and the `name` and `figures` of a shot, for pages of other clips
            than those of `animesr compare`.
    """
    parts = {
        "title": title.replace("&", "&amp;").replace("<", "&lt;"),
        "style": _page_file("page.css"),
        "script": _page_file("page.js"),
        # No text of a label ends the element.
        "data": json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
    }
    # One pass: what is put in is not searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _page_file("page.html"))


def _page_file(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8")

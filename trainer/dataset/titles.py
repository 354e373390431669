"""Titles of shows, by the names of videos and of their folders."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .sources import show

_TAGS = re.compile(r"\[[^\]]*\]|\([^)]*\)|【[^】]*】")
_EPISODE = re.compile(
    r"(?:\b|_)(?:s\d{1,2}[ ._]?e\d{1,4}|season[ ._]?\d+|ep(?:isode)?[ ._#]*\d+|e\d{2,4}|ova|ncop|nced|op|ed)(?:\b|_|\d)"
    r"|第\s*\d+\s*[話话集回]|#\s*\d+|(?:^|[\s_.-])\d{1,4}(?:v\d)?(?=$|[\s_.-])",
    re.IGNORECASE,
)
_LAST_NUMBER = re.compile(r"\d+$")
_NUMBERED = r"(?:season|s|series|part|vol|volume|dis[ck]|cd|dvd|bd)"
_PART = re.compile(rf"(?:{_NUMBERED} ?)?\d+|bdmv|stream|video ts|specials?|extras?|ova|ncop|nced")
"""Names of folders that hold a part of a show, or belong to a disc."""
_LAST_PART = re.compile(rf" {_NUMBERED} ?\d+$")


def title_of(name: str, folders: Sequence[str] = ()) -> str:
    """Return the title of the show that a video belongs to.

    It is what stands before the number of the episode, without what is in brackets. A name that begins with that number
    has no title: it is that of the nearest folder that is more than a season or a disc.

    Args:
        name: of the video's file, without suffix.
        folders: names of the folders that it lies in, the nearest first.
    """
    titles = (_title_of_folder(each) for each in folders)
    return _title_of_file(name) or next(filter(None, titles), "") or _tidy(name) or show(name)


def is_doubtful(title: str) -> bool:
    """Return whether a title begins with what may be the number of an episode."""
    return title[:1].isdigit() or bool(_EPISODE.match(title))


def _title_of_file(name: str) -> str:
    """Return the title that a name holds; nothing if it begins with the number of an episode."""
    bare = _TAGS.sub(" ", name)
    found = next((each for each in _EPISODE.finditer(bare) if _tidy(bare[: each.start()])), None)
    title = _tidy(bare[: found.start()] if found else bare)
    if found is None and (title.isdigit() or _EPISODE.match(title)):
        return ""
    return _tidy(_LAST_NUMBER.sub("", title)) or title


def _title_of_folder(name: str) -> str:
    """Return the title that a name holds. It may begin with a number, as many titles do."""
    bare = _LAST_PART.sub("", _tidy(_TAGS.sub(" ", name)))
    return "" if _PART.fullmatch(bare) else _title_of_file(bare) or bare


def _tidy(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w!?'&]+|_", " ", text).split())

"""Memory that was freed and will soon be wanted again, kept by the process."""

from __future__ import annotations

import ctypes
import sys

KEPT = 256 << 20
"""Bytes, at most."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST = 32 << 20  # glibc refuses more


def keep_freed() -> None:
    """Let this process keep what its tensors give back, on glibc; elsewhere nothing happens.

    Each operator of a degradation takes a few MB and gives them back. glibc may return them to the system, depending on
    what else lies around, which clears them page by page when they are wanted again: a blur then takes three times as
    long.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_MMAP_THRESHOLD, _MOST)
        libc.mallopt(_TRIM_THRESHOLD, KEPT)

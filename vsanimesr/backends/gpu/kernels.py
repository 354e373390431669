"""Kernels that TensorRT-RTX compiles for a GPU when it loads an engine, kept so that the next process need not."""

from __future__ import annotations

import logging
from typing import Any

from ... import cache
from ...cache import Key
from .cuda import Gpu

_log = logging.getLogger(__name__)


class KernelCache:
    """The compiled kernels of one engine on one GPU.

    Args:
        config: an `IRuntimeConfig` of the engine, before a context is made of it.
        key: from `kernel_key`.
    """

    def __init__(self, config: Any, key: Key) -> None:
        self._key = key
        self._cache = config.create_runtime_cache()
        self._known = b""
        if (data := cache.read(key)) is not None:
            if self._cache.deserialize(data):
                self._known = bytes(data)
            else:
                _log.info("the kept kernels are of another system; they are compiled again")
        config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Store the kernels if there are new ones. Without a place to store them, they are compiled each time."""
        serialised = self._cache.serialize()
        data = b"" if serialised is None else bytes(serialised)
        if data not in (b"", self._known):
            cache.keep(self._key, data)


def kernel_key(engine: Key, gpu: Gpu) -> Key:
    """Return the cache key of the kernels of an engine: its own, the GPU and the driver."""
    return {**engine, "kind": "kernels", "gpu": gpu.identity}

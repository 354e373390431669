"""How long and at which size to measure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line says."""

    width: int
    height: int
    """Of the source, in pixels; multiples of 4."""
    frames: int
    """In each turn."""
    rounds: int
    """That are counted."""

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.width * self.height

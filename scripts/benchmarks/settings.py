"""Frame size and number of measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings from the command line."""

    width: int
    height: int
    """Size of the source in pixels; multiples of 4."""
    frames: int
    """Frames per measurement."""
    rounds: int
    """Rounds that count; a warm-up round comes first."""

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.width * self.height

"""Frame size and number of measurements."""

from __future__ import annotations

from dataclasses import dataclass

from vsanimesr.weights.release import RELEASES

DEFAULT_MODELS = ("v2", *(release.model for release in RELEASES.values() if release.shipped))
"""v1 has the same arithmetic as v2."""


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
    models: tuple[str, ...] = DEFAULT_MODELS
    """Models of the sections that compare them."""

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.width * self.height

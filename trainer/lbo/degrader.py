"""An operator at work in the degradation of clips: as fast as a CPU does it."""

from __future__ import annotations

import torch
from torch import Tensor

from .operator import Operator


class Degrader:
    """Degrades clips by an operator, on the CPU.

    Where the CPU computes in bfloat16, the inner layers do so, in half the time; the last one, whose values are the
    picture's, stays in float32.

    Args:
        operator: stays as it is.
    """

    def __init__(self, operator: Operator) -> None:
        self.operator = operator.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, clip: Tensor) -> Tensor:
        """A clip, float32 (frames, 3, height, width), degraded; not clamped."""
        pictures = clip.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=_computes_bfloat16()):
            features = self.operator.features(pictures)
        return self.operator.picture(features.float()).contiguous()


def _computes_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())

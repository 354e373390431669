"""The formats in which frames go to a GPU and come back."""

from __future__ import annotations

import logging

from ...errors import MissingDependencyError
from ...network.tensors import step_tensors
from ...pixels import RGBS, PixelFormat, Target
from ..base import Setup
from .convert import is_plain, load_kernels, target_layers
from .device import Device, DeviceError

_log = logging.getLogger(__name__)


def choose_formats(setup: Setup, device: Device) -> tuple[PixelFormat, Target | None]:
    """Return source and target for a pipeline: those of the setup, or RGBS and None if the GPU cannot convert them.

    The log says why it cannot.
    """
    frame = step_tensors(setup.width, setup.height, "fp32")["frame"]
    source, target = setup.source, setup.target
    if target is not None and is_plain(target, frame):
        target = None
    if source == RGBS and target is None:
        return RGBS, None
    try:
        if target is not None:
            target_layers(target, frame)
        with device.attached():
            load_kernels(device)
    except (ValueError, MissingDependencyError, DeviceError) as error:
        _log.info("frames are converted on the CPU, by VapourSynth's resize, not on the GPU: %s", error)
        return RGBS, None
    return source, target

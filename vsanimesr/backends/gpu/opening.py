"""How a backend opens its pipeline: the device, the program, the formats of frames, and what to do with too little
memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...errors import BackendError
from ...network.graph import GraphPrecision
from ..base import Setup
from .cuda import Gpu
from .device import Device, OutOfMemoryError, Program
from .formats import choose_formats
from .memory import too_little_memory
from .pipeline import Pipeline


def open_pipeline[P: Program](
    backend: str,
    setup: Setup,
    precision: GraphPrecision,
    gpu: Gpu,
    device: Device,
    open_program: Callable[[], tuple[P, bool]],
    *,
    out_of_memory: tuple[type[Exception], ...] = (),
) -> tuple[Pipeline, P]:
    """Open the program of a backend and the pipeline that runs it. The pipeline owns the device and the program.

    Args:
        backend: its name.
        device: closed if anything fails.
        open_program: returns the program, and whether its steps are to be replayed as graphs. The device is the
            thread's current one.
        out_of_memory: what the program raises, or raises from, with too little memory of the device.

    Raises:
        BackendError: the device has too little memory, and the message says how much fits; or as from `Pipeline`.
        Exception: from `open_program`.
    """
    free = 0
    try:
        source, target = choose_formats(setup, device)
        setup = replace(setup, source=source, target=target)  # the memory of what is opened, not of what was asked for
        with device.attached():
            free = device.free_memory()
            program, graphs = open_program()
        return Pipeline(device, program, backend=backend, graphs=graphs, source=source, target=target), program
    except BaseException as error:
        device.close()
        if any(isinstance(each, (OutOfMemoryError, *out_of_memory)) for each in (error, error.__cause__)):
            reason = too_little_memory(gpu, free, setup, precision)
            raise BackendError(f"backend={backend!r} cannot be opened: {reason}") from error
        raise

"""Sets up where training runs: in one process or several, by Lightning Fabric."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from ..errors import SettingError
from .config import RunConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import Precision


def launch(settings: RunConfig) -> tuple[Fabric, torch.amp.GradScaler | None]:
    """Set up this process, alone or as one of those that torchrun started.

    Returns:
        Fabric, which knows rank and device. With fp16 also the scaler of its gradients, which checkpoints have to hold.

    Raises:
        SettingError: there is no GPU for fp16, or there are fewer GPUs than processes.
    """
    from lightning_fabric import Fabric  # not at the top: importing it takes half of the time of a command's start

    local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    device = require_device(settings)
    if device == "cuda" and local_processes > torch.cuda.device_count():
        gpus = torch.cuda.device_count()
        raise SettingError(
            f"there are {gpus} GPUs for {local_processes} processes; set torchrun --nproc_per_node={gpus}"
        )
    scaler = torch.amp.GradScaler(device) if settings.precision == "fp16" else None
    fabric = Fabric(
        accelerator=device,
        devices=local_processes,
        num_nodes=process_count() // local_processes,
        plugins=[_precision_plugin(settings, device, scaler)],
    )
    fabric.launch()
    return fabric, scaler


def require_device(settings: RunConfig) -> str:
    """Return the kind of device that training runs on.

    Raises:
        SettingError: there is no GPU for fp16.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if settings.precision == "fp16" and device == "cpu":
        raise SettingError('precision="fp16" needs a GPU, and there is none; set bf16 or fp32')
    return device


def process_count() -> int:
    """Return the number of processes that train, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Return whether this is the only process that trains, or the first of all."""
    return os.environ.get("RANK", "0") == "0"


def _precision_plugin(settings: RunConfig, device: str, scaler: torch.amp.GradScaler | None) -> Precision:
    from lightning_fabric.plugins import MixedPrecision, Precision

    match settings.precision:
        case "fp32":
            return Precision()
        case "bf16":
            return MixedPrecision("bf16-mixed", device)
        case "fp16":
            return MixedPrecision("16-mixed", device, scaler)

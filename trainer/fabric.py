"""Where training runs: one process, or several, by Lightning Fabric."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision

from .errors import SettingError
from .stages import Stage


def launched(settings: Stage) -> tuple[Fabric, torch.amp.GradScaler | None]:
    """This process as one of those that torchrun started, or alone.

    Returns:
        Fabric, which knows rank and device; and with fp16 what scales its gradients, which a checkpoint has to hold.

    Raises:
        SettingError: fp16 without a GPU; or fewer GPUs than processes.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    everywhere = int(os.environ.get("WORLD_SIZE", "1"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if settings.precision == "fp16" and device == "cpu":
        raise SettingError('precision="fp16" needs a GPU, and there is none; set bf16 or fp32')
    if device == "cuda" and here > torch.cuda.device_count():
        raise SettingError(
            f"there are {torch.cuda.device_count()} GPUs for {here} processes; give torchrun --nproc_per_node as many"
        )
    scaler = torch.amp.GradScaler(device) if settings.precision == "fp16" else None
    fabric = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=everywhere // here,
        plugins=[_precision(settings, device, scaler)],
    )
    fabric.launch()
    return fabric, scaler


def _precision(settings: Stage, device: str, scaler: torch.amp.GradScaler | None) -> Precision:
    match settings.precision:
        case "fp32":
            return Precision()
        case "bf16":
            return MixedPrecision("bf16-mixed", device)
        case "fp16":
            return MixedPrecision("16-mixed", device, scaler)

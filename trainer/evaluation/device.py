"""Where upscalers and measures run."""

from __future__ import annotations

import torch

from vsanimesr.machine import cores, processor


def choose_device() -> torch.device:
    """Return the GPU that PyTorch finds, else the CPU. On a GPU, TF32 is off: scores must not depend on the card."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return device


def name_device(device: torch.device) -> str:
    """Return the name of the GPU or of the processor, which results depend on by rounding."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def describe_device(device: torch.device) -> str:
    """Return what times depend on: for a processor, its number of cores too."""
    return name_device(device) if device.type == "cuda" else f"{processor()}, {cores()} cores"

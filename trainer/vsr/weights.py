"""Loads trained networks: released weights, a weights file, a checkpoint or a run."""

from __future__ import annotations

from pathlib import Path

from vsanimesr.network.torch_network import AnimeSR, build_network

from ..core import checkpoints
from ..core.start import is_run, load_state, read_weights
from .config import NETWORK_CONFIGS


def load_network(name: str, argument: str = "start") -> AnimeSR:
    """Load a network with its EMA weights. Its shape is that of the run or file.

    Args:
        name: a name of weights, such as `v2`; or the path of a `.pth` or `.safetensors` file, of a checkpoint (`.pt`),
            or of a run's folder, which stands for its best step, as in `read_run`.
        argument: what names it, for errors.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    if not is_run(name):
        return build_network(read_weights(name, argument)).eval()
    path, state = checkpoints.read_run(Path(name).expanduser())
    config = checkpoints.read_config(path, state, *NETWORK_CONFIGS)
    network = config.build_network()
    load_state(name, network, state["ema"], config.shape_settings)
    return network.eval()

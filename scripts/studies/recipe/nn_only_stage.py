"""Recipe's training of the network with NN-only as the whole degradation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from torch import nn

from trainer.settings import override
from trainer.vsr import train as vsr_train
from trainer.vsr.config import preset

from ..repairing.nn_only import NNOnly, UnpairedPictures, train_or_load
from ..repairing.table2 import OPERATOR_ALONE, NetworkOperator


class NNOnlyOperator(NetworkOperator):
    """NN-only in the place of a pool's operator. The run names it by the content of its weights."""

    def __init__(self, network: nn.Module, *, bf16: bool) -> None:
        super().__init__(network, bf16=bf16)
        self.operator = network


def train_degradation(hq: Path, episodes: Sequence[Path], file: Path, *, steps: int, seed: int, bf16: bool) -> NNOnly:
    """Train the network that degrades, or load it if there is a file."""
    return train_or_load(lambda: UnpairedPictures.load(hq, episodes), file, steps, seed=seed, bf16=bf16)


def train_network(assignments: Sequence[str], network: NNOnly, folder: Path, *, bf16: bool) -> None:
    """Train the network that upscales with these settings, NN-only in place of the whole degradation."""
    settings = override(preset("vsr-final", "paper"), [*assignments, *OPERATOR_ALONE])
    # The command line takes operators only as files, and NN-only is none of their shape.
    with patch.object(vsr_train, "_load_pool", lambda _: [NNOnlyOperator(network, bf16=bf16)]):
        vsr_train.train(settings, folder)

"""Fixtures for the tests of table 2."""

from __future__ import annotations

import pytest

from trainer.errors import LossError
from trainer.losses.vgg.weights import read_vgg


@pytest.fixture(scope="session")
def vgg() -> None:
    """The weights of VGG that NN-only learns with, if they can be fetched."""
    try:
        read_vgg("auto")
    except LossError as error:
        pytest.skip(f"VGG cannot be fetched: {error}")

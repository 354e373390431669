"""NIQE is BasicSR's, of pictures of any size; its parameters are fetched once, and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.evaluation.pictures import NIQE, draw_picture
from trainer.errors import LossError
from trainer.evaluation.niqe import BLOCK, RELEASE, NiqeParameters, niqe, read_niqe_parameters


@pytest.mark.parametrize("number", range(len(NIQE)))
def test_it_is_that_of_basicsr(number: int, parameters: NiqeParameters) -> None:
    assert niqe(draw_picture(number), parameters) == pytest.approx(NIQE[number], abs=1e-3)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, BLOCK - 1), st.integers(0, BLOCK - 1), st.integers(0, 2**32))
def test_what_fills_no_block_does_not_count(bottom: int, right: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    stand_in = NiqeParameters(np.zeros(36), np.eye(36), np.full((7, 7), 1 / 49))
    picture = random.integers(0, 256, (BLOCK, 2 * BLOCK, 3), np.uint8)
    larger = random.integers(0, 256, (BLOCK + bottom, 2 * BLOCK + right, 3), np.uint8)
    larger[:BLOCK, : 2 * BLOCK] = picture
    assert niqe(larger, stand_in) == niqe(picture, stand_in)


@pytest.mark.parametrize(
    "picture", [np.zeros((BLOCK, 2 * BLOCK - 1, 3), np.uint8), np.full((3 * BLOCK, 300, 3), 7, np.uint8)]
)
def test_without_texture_there_is_none(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    stand_in = NiqeParameters(np.zeros(36), np.eye(36), np.full((7, 7), 1 / 49))
    assert np.isnan(niqe(picture, stand_in))


def test_its_parameters_are_fetched_once_and_verified(
    basicsr_folder: Path, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(basicsr_folder))
    first = read_niqe_parameters()
    monkeypatch.delenv("PIP_FIND_LINKS")  # nothing can be fetched any more
    assert np.array_equal(read_niqe_parameters().covariance, first.covariance)
    file = empty_cache / RELEASE.file
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(LossError, match="cannot be fetched"):
        read_niqe_parameters()

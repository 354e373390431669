"""Files of operators, and the pool: what is read and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.degradation.learned.operators import save_random_operator
from trainer.degradation.learned.operator import Operator
from trainer.degradation.learned.pool import fingerprint, read_operator, read_pool
from trainer.errors import OperatorError, TrainerError


def test_saved_operators_are_read_also_in_the_format_of_the_release(tmp_path: Path) -> None:
    operator = read_operator(save_random_operator(tmp_path / "own", halves=True))
    bare, wrapped = tmp_path / "bare.pth", tmp_path / "wrapped.pth"
    torch.save(operator.state_dict(), bare)
    torch.save({"params": operator.state_dict()}, wrapped)

    fingerprints = {fingerprint(read_operator(path)) for path in (tmp_path / "own", bare, wrapped)}

    assert len(fingerprints) == 1
    other = read_operator(save_random_operator(tmp_path / "other", halves=True, seed=1))
    assert fingerprint(other) not in fingerprints


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"main.0.weight": torch.zeros(64, 5, 3, 3)}, r"it has main\.0\.weight of shape \(64, 5, 3, 3\)"),
        ({"conv.weight": torch.zeros(1)}, r"it has no main\.0\.weight"),
        ({"main.0.weight": torch.zeros(4, 3, 3, 3)}, "is no operator .*main.0.bias"),
        ({**Operator(halves=True).state_dict(), "main.4.weight": torch.zeros(3, 9, 3, 3)}, "size mismatch for main.4"),
    ],
)
def test_other_weights_are_refused(weights: dict[str, torch.Tensor], message: str, tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "x.pth")

    with pytest.raises(OperatorError, match=message):
        read_operator(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_damaged_and_missing_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=f"{name} cannot be read"):
        read_operator(tmp_path / name)
    (tmp_path / name).write_bytes(b"PK no operator")
    with pytest.raises(OperatorError, match=f"{name} is damaged, or no operator"):
        read_operator(tmp_path / name)
    with pytest.raises(OperatorError, match=r"operator\.safetensors cannot be read"):
        read_operator(tmp_path)


def test_all_operators_of_a_pool_have_its_mode(tmp_path: Path) -> None:
    keeps, halves = (str(save_random_operator(tmp_path / str(each), halves=each)) for each in (False, True))

    assert [operator.halves for operator in read_pool([halves, halves], "replace")] == [True, True]
    assert [operator.halves for operator in read_pool([keeps], "after_down")] == [False]
    with pytest.raises(OperatorError, match=r"True halves the size, .*lbo_mode=replace, and the mode is after_down"):
        read_pool([keeps, halves], "after_down")
    with pytest.raises(OperatorError, match=r"False keeps the size.* or train it with operator\.halves=true"):
        read_pool([halves, keeps], "replace")


def test_errors_are_the_trainer_s() -> None:
    assert issubclass(OperatorError, TrainerError)

"""Networks out of files that the user has: BSRGAN, RealBasicVSR, and others of their architectures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vsanimesr.paths import user_path
from vsanimesr.weights.load import compare

from ..errors import BaselineError
from .network import BaselineNetwork
from .realbasicvsr import RealBasicVsr
from .rrdb import Rrdb, count_blocks, rename

type StateDict = dict[str, Tensor]

# Under which a checkpoint may hold its state dict, best first, and how it may call its generator.
_PLACES = ("params_ema", "params", "state_dict")
_PREFIXES = ("generator_ema.", "generator.", "module.")
_COUNTER = "step_counter"
"""A number that files of RealBasicVSR hold beside the weights."""


def load_rrdb(path: str) -> BaselineNetwork:
    """Load BSRGAN, ESRGAN or Real-ESRGAN for a factor of 4, of any number of blocks.

    Args:
        path: a `.pth` file of the authors or of BasicSR.

    Raises:
        BaselineError: the file cannot be read, or holds another network.
    """
    tensors = rename(_read(path))
    with torch.device("meta"):  # a damaged file may ask for many blocks, which take no memory there
        network = Rrdb(blocks=max(count_blocks(tensors), 1))
    return _fill(network, tensors, path)


def load_realbasicvsr(path: str) -> BaselineNetwork:
    """Load RealBasicVSR.

    Args:
        path: a `.pth` file of the authors or of MMEditing.

    Raises:
        BaselineError: the file cannot be read, or holds another network.
    """
    with torch.device("meta"):
        network = RealBasicVsr()
    return _fill(network, _read(path), path)


def _read(path: str) -> StateDict:
    """Read a state dict. PyTorch admits only tensors and plain values, and runs nothing."""
    try:
        content = torch.load(user_path(path), map_location="cpu", weights_only=True)
    except OSError as error:
        raise BaselineError(f"{path!r} cannot be read: {error.strerror or error}; check the path") from error
    except Exception as error:  # a damaged file can raise nearly any error
        reason = str(error).partition("\n")[0] or repr(error)
        raise BaselineError(f"{path!r} is damaged, or no file of PyTorch ({reason}); fetch it again") from error
    return _select(content, path)


def _select(content: object, path: str) -> StateDict:
    """Return the tensors of the generator, averaged if there are both."""
    if isinstance(content, Mapping):
        content = next((content[place] for place in _PLACES if place in content), content)
    if not isinstance(content, Mapping) or not content:
        raise BaselineError(f"{path!r} holds no state dict; use a file of weights")
    tensors = {str(key): value for key, value in content.items() if key != _COUNTER}
    if others := [key for key, value in tensors.items() if not isinstance(value, Tensor)]:
        raise BaselineError(f"{path!r} holds something else than tensors, under {others[0]!r}; use a file of weights")
    prefix = next((each for each in _PREFIXES if any(key.startswith(each) for key in tensors)), "")
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _fill(network: BaselineNetwork, tensors: StateDict, path: str) -> BaselineNetwork:
    """Put a state dict into a network on no device, whose keys and shapes it has."""
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    if faults := compare(expected, {key: tuple(tensor.shape) for key, tensor in tensors.items()}):
        raise BaselineError(
            f"{path!r} holds weights of another network: {'; '.join(faults)}. Use weights of "
            f"{_NAMES[type(network)]} for a factor of 4"
        )
    if broken := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise BaselineError(f"{path!r} holds values that are not finite, in {broken[0]}; fetch it again")
    network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    return network


_NAMES: dict[type, str] = {Rrdb: "BSRGAN or Real-ESRGAN (RRDB)", RealBasicVsr: "RealBasicVSR"}

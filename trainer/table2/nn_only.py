"""NN-only, the other method of the paper's table 2: one large network learns the whole degradation of all episodes.

It learns from unpaired pictures (DSGAN: Fritsche, Gu and Timofte 2019). A colour loss compares the low frequencies; the
discriminator sees the high frequencies only. The network that upscales is then trained with it alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from vsanimesr.files import write_atomic
from vsanimesr.network.shapes import SCALE

from ..core import checkpoints
from ..data.clips import Clip, Frame, find_clips, require_clip
from ..data.uint8 import to_float, to_uint8
from ..degradation.learned.operator import COLOURS, LEAKY_SLOPE
from ..degradation.scaling import downscale
from ..errors import ClipError
from ..losses.discriminator import MultiScaleDiscriminator
from ..losses.objective import l1, lsgan
from ..losses.perceptual import Perceptual, PerceptualLoss
from ..losses.vgg.weights import read_vgg
from ..settings import override
from ..vsr.config import VSRConfig
from ..vsr.train import train

_log = logging.getLogger(__name__)

FEATURES, BLOCKS = 64, 8
"""594,371 parameters; the paper says 594K."""
COARSE = 5
"""Side of the box filter that separates low from high frequencies, in pixels."""
PERCEPTUAL, GAN = 0.01, 0.05
"""Weights of the losses, with colour at 1. DSGAN has 0.005 for its GAN, a cross entropy, which stays larger."""
SIZE, LEAST, BATCH = 48, 32, 8
"""Side of a crop in pixels of LQ, at most and at least; and crops of a step."""
RATE = 2e-4
LOG, SAVE = 100, 500
"""Steps between two lines of losses, and between two checkpoints."""
MOST = 2000
"""Largest number of pictures of each kind, spread evenly: they are kept in memory."""
ALONE = (
    *("degradation.down.factors=[4]", "degradation.down.modes.bilinear=0", "degradation.down.modes.bicubic=0"),
    *("degradation.down.lbo=1", "degradation.down.lbo_mode=after_down", "degradation.noise.sigma=[0,0]"),
    *("degradation.blur.isotropic=1", "degradation.blur.sigma=[0.2,0.2]", "degradation.codec.crf=[1,1]"),
)
"""NN-only is the whole degradation: the basic operators around it have no visible effect."""


class NNOnly(nn.Module):
    """Residual blocks. The initial output is the input."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _conv(COLOURS, FEATURES)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(FEATURES, FEATURES), nn.LeakyReLU(LEAKY_SLOPE), _conv(FEATURES, FEATURES))
            for _ in range(BLOCKS)
        )
        self.tail = _conv(FEATURES, COLOURS)
        nn.init.zeros_(self.tail.weight)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return LQ pictures of the same size, not clamped.

        Args:
            pictures: clean ones, float32 (n, 3, height, width).
        """
        features = functional.leaky_relu(self.head(pictures), LEAKY_SLOPE)
        for block in self.blocks:
            features = features + block(features)
        degraded: Tensor = pictures + self.tail(features)
        return degraded


@dataclass(frozen=True)
class UnpairedPictures:
    """Clean pictures of the size of LQ, and pictures of episodes."""

    clean: Sequence[Frame]
    real: Sequence[Frame]

    @classmethod
    def load(cls, hq: Path, episodes: Sequence[Path]) -> UnpairedPictures:
        """Load HQ clips, scaled down, and videos."""
        clean = [_scale_down(picture) for picture in _read(find_clips(hq))]
        return cls(clean, list(_read([require_clip(file, "episode") for file in episodes])))

    def sample(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return random crops of both, float32 (BATCH, 3, side, side) in [0, 1]."""
        kinds = self.clean, self.real
        side = min(SIZE, self._smallest)
        clean, real = (torch.cat([_crop(kind, side, generator) for _ in range(BATCH)]) for kind in kinds)
        return clean, real

    @cached_property
    def _smallest(self) -> int:
        return min(int(side) for picture in (*self.clean, *self.real) for side in picture.shape[:2])


def require_sizes(hq: Sequence[Clip], episodes: Sequence[Clip]) -> None:
    """Refuse clips that NN-only cannot learn from.

    Raises:
        ClipError: one is too small.
    """
    for clips, scale, what in ((hq, SCALE, "HQ clip"), (episodes, 1, "episode")):
        for clip in clips:
            width, height = clip.check()
            if min(width, height) < LEAST * scale:
                least = f"NN-only learns from crops of {LEAST * scale}x{LEAST * scale} or more"
                raise ClipError(f"{what} {clip.name!r} has {width}x{height} pixels, and {least}; leave it out")


def train_or_load(
    load_pictures: Callable[[], UnpairedPictures],
    file: Path,
    steps: int,
    *,
    seed: int = 0,
    bf16: bool = True,
    vgg: str = "auto",
    made_of: str = "",
) -> NNOnly:
    """Load the network from `file`, or train and save it if there is no file. A training that was stopped goes on from
    its last checkpoint, with the same bits.

    Args:
        load_pictures: is called if the network is trained.
        bf16: compute in bfloat16, which is slow on processors without it.
        vgg: weights of the perceptual loss, as for `read_vgg`.
        made_of: text that tells the pictures and these weights from others.

    Raises:
        TrainerError: pictures or weights cannot be read.
    """
    if not file.is_file():
        torch.manual_seed(seed)
        network = NNOnly()
        _Training(network, load_pictures, vgg, bf16).run(steps, seed, file.with_suffix(""), f"{seed} {bf16} {made_of}")
        write_atomic(file, save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))
    return load_nn_only(file)


def load_nn_only(file: Path) -> NNOnly:
    """Load a network that `train_or_load` saved."""
    network = NNOnly()
    network.load_state_dict(load_file(file))
    return network.requires_grad_(False).eval()


class _Training:
    """Trains the network against its discriminator. It leaves the network on the CPU."""

    def __init__(self, network: NNOnly, load_pictures: Callable[[], UnpairedPictures], vgg: str, bf16: bool) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).to(memory_format=torch.channels_last)
        discriminator = MultiScaleDiscriminator(layers=(2,)).to(self._device)
        self._discriminator = discriminator.to(memory_format=torch.channels_last)
        self._optimisers = [
            torch.optim.Adam(module.parameters(), RATE, betas=(0.5, 0.99)) for module in (network, discriminator)
        ]
        self._load_pictures = load_pictures
        self._vgg = vgg
        self._bf16 = bf16

    def run(self, steps: int, seed: int, folder: Path, made_of: str) -> None:
        """Train until the last step. Checkpoints are of the same run if they are made of the same."""
        begun = self._resume(folder, made_of)
        if begun < steps:
            pictures, perceptual = self._load_pictures(), PerceptualLoss(Perceptual(weight=1.0), read_vgg(self._vgg))
            perceptual.to(self._device)
        for step in range(begun + 1, steps + 1):
            clean, real = pictures.sample(np.random.default_rng((seed, step)))
            losses = self._step(clean, real, perceptual)
            if step % LOG == 0:
                texts = (f"{name} {value.item():.4f}" for name, value in losses.items())
                _log.info("NN-only, step %d of %d: %s", step, steps, ", ".join(texts))
            if step % SAVE == 0 or step == steps:
                self._save(folder, step, made_of)
        self._network.to("cpu")

    def _step(self, clean: Tensor, real: Tensor, perceptual_loss: PerceptualLoss) -> dict[str, Tensor]:
        """Train one step. Return the losses, which are read only where they are logged: a GPU is waited for then."""
        optimiser, d_optimiser = self._optimisers
        network, discriminator = self._network, self._discriminator
        clean, real = (each.to(self._device, memory_format=torch.channels_last) for each in (clean, real))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            # 1. The network: same colours, similar features, and high frequencies that look real.
            discriminator.requires_grad_(False)
            fake = network(clean).float()
            colour, perceptual = l1(low_frequencies(fake), low_frequencies(clean)), perceptual_loss(fake, clean)
            gan = lsgan(discriminator(high_frequencies(fake)), real=True)
            optimiser.zero_grad()
            loss: Tensor = colour + PERCEPTUAL * perceptual + GAN * gan
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            # 2. The discriminator.
            discriminator.requires_grad_(True)
            d_real = lsgan(discriminator(high_frequencies(real)), real=True)
            d_fake = lsgan(discriminator(high_frequencies(fake.detach())), real=False)
            d_optimiser.zero_grad()
            (d_real + d_fake).backward()  # type: ignore[no-untyped-call]
            d_optimiser.step()
        losses = {"colour": colour, "perceptual": perceptual, "gan": gan, "d_real": d_real, "d_fake": d_fake}
        return {name: value.detach() for name, value in losses.items()}

    def _save(self, folder: Path, step: int, made_of: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: each.state_dict() for name, each in self._parts().items()}
        checkpoints.save(folder, step, {"step": step, "settings": made_of, "ema": {}, **parts}, keep=1)

    def _resume(self, folder: Path, made_of: str) -> int:
        """Load the last checkpoint. Return its step, 0 if there is none that is made of the same."""
        state = checkpoints.read_newest(folder) if checkpoints.paths_in(folder) else None
        if state is None or state["settings"] != made_of:
            for path in checkpoints.paths_in(folder):
                path.unlink()
            return 0
        for name, each in self._parts().items():
            each.load_state_dict(state[name])
        return int(state["step"])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        optimiser, d_optimiser = self._optimisers
        modules = {"network": self._network, "discriminator": self._discriminator}
        return {**modules, "optimiser": optimiser, "discriminator optimiser": d_optimiser}


class NNOnlyOperator:
    """NN-only in the place of a pool's operator. The run names it by the content of its weights.

    Args:
        bf16: compute in bfloat16, which is slow on processors without it.
    """

    def __init__(self, network: nn.Module, *, bf16: bool) -> None:
        self.operator = network.to(memory_format=torch.channels_last)
        self._bf16 = bf16

    @torch.inference_mode()
    def __call__(self, clip: Tensor) -> Tensor:
        """Degrade a clip, float32 (frames, 3, height, width), on the CPU. Values are not clamped."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            degraded: Tensor = self.operator(clip.contiguous(memory_format=torch.channels_last))
        return degraded.float().contiguous()


def train_with_nn_only(settings: VSRConfig, network: nn.Module, folder: Path, *, renew: bool = False) -> None:
    """Train the network that upscales with these settings, and NN-only as the whole degradation.

    Args:
        settings: of a stage with or without operators.
        folder, renew: as for `vsr.train.train`.

    Raises:
        TrainerError: as for `vsr.train.train`.
    """
    operator = NNOnlyOperator(network, bf16=settings.precision == "bf16")
    train(alone(settings), folder, renew=renew, pool=[operator])


def alone(settings: VSRConfig) -> VSRConfig:
    """Return settings with NN-only as the whole degradation."""
    return override(settings.model_copy(update={"lbo_pool": ()}), ALONE)


def low_frequencies(pictures: Tensor) -> Tensor:
    padded = functional.pad(pictures, (COARSE // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, COARSE, 1)


def high_frequencies(pictures: Tensor) -> Tensor:
    return pictures - low_frequencies(pictures)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _read(clips: Sequence[Clip]) -> Iterator[Frame]:
    """Yield frames of clips, evenly spread if there are many."""
    every = ceil(sum(map(len, clips)) / MOST)
    for clip in clips:
        yield from clip.read(range(0, len(clip), every))


def _scale_down(picture: Frame) -> Frame:
    small: Frame = to_uint8(downscale(to_float(picture[None]), SCALE, "area"))[0]
    return small


def _crop(pictures: Sequence[Frame], side: int, generator: Generator) -> Tensor:
    picture = pictures[int(generator.integers(len(pictures)))]
    top, left = (int(generator.integers(length - side + 1)) for length in picture.shape[:2])
    return to_float(picture[None, top : top + side, left : left + side])  # not flipped: pairs are not either

"""NN-only, the other method of the paper's table 2: one large network learns the whole degradation of all episodes.

It learns from unpaired pictures (DSGAN: Fritsche, Gu and Timofte 2019). A colour loss compares the low frequencies; the
discriminator sees the high frequencies only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from trainer.data.clips import Clip, Frame, find_clips, require_clip
from trainer.data.uint8 import to_float, to_uint8
from trainer.degradation.learned.operator import COLOURS, LEAKY_SLOPE
from trainer.degradation.scaling import downscale
from trainer.losses.discriminator import MultiScaleDiscriminator
from trainer.losses.objective import l1, lsgan
from trainer.losses.perceptual import Perceptual, PerceptualLoss
from trainer.losses.vgg.weights import read_vgg
from vsanimesr.files import write_atomic

from .synthetic_faults import SCALE

FEATURES, BLOCKS = 64, 8
"""594,371 parameters; the paper says 594K."""
COARSE = 5
"""Side of the box filter that separates low from high frequencies, in pixels."""
PERCEPTUAL, GAN = 0.01, 0.05
"""Weights of the losses, with colour at 1. DSGAN has 0.005 for its GAN, a cross entropy, which stays larger."""
SIZE, BATCH = 48, 8
RATE = 2e-4
LOG = 100
"""Steps between two lines of losses."""


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
        clean = [_scale_down(picture) for clip in find_clips(hq) for picture in _read(clip)]
        real = [picture for file in episodes for picture in _read(require_clip(file, "episode"))]
        return cls(clean, real)

    def sample(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return random crops of both, float32 (BATCH, 3, SIZE, SIZE) in [0, 1]."""
        clean, real = (torch.cat([_crop(kind, generator) for _ in range(BATCH)]) for kind in (self.clean, self.real))
        return clean, real


def train_or_load(
    load_pictures: Callable[[], UnpairedPictures], file: Path, steps: int, *, seed: int = 0, bf16: bool = True
) -> NNOnly:
    """Load the network from `file`, or train and save it if there is no file.

    Args:
        load_pictures: is called if the network is trained.
        bf16: compute in bfloat16, which is slow on processors without it.
    """
    torch.manual_seed(seed)
    network = NNOnly().to(memory_format=torch.channels_last)
    if file.is_file():
        network.load_state_dict(load_file(file))
    else:
        _train(network, load_pictures(), steps, seed=seed, bf16=bf16)
        write_atomic(file, save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))
    return network.requires_grad_(False).eval()


def _train(network: NNOnly, pictures: UnpairedPictures, steps: int, *, seed: int, bf16: bool) -> None:
    discriminator = MultiScaleDiscriminator(layers=(2,)).to(memory_format=torch.channels_last)
    perceptual_loss = PerceptualLoss(Perceptual(weight=1.0), read_vgg("auto"))
    generator = np.random.default_rng(seed)
    optimiser, d_optimiser = (
        torch.optim.Adam(module.parameters(), RATE, betas=(0.5, 0.99)) for module in (network, discriminator)
    )
    for step in range(1, steps + 1):
        clean, real = (each.contiguous(memory_format=torch.channels_last) for each in pictures.sample(generator))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
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
        if step % LOG == 0:
            losses = {"colour": colour, "perceptual": perceptual, "gan": gan, "d_real": d_real, "d_fake": d_fake}
            print(f"step {step}", *(f"{name} {value:.4f}" for name, value in losses.items()), sep="  ", flush=True)


def low_frequencies(pictures: Tensor) -> Tensor:
    padded = functional.pad(pictures, (COARSE // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, COARSE, 1)


def high_frequencies(pictures: Tensor) -> Tensor:
    return pictures - low_frequencies(pictures)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _read(clip: Clip) -> list[Frame]:
    return list(clip.read(range(len(clip))))


def _scale_down(picture: Frame) -> Frame:
    small: Frame = to_uint8(downscale(to_float(picture[None]), SCALE, "area"))[0]
    return small


def _crop(pictures: Sequence[Frame], generator: Generator) -> Tensor:
    picture = pictures[int(generator.integers(len(pictures)))]
    top, left = (int(generator.integers(side - SIZE + 1)) for side in picture.shape[:2])
    return to_float(picture[None, top : top + SIZE, left : left + SIZE])  # not flipped: pairs are not either

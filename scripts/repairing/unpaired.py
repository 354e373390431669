"""NN-only, what the paper's table 2 sets learned operators against: one large network that learns the whole degradation
of all episodes at once, from pictures that are no pairs (DSGAN: Fritsche, Gu and Timofte 2019).

Colours are kept near by what is coarse, and the discriminator sees what is fine only.
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

from trainer.clips import Clip, Picture, find_clips, opened_clip
from trainer.degradation.levels import clip_of, pictures_of
from trainer.degradation.scaling import scaled_down
from trainer.discriminator import MultiScaleDiscriminator
from trainer.lbo.operator import COLOURS, SLOPE
from trainer.losses import l1, taken_for_made, taken_for_real
from trainer.perceptual import Perceptual, PerceptualLoss
from trainer.vgg_weights import read_vgg
from vsanimesr.files import write_whole

from .hidden import SCALE

FEATURES, BLOCKS = 64, 8
"""594,371 parameters: the paper says 594K."""
COARSE = 5
"""A mean of so many pixels on each side is what is coarse."""
PERCEPTUAL, GAN = 0.01, 0.05
"""Beside colours; DSGAN has 0.005 for its GAN, whose loss is a cross entropy and stays larger."""
SIZE, BATCH = 48, 8
RATE = 2e-4
EVERY = 100
"""Steps, of which a line tells the losses."""


class Large(nn.Module):
    """Residual blocks; begins by changing nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _conv(COLOURS, FEATURES)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(FEATURES, FEATURES), nn.LeakyReLU(SLOPE), _conv(FEATURES, FEATURES))
            for _ in range(BLOCKS)
        )
        self.tail = _conv(FEATURES, COLOURS)
        nn.init.zeros_(self.tail.weight)

    def forward(self, pictures: Tensor) -> Tensor:
        """LQ pictures, float32 (n, 3, height, width), of clean ones of their size; not clamped."""
        features = functional.leaky_relu(self.head(pictures), SLOPE)
        for block in self.blocks:
            features = features + block(features)
        degraded: Tensor = pictures + self.tail(features)
        return degraded


@dataclass(frozen=True)
class Unpaired:
    """Clean pictures of the size of LQ, and those of episodes."""

    clean: Sequence[Picture]
    real: Sequence[Picture]

    @classmethod
    def found(cls, hq: Path, episodes: Sequence[Path]) -> Unpaired:
        """Of HQ clips scaled down, and of videos."""
        clean = [_small(picture) for clip in find_clips(hq) for picture in _pictures(clip)]
        real = [picture for file in episodes for picture in _pictures(opened_clip(file, "episode"))]
        return cls(clean, real)

    def batch(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Crops of either, float32 (BATCH, 3, SIZE, SIZE) in [0, 1]."""
        clean, real = (torch.cat([_crop(kind, generator) for _ in range(BATCH)]) for kind in (self.clean, self.real))
        return clean, real


def learned(pictures: Callable[[], Unpaired], file: Path, steps: int) -> Large:
    """Train it, unless `file` has it.

    Args:
        pictures: finds what it is trained on.
    """
    torch.manual_seed(0)
    large = Large().to(memory_format=torch.channels_last)
    if file.is_file():
        large.load_state_dict(load_file(file))
    else:
        _train(large, pictures(), steps)
        write_whole(file, save({name: tensor.contiguous() for name, tensor in large.state_dict().items()}))
    return large.requires_grad_(False).eval()


def _train(large: Large, pictures: Unpaired, steps: int) -> None:
    discriminator = MultiScaleDiscriminator(layers=(2,)).to(memory_format=torch.channels_last)
    looks = PerceptualLoss(Perceptual(weight=1.0), read_vgg("auto"))
    generator = np.random.default_rng(0)
    of_large, of_discriminator = (
        torch.optim.Adam(network.parameters(), RATE, betas=(0.5, 0.99)) for network in (large, discriminator)
    )
    for step in range(1, steps + 1):
        clean, real = (each.contiguous(memory_format=torch.channels_last) for each in pictures.batch(generator))
        with torch.autocast("cpu", torch.bfloat16):
            # 1. The network: near in colour, like the clean picture, and taken for real where it is fine.
            discriminator.requires_grad_(False)
            made = large(clean).float()
            colour, look = l1(_coarse(made), _coarse(clean)), looks(made, clean)
            gan = taken_for_real(discriminator(_fine(made)))
            of_large.zero_grad()
            loss: Tensor = colour + PERCEPTUAL * look + GAN * gan
            loss.backward()  # type: ignore[no-untyped-call]
            of_large.step()
            # 2. The discriminator.
            discriminator.requires_grad_(True)
            judged = taken_for_real(discriminator(_fine(real))) + taken_for_made(discriminator(_fine(made.detach())))
            of_discriminator.zero_grad()
            judged.backward()  # type: ignore[no-untyped-call]
            of_discriminator.step()
        if step % EVERY == 0:
            print(f"step {step}  colour {colour:.4f}  look {look:.3f}  gan {gan:.3f}  judged {judged:.3f}", flush=True)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _coarse(pictures: Tensor) -> Tensor:
    padded = functional.pad(pictures, (COARSE // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, COARSE, 1)


def _fine(pictures: Tensor) -> Tensor:
    return pictures - _coarse(pictures)


def _pictures(clip: Clip) -> list[Picture]:
    return list(clip.read(range(len(clip))))


def _small(picture: Picture) -> Picture:
    small: Picture = pictures_of(scaled_down(clip_of(picture[None]), SCALE, "area"))[0]
    return small


def _crop(pictures: Sequence[Picture], generator: Generator) -> Tensor:
    picture = pictures[int(generator.integers(len(pictures)))]
    top, left = (int(generator.integers(side - SIZE + 1)) for side in picture.shape[:2])
    return clip_of(picture[None, top : top + SIZE, left : left + SIZE])  # not turned: nor are pairs

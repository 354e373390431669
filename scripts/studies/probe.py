"""Ask a released network which degradation it was trained with.

    python -m scripts.studies.probe CLIPS -o FOLDER

A network that has learned all it can from a degradation is stationary under it: over many clips, the gradients of its
loss cancel each other. Under another degradation they agree on a direction. Each degradation gets the same clips and
crops. What is measured stays in FOLDER, so that the study can continue; a table of all that is there is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.benchmarks.table import Table
from trainer.data.clips import Clip, find_clips
from trainer.degradation.settings import PRESETS, Blur, Codec, Degradation, Noise
from trainer.losses.objective import l1
from trainer.losses.perceptual import Perceptual, PerceptualLoss
from trainer.losses.vgg.weights import read_vgg
from trainer.vsr.dataset import DegradedClips, Sampling
from trainer.vsr.recurrence import Recurrence
from trainer.vsr.weights import load_network

from .commands import make_parser, report

SAMPLING = Sampling(frames=7)
"""As in the paper, with 7 frames instead of 15."""
SAMPLES = 20
RESAMPLES = 2000
"""Bootstrap resamples of the clips, for intervals."""
DEGRADATIONS: Mapping[str, Degradation] = {
    "paper": PRESETS["paper"],
    "release": PRESETS["release"],
    "paper, no blur": Degradation(blur=Blur(isotropic=1, sigma=(0.2, 0.2))),
    "paper, strong blur": Degradation(blur=Blur(isotropic=1, sigma=(4, 6))),
    "paper, strong noise": Degradation(noise=Noise(sigma=(15, 30))),
    "paper, no codec": Degradation(codec=Codec(crf=(1, 1))),
    "paper, strong codec": Degradation(codec=Codec(crf=(36, 44))),
}
LOSSES = ("L1", "L1 + perceptual")

type Numbers = NDArray[np.float64]
type Products = NDArray[np.float64]
"""(samples, samples): dot products of the gradients of samples."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = make_parser("probe", __doc__ or "")
    parser.add_argument("clips", type=Path, help="folder of HQ clips")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "probe"), help="default: %(default)s")
    parser.add_argument("--networks", default="v1,v2", help="networks (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="clips of each degradation (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    clips = find_clips(options.clips)
    tables = []
    for network in options.networks.split(","):
        rows = []
        for name, degradation in DEGRADATIONS.items():
            file = options.out / f"{Path(network).stem}-{name.replace(', ', '-').replace(' ', '-')}.npz"
            if not file.is_file():
                print(f"probe: {network}, {name}", file=sys.stderr)
                losses, products = measure(network, clips, degradation, options.samples)
                np.savez(file, losses=losses, products=products)
            with np.load(file) as found:
                rows.append(format_row(name, found["losses"], found["products"]))
        columns = ("degradation", *(f"{loss}{what}" for loss in LOSSES for what in ("", ", gradient", ", share")))
        tables.append(Table(network, columns, rows))
    report(tables, options.out / "probe.md")
    return 0


def measure(network: str, clips: Sequence[Clip], degradation: Degradation, samples: int) -> tuple[Numbers, Numbers]:
    """Return the losses of samples, (losses, samples), and `Products` of each loss, (losses, samples, samples)."""
    upscaler = load_network(network)
    weights = list(upscaler.parameters())
    recurrence = Recurrence(upscaler.requires_grad_(True), recompute=True)
    perceptual = PerceptualLoss(Perceptual(weight=1), read_vgg("auto"))
    data = DegradedClips(clips, SAMPLING, degradation, seed=0)
    places = np.linspace(0, len(data) - 1, samples).astype(int)
    losses: list[tuple[float, float]] = []
    gradients: tuple[list[Tensor], list[Tensor]] = ([], [])
    for place in places:
        sample = data[0, int(place)]
        hq = sample.target.float() / 255
        sr = recurrence(sample.input[None])[0]
        pixels, features = l1(sr, hq), perceptual(sr, hq)
        first = _flatten(torch.autograd.grad(pixels, weights, retain_graph=True))
        gradients[0].append(first)
        gradients[1].append(first + _flatten(torch.autograd.grad(features, weights)))
        losses.append((pixels.item(), (pixels + features).item()))
    return np.array(losses).T, np.stack([_multiply(own) for own in gradients])


def mean_gradient(products: Products) -> tuple[float, float]:
    """Estimate the squared length of the expected gradient, and of a single one.

    The mean of the products of *different* samples has no bias. The square of the mean gradient has one: the noise.
    """
    count = len(products)
    single = float(np.trace(products) / count)
    return float((products.sum() - np.trace(products)) / (count * (count - 1))), single


def format_row(name: str, losses: Numbers, products: Numbers) -> tuple[str, ...]:
    """Return loss, length of the expected gradient with a 95 % interval, and its share of a single one, in percent."""
    cells = [name]
    for values, own in zip(losses, products, strict=True):
        square, single = mean_gradient(own)
        draws = np.random.default_rng(0).integers(len(own), size=(RESAMPLES, len(own)))
        low, high = np.quantile([_signed_root(_resample(own, draw)) for draw in draws], (0.025, 0.975))
        cells.append(f"{values.mean():.4f}")
        cells.append(f"{_signed_root(square):.3g} ({low:.3g} to {high:.3g})")
        cells.append(f"{100 * _signed_root(square / single):.0f} %")
    return tuple(cells)


def _resample(products: Products, draw: NDArray[np.int64]) -> float:
    """Return the squared length for clips drawn with repetition. A clip with itself is left out."""
    different = draw[:, None] != draw
    return float((products[np.ix_(draw, draw)] * different).sum() / different.sum())


def _signed_root(square: float) -> float:
    return float(np.sign(square) * np.sqrt(abs(square)))


def _flatten(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in gradients])


def _multiply(gradients: Sequence[Tensor]) -> Products:
    rows = torch.stack(list(gradients)).double()
    products: Products = (rows @ rows.T).numpy()
    return products


if __name__ == "__main__":
    sys.exit(main())

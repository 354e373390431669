"""Scenes of hidden episodes at each factor, and their distance to the true HQ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from pydantic import TypeAdapter

from trainer.data.clips import require_clip
from trainer.data.uint8 import to_float
from trainer.lbo import scenes as lbo_scenes
from trainer.lbo.episode import Window
from trainer.lbo.pairs import describe_pseudo_hq
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.lbo.scenes import Scene
from trainer.losses.metrics import Lpips, psnr
from trainer.settings import Settings
from trainer.vsr.weights import load_network
from vsanimesr.files import write_atomic

from .episodes import SCENE_FRAMES, SCENES, HiddenEpisode, episode_folder, read_hq

MODEL = "v2"
"""The network that `recipe` makes pseudo-HQ with by default."""


LPIPS_FACTORS = FACTORS[:6]
"""LPIPS takes long. Below x0.5 it was never near its best."""


class Scores(Settings):
    """Distances of pseudo-HQ to HQ at the first factors, of each scene: (factors, scenes)."""

    psnr: list[list[float]]
    """PSNR of R, G, B in dB."""
    lpips: list[list[float]]


def render_scenes(episode: HiddenEpisode, out: Path) -> list[Scene]:
    """Render the scenes of an episode as `lbo pairs` does. Those that are there are kept."""
    clip, network = require_clip(episode_folder(out, episode), "episode"), load_network(MODEL)
    windows = [Window(first=n * SCENE_FRAMES, shot=n, motion=0) for n in range(SCENES)]
    made_of = describe_pseudo_hq(clip, network)
    with mock.patch.object(lbo_scenes, "SCENE_FRAMES", SCENE_FRAMES):
        return lbo_scenes.render_scenes(clip, windows, Rescaling(network), out / "scenes" / episode.name, made_of)


def score_scenes(episode: HiddenEpisode, scenes: Sequence[Scene], lpips: Lpips, out: Path) -> Scores:
    """Compare the scenes of an episode with HQ. Scores that are there are kept."""
    file = out / "scores" / f"{episode.name}.json"
    if file.is_file():
        return TypeAdapter(Scores).validate_json(file.read_bytes())
    hq = read_hq(out, episode)
    features = [lpips.features(each[None]) for each in hq]
    psnrs, distances = [], []
    for factor in FACTORS:
        pseudo_hq = to_float(np.stack([np.array(lbo_scenes.open_picture(each.pseudo_hq[factor])) for each in scenes]))
        psnrs.append(psnr(pseudo_hq, hq).tolist())
        if factor in LPIPS_FACTORS:
            distances.append(
                [lpips.distance(lpips.features(a[None]), b).item() for a, b in zip(pseudo_hq, features, strict=True)]
            )
    scores = Scores(psnr=psnrs, lpips=distances)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, scores.model_dump_json().encode())
    return scores

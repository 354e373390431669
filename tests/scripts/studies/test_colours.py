"""The study of colours: its measures find what was planted, and its encodings shift no colours."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scripts.studies.colours import __main__ as study
from scripts.studies.colours import night, versions
from scripts.studies.colours.correction import Correction, block_means
from scripts.studies.colours.encoding import ENCODINGS, Encoding
from scripts.studies.colours.measures import Judge, combine
from trainer.degradation.codec import h264_options, quantiser_options

type Clip = NDArray[np.float32]

CODE = 1 / 255
FLAT_FROM = 128
FINEST = {"x264": h264_options(1, "high"), "MPEG-2": quantiser_options(1)}


def still_clip(height: int = 128, width: int = 192) -> Clip:
    """Return two equal frames, smooth on the left and flat on the right."""
    y, x = np.mgrid[:height, :width]
    picture = np.where(x < FLAT_FROM, 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 7), 0.5)
    return np.stack([np.stack([picture] * 3)] * 2).astype(np.float32)


def lq_of(hq: Clip) -> Clip:
    return np.stack([block_means(frame, 4) for frame in hq]).astype(np.float32)


def test_a_planted_shift_of_one_region_is_found() -> None:
    hq = still_clip()
    sr = hq.copy()
    sr[1, 2, 64:128, 64:128] += 2 * CODE

    found = Judge(lq_of(hq), hq).score(sr)

    for shift in (found.to_source, found.to_hq):
        assert shift.regions.shape == (2, 3, 2, 3)
        assert abs(shift.regions[1, 2, 1, 1] - 2) < 1e-3
        assert np.sort(shift.regions.reshape(-1))[-2] < 1e-3
        assert np.abs(shift.channels - [0, 0, 2 / 12]).max() < 1e-3


def test_noise_is_measured_in_flat_places_and_flicker_where_hq_is_still() -> None:
    hq = still_clip()
    noise = 2 * CODE * np.random.default_rng(1).choice([-1, 1], hq.shape).astype(np.float32)
    noise[..., :FLAT_FROM] *= 50

    found = Judge(lq_of(hq), hq).score(hq + noise)

    assert abs(found.noise - 2) < 0.1
    assert found.flicker > 50
    assert Judge(lq_of(hq), hq).score(np.stack([hq[0] + noise[0]] * 2)).flicker == 0


def test_measures_are_of_what_is_shown() -> None:
    white = np.ones((2, 3, 64, 64), np.float32)

    found = Judge(lq_of(white), white).score(1.5 * white)

    assert found.psnr == 120
    assert found.to_source.regions.max() == 0


def test_a_row_has_the_largest_shift_and_means_of_all_clips() -> None:
    hq = still_clip()
    scores = [Judge(lq_of(hq), hq).score(hq + shift * CODE) for shift in (0.1, 2.0)]

    cells = combine(scores)

    assert cells[1:5] == ["2.00", "1.05", "50%", "2.00"]
    assert cells[5:9] == cells[1:5]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_encodings_shift_no_colours(encoding: Encoding) -> None:
    """Of many colours, because 8 bits of YUV shift each single colour by up to one code value."""
    y, x = np.mgrid[:256, :256]
    waves = (np.sin(x / 41), np.cos(y / 33), np.sin((x + y) / 57))
    hq = np.stack([np.stack([0.5 + 0.3 * wave for wave in waves])] * 4).astype(np.float32)
    hq_means = lq_of(hq)

    lq = encoding.degrade(hq)
    finest = dataclasses.replace(encoding, options=FINEST[encoding.name]).degrade(hq)

    assert lq.shape == (4, 3, 64, 64)
    assert np.abs(finest.mean((0, 2, 3)) - hq.mean((0, 2, 3))).max() < 0.2 * CODE
    assert np.abs(lq - hq_means).mean() > np.abs(finest - hq_means).mean()


def test_a_planted_halo_is_found() -> None:
    (hq,) = night.draw_night(1)
    halo = np.where((night.moon_distance() > 8) & (night.moon_distance() < 16), 3 * CODE, 0)

    rings = dict(zip(night.COLUMNS, night.ring_means(hq + halo, hq), strict=True))

    assert rings.pop("moon, 8 to 16") == "+3.00"
    assert all(abs(float(value)) < 0.1 for value in rings.values())


def test_all_parts_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the network: an SR frame is LQ with its pixels repeated, and brighter."""
    monkeypatch.setattr(versions, "upscale", lambda lq, _: lq.repeat(4, 2).repeat(4, 3) + 3 * CODE)
    monkeypatch.setattr(versions, "KEPT", 2)
    for folder, name in (("train", study.CHOSEN[0]), ("held-out", study.MOON)):
        path = tmp_path / "clips" / folder / name
        path.mkdir(parents=True)
        for n in range(versions.FIRST + versions.STEPS):
            Image.new("RGB", (960, 536), (40, 90, 140)).save(path / f"{n:02}.png")

    assert study.main([str(tmp_path / "clips"), "--quick", "-o", str(tmp_path / "out")]) == 0

    table = (tmp_path / "out" / "judge.md").read_text()
    shifts = {row.split("|")[1].strip(): row.split("|")[3].strip() for row in table.splitlines() if row.count("|") > 10}
    assert abs(float(shifts["network"]) - 3) < 0.2
    assert float(shifts["sigma 2, twice"]) < 0.1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("choose.md", "residue.md", "judge.md", "night.md"),
        *(f"{page}-{model}.png" for page in ("night-x264", "moon") for model in versions.MODELS),
    }


def test_a_wide_lowpass_gives_the_mean_of_all_pixels() -> None:
    random = np.random.default_rng(2)
    sr, lr = random.random((3, 20, 12)), random.random((3, 5, 3))

    restored = Correction(1000, 1).apply(sr, lr)

    expected = lr.mean((1, 2)) - sr.mean((1, 2))
    assert np.abs(restored - sr - expected[:, None, None]).max() < 1e-4

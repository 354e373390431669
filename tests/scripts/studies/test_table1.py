"""The study of table 1: what is cut out of clips, and what is asked of evaluate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.studies import table1
from trainer.data.clips import require_clip


def test_the_square_with_the_most_detail_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(table1, "train", lambda *arguments: calls.append(arguments))
    detail = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    for source in table1.HELD_OUT:
        folder = tmp_path / source / source.replace("/", "-")
        folder.mkdir(parents=True)
        for n in range(12):
            picture = np.full((450, 900, 3), n, np.uint8)
            picture[25:425, 450:850] = detail
            Image.fromarray(picture).save(folder / f"{n}.png")

    for _ in range(2):  # the second time, what is there is kept
        assert table1.main(["v2", "--data", str(tmp_path), "-o", str(tmp_path / "out")]) == 0

    made = tmp_path / "out" / "set"
    assert sorted(each.name for each in made.iterdir()) == ["art-held-out", "drawn-held-out"]
    clip = require_clip(made / "drawn-held-out", "clip")
    assert (len(clip), clip.check()) == (table1.FRAMES, (table1.SIDE, table1.SIDE))
    assert clip.read([3])[0].std() > 0.9 * detail.std()
    assert calls == 2 * [("evaluate", "v2", "--data", str(made), "-o", str(tmp_path / "out" / "results"))]

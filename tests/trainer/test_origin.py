"""Origins: what they tell apart, what they do not, and how they are kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainer.origin import (
    ORIGIN_FILE,
    differences,
    digest_files,
    digest_tensors,
    read_origin,
    settings_origin,
    write_origin,
)
from trainer.settings import override
from trainer.vsr.config import preset

origins = st.dictionaries(st.text(min_size=1), st.text())


@given(origins)
def test_what_is_written_is_read(origin: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_origin(Path(folder, "new"), origin)
        assert read_origin(Path(folder, "new")) == origin


def test_a_damaged_origin_is_none(tmp_path: Path) -> None:
    assert read_origin(tmp_path) == {}
    for content in (b"", b"{", b"[1]", b"\xff", b"null"):
        (tmp_path / ORIGIN_FILE).write_bytes(content)
        assert read_origin(tmp_path) == {}


tensors = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=4), elements=st.floats(width=32))


@given(tensors, st.data())
def test_any_other_tensor_has_another_digest(values: np.ndarray, data: st.DataObject) -> None:
    before = digest_tensors({"a": torch.from_numpy(values)})
    place = data.draw(st.integers(0, values.nbytes - 1))
    changed = values.copy()
    changed.view(np.uint8).reshape(-1)[place] ^= data.draw(st.integers(1, 255))

    assert digest_tensors({"a": torch.from_numpy(values.copy())}) == before
    others = [
        {"a": torch.from_numpy(changed)},
        {"b": torch.from_numpy(values)},
        {"a": torch.from_numpy(values[None])},
        {"a": torch.from_numpy(values), "b": torch.zeros(0)},
        {"a": torch.from_numpy(values.view(np.int32))},
    ]
    assert before not in {digest_tensors(each) for each in others}


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=4), st.data())
def test_files_are_known_by_content_and_order_and_not_by_name(contents: list[bytes], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(contents))))
    with tempfile.TemporaryDirectory() as folder:
        for n, content in enumerate(contents):
            Path(folder, f"a{n}").write_bytes(content)
            Path(folder, f"b{n}").write_bytes(contents[order[n]])
        one, other = (digest_files([Path(folder, f"{name}{n}") for n in range(len(contents))]) for name in "ab")

    assert (one == other) == (contents == [contents[n] for n in order])


def test_settings_are_named_with_dots_and_numbers_have_one_form() -> None:
    config = preset("vsr-l1", "debug")
    origin = settings_origin(config, {"sampling.size", "degradation", "start"})

    assert origin["sampling.frames"] == "5"
    assert origin["losses.l1"] == "1"
    assert not {"sampling.size", "start"} & origin.keys()
    assert not any(name.startswith("degradation") for name in origin)
    assert settings_origin(override(config, ["losses.l1=1.0"])) == settings_origin(config)


def test_only_a_few_differences_are_named() -> None:
    assert differences({}, {str(n): "x" for n in range(5)}).endswith("2 was nothing, now x; 2 more")

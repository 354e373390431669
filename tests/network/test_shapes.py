"""The shape of a network follows from its tensors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.network.shapes import PREFIX, RELEASED_SHAPE, Shape, shape_of

blocks = st.lists(st.integers(0, 12), min_size=3, max_size=3).map(lambda counts: tuple(sorted(counts, reverse=True)))
shapes = st.builds(Shape, st.integers(1, 256), blocks)


@given(shapes)
def test_the_order_of_tensors_does_not_matter(shape: Shape) -> None:
    tensors = shape.tensors()
    assert shape_of(tensors) == shape
    assert shape_of(dict(reversed(tensors.items()))) == shape


@given(shapes, st.data())
def test_a_tensor_that_is_missing_is_still_expected(shape: Shape, data: st.DataObject) -> None:
    tensors = shape.tensors()
    missing = data.draw(st.sampled_from([key for key in tensors if not key.startswith(f"{PREFIX}conv_s1_first")]))

    found = shape_of({key: value for key, value in tensors.items() if key != missing})

    assert missing in found.tensors()
    assert found == shape


def test_damaged_keys_do_not_give_a_huge_network() -> None:
    damaged = {f"{PREFIX}body_s{scale}_first.9999.conv1.weight": (1,) for scale in (1, 2, 4)}
    assert shape_of(damaged).blocks == (3, 3, 3)
    assert shape_of({f"{PREFIX}body_s4_first.0.conv1.weight": (1,)}) == RELEASED_SHAPE
    assert shape_of({f"{PREFIX}conv_s1_first.0.bias": ()}).features == RELEASED_SHAPE.features


def test_more_blocks_at_a_coarser_scale_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks=\[2, 3, 1\] has more at a coarse scale.*use for example \[5, 3, 2\]"):
        Shape(blocks=(2, 3, 1))

"""The shape of a network follows from its tensors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.network.shapes import PREFIX, RELEASED_SHAPE, Shape, shape_of

blocks = st.lists(st.integers(0, 12), min_size=3, max_size=3).map(lambda counts: tuple(sorted(counts, reverse=True)))
shapes = st.builds(Shape, st.integers(1, 256), blocks, st.none() | st.integers(1, 1024))


@given(shapes)
def test_the_order_of_tensors_does_not_matter(shape: Shape) -> None:
    tensors = shape.tensors()
    assert shape_of(tensors) == shape
    assert shape_of(dict(reversed(tensors.items()))) == shape


@pytest.mark.parametrize("name", ["conv_s1_first.0", "fusion.0", "fusion.2"])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_a_tensor_that_says_a_width_may_be_missing(name: str, kind: str) -> None:
    shape = Shape(7, (2, 1, 0), 5)
    assert shape_of({key: value for key, value in shape.tensors().items() if key != f"{PREFIX}{name}.{kind}"}) == shape


@given(shapes, st.data())
def test_a_tensor_that_is_missing_is_still_expected(shape: Shape, data: st.DataObject) -> None:
    tensors = shape.tensors()
    missing = data.draw(st.sampled_from(list(tensors)))

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


@given(st.integers(1, 256), blocks)
def test_the_usual_width_of_the_fusion_may_be_named(features: int, blocks: tuple[int, int, int]) -> None:
    usual = Shape(features, blocks)
    named = Shape(features, blocks, usual.fusion_channels)

    assert usual.fusion_channels == 2 * (48 + features)
    assert (named, hash(named), named.fusion) == (usual, hash(usual), None)
    assert Shape(features, blocks, usual.fusion_channels + 1) != usual
    assert shape_of(named.tensors()) == usual


@pytest.mark.parametrize(("shape", "name"), [({"fusion": 0}, "fusion=0"), ({"features": 0}, "features=0")])
def test_no_channels_are_refused(shape: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} leaves no channels; use"):
        Shape(**shape)  # type: ignore[arg-type]


def test_the_work_of_the_released_networks() -> None:
    """The numbers of the issue, which were counted by hand."""
    macs = RELEASED_SHAPE.layer_macs
    full = sum(value for name, value in macs.items() if name.startswith("body_s1"))
    coarse = sum(value for name, value in macs.items() if "_s2_" in name or "_s4_" in name)

    assert (macs["conv_s1_first.0"], full, coarse) == (69_696, 368_640, 76_032)
    assert (macs["fusion.0"], macs["fusion.2"]) == (387_072, 225_792)
    assert RELEASED_SHAPE.macs == 1_127_232
    assert list(macs) == list(RELEASED_SHAPE.convolutions)


@given(shapes)
def test_the_work_is_that_of_each_weight_at_each_pixel_of_its_scale(shape: Shape) -> None:
    """On 16x16 LR pixels, where the coarse scales have 8x8 and 4x4."""
    macs = 0
    for key, sides in shape.tensors().items():
        if key.endswith("weight"):
            pixels = 64 if "_s2_" in key else 16 if "_s4_" in key else 256
            macs += pixels * math.prod(sides)
    assert abs(256 * shape.macs - macs) <= 128

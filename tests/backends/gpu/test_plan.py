"""Plans of real engines: what is read from them, and what else depends on it."""

from __future__ import annotations

import pytest

from tests.backends.gpu.test_tensorrt_build import make_request
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.memory import estimate_bytes
from vsanimesr.backends.gpu.pipeline import bytes_needed
from vsanimesr.backends.gpu.plan import CHANNELS_LAST, PLANAR, Plan, read_plan
from vsanimesr.backends.gpu.tensorrt_build import engine_tensors
from vsanimesr.network.colour import PASSES
from vsanimesr.network.graph import GraphPrecision
from vsanimesr.network.shapes import FEATURES
from vsanimesr.network.tensors import step_tensors
from vsanimesr.weights.load import read_weights

pytest.importorskip("tensorrt_rtx")

NAMES = tuple(step_tensors(1, 1, "fp32"))


def make_plan(
    size: tuple[int, int] | None, precision: GraphPrecision = "fp16", targets: tuple[str, ...] = ("sm89",)
) -> Plan:
    plan = read_plan(builder.build(make_request(size, precision, targets=targets), read_weights("v2")), NAMES)
    assert plan is not None
    return plan


@pytest.mark.parametrize("targets", [("sm75",), ("sm86", "sm120")])
def test_a_plan_tells_targets_kernels_and_layouts(targets: tuple[str, ...]) -> None:
    plan = make_plan((64, 48), targets=targets)

    assert plan.targets == targets
    assert plan.capturable
    convolutions = plan.kernels["convolutions"] + plan.kernels["convolutions with what follows"]
    # 27 in the network, 2 that enlarge; at most 4 in a pass of colour="source": mean, Gaussian twice, enlarging.
    assert 27 <= convolutions <= 27 + 2 + 4 * PASSES
    assert tuple(plan.layouts) == NAMES
    assert plan.layouts["frame"] == plan.layouts["cur"] == PLANAR


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
@pytest.mark.parametrize("targets", [("sm75",), ("sm86", "sm120")])
def test_the_state_has_the_layout_that_its_buffers_have(targets: tuple[str, ...], precision: GraphPrecision) -> None:
    if precision == "bf16" and "sm75" in targets:
        pytest.skip("Turing has no bf16")
    plan = make_plan((64, 48), precision, targets)
    expected = engine_tensors(64, 48, precision, FEATURES)

    assert {name: layout == CHANNELS_LAST for name, layout in plan.layouts.items()} == {
        name: tensor.channels_last for name, tensor in expected.items()
    }
    assert expected["sr"].channels_last == (precision != "fp32")


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("size", [(33, 23), (640, 480), (1280, 720)])
def test_the_estimate_of_memory_covers_the_plan(size: tuple[int, int], precision: GraphPrecision) -> None:
    plan = make_plan(size, precision, targets=())
    estimate = estimate_bytes(*size, precision) - bytes_needed(*size, precision)

    assert plan.memory <= estimate <= 1.15 * plan.memory


def test_an_engine_for_any_size_would_reserve_gigabytes() -> None:
    """Why the context has memory of ours, of the clip's size."""
    assert make_plan(None).memory > 3.5e9 > 5 * make_plan((640, 480)).memory


@pytest.mark.parametrize("data", [b"", b"header {", b"header { accelerators={sm89 } \nshape_main {", b"x" * 1000])
def test_what_has_no_plan_is_told(data: bytes) -> None:
    assert read_plan(data, NAMES) is None

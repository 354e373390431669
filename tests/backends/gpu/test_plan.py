"""Plans of real engines: what is read from them, and what else depends on it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.backends.gpu.test_tensorrt_build import make_request
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.memory import estimate_bytes
from vsanimesr.backends.gpu.pipeline import bytes_needed
from vsanimesr.backends.gpu.plan import CHANNELS_LAST, PLANAR, Plan, inspect_plan, read_plan
from vsanimesr.backends.gpu.runtimes import supported_targets
from vsanimesr.backends.gpu.tensorrt_build import TensorRTOptions, engine_tensors
from vsanimesr.network.colour import PASSES
from vsanimesr.network.graph import GraphPrecision
from vsanimesr.network.shapes import FEATURES
from vsanimesr.network.tensors import step_tensors
from vsanimesr.weights.load import read_weights

trt = pytest.importorskip("tensorrt_rtx")

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


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32", "int8", "fp8"])
@pytest.mark.parametrize("targets", [("sm75",), ("sm86", "sm120"), ("sm120",)])
def test_the_state_has_the_layout_that_its_buffers_have(targets: tuple[str, ...], precision: GraphPrecision) -> None:
    if not set(targets) <= set(supported_targets(precision)):
        pytest.skip("these do not compute in this precision")
    plan = make_plan((64, 48), precision, targets)
    expected = engine_tensors(64, 48, precision, FEATURES)

    assert {name: layout == CHANNELS_LAST for name, layout in plan.layouts.items()} == {
        name: tensor.channels_last for name, tensor in expected.items()
    }
    assert expected["sr"].channels_last == (precision != "fp32")


@pytest.mark.parametrize("precision", ["fp16", "fp32", "int8", "fp8"])
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


def test_what_kernels_read_and_write_is_counted_once_for_a_kernel() -> None:
    """A plan in NVIDIA's format of a convolution and a kernel that uses one of its two operands twice."""
    plan = b"""header {
  accelerators={ sm89 }
  tensor={ alignment=16 dims={ 1 3 10 20 } name="cur.1" offset=0 stride_order={ 3 2 1 0 } strides={ } type=float }
  tensor={ alignment=16 dims={ 1 64 10 20 } name="a" offset=0 stride_order={ 3 0 2 1 } strides={ } type=fp8_e4m3 }
  tensor={ alignment=16 dims={ 1 64 10 20 } name="b" offset=0 stride_order={ 3 0 2 1 } strides={ } type=half user={ } }
}
main {
  corrltn={ name="Conv_1" output={"b" } input={"a" } scratchspace={"cur.1" } stream=0 }
  function={ name=__myl_Mul args={ "b" "cur.1" } input_args={ "b" "b" } output_args={ "cur.1" } }
  wait={ input={ "cur.1" } }
}
shape_main {"""
    found = read_plan(plan, ("cur",))

    assert found is not None
    assert found.traffic == (64 * 200 + 64 * 200 * 2) + (64 * 200 * 2 + 3 * 200 * 4)
    assert "read and written in a step: 0 MB" in str(found)
    unknown = read_plan(plan.replace(b"half", b"fp4"), ("cur",))
    assert unknown is not None
    assert unknown.traffic is None
    assert "step" not in str(unknown)


def test_what_kernels_read_and_write_grows_with_the_size_and_the_bytes_of_a_value() -> None:
    small, large, wide = make_plan((320, 240)), make_plan((640, 480)), make_plan((640, 480), "fp32")

    assert small.traffic is not None
    assert large.traffic is not None
    assert wide.traffic is not None
    assert 3.9 * small.traffic < large.traffic < 4.1 * small.traffic
    assert 1.5 * large.traffic < wide.traffic < 2 * large.traffic
    assert make_plan(None).traffic is None


# TensorRT itself, which is not installed here

LAYERS: list[dict[str, Any]] = [
    {
        "Name": "Reformatting CopyNode for Input Tensor 0 to Conv_6",
        "LayerType": "Reformat",
        "Inputs": [{"Name": "cur", "Dimensions": [1, 3, 10, 20], "Format/Datatype": "Row major linear FP32"}],
        "Outputs": [
            {
                "Name": "Reformatted cur",
                "Dimensions": [1, 3, 10, 20],
                "Format/Datatype": "Channel major FP16 format where channel % 8 == 0",
            }
        ],
    },
    {
        "Name": "Conv_6",
        "LayerType": "CaskConvolution",
        "Inputs": [{"Name": "Reformatted cur", "Dimensions": [1, 3, 10, 20], "Format/Datatype": "Half"}],
        "Outputs": [{"Name": "a", "Dimensions": [1, 64, 10, 20], "Format/Datatype": "FP8"}],
    },
    {
        "Name": "Conv_9",
        "LayerType": "CaskConvolution",
        "Inputs": [{"Name": "a", "Dimensions": [1, 64, 10, 20], "Format/Datatype": "FP8"}],
        "Outputs": [{"Name": "b", "Dimensions": [1, 64, 10, 20], "Format/Datatype": "BFloat16"}],
    },
]
"""What TensorRT's documentation shows, of an engine whose builder was asked for details."""


class FakeInspectedEngine:
    """An `ICudaEngine` of TensorRT with these layers."""

    device_memory_size_v2 = 28_000_000

    def __init__(self, layers: list[Any]) -> None:
        self._layers = layers

    def create_engine_inspector(self) -> Any:
        texts = {"JSON": json.dumps({"Layers": self._layers})}
        return SimpleNamespace(get_engine_information=texts.__getitem__)

    def get_tensor_format(self, name: str) -> Any:
        return SimpleNamespace(name={"cur": "LINEAR", "sr": "HWC8"}.get(name, "CHW32"))


FAKE = SimpleNamespace(LayerInformationFormat=SimpleNamespace(JSON="JSON"))


def test_tensorrt_tells_its_plan() -> None:
    plan = inspect_plan(FAKE, FakeInspectedEngine(LAYERS), ("cur", "sr", "hidden"))

    assert plan is not None
    assert plan.kernels == {"CaskConvolution": 2, "Reformat": 1}
    assert plan.layouts == {"cur": PLANAR, "sr": CHANNELS_LAST, "hidden": "CHW32"}
    assert plan.traffic == 600 * 4 + 2 * 600 * 2 + 2 * 12800 + 12800 * 2
    assert str(plan) == (
        "kernels: 2 CaskConvolution, 1 Reformat\n"
        "layouts: cur planar, sr channels last, hidden CHW32\n"
        "memory: 28 MB of intermediate results\n"
        "read and written in a step: 0 MB"
    )


@pytest.mark.parametrize(("key", "value"), [("Dimensions", [1, 3, -1, -1]), ("Format/Datatype", "Two-wide FP4")])
def test_what_tensorrt_leaves_open_is_not_counted(key: str, value: Any) -> None:
    layer = {**LAYERS[0], "Inputs": [{**LAYERS[0]["Inputs"][0], key: value}]}
    plan = inspect_plan(FAKE, FakeInspectedEngine([layer]), ("cur",))

    assert plan is not None
    assert plan.traffic is None
    assert plan.kernels == {"Reformat": 1}


def test_an_engine_without_details_has_no_plan() -> None:
    assert inspect_plan(FAKE, FakeInspectedEngine(["Conv_6", "Conv_9"]), ("cur",)) is None


def test_the_inspector_exists_in_the_package_that_is_installed() -> None:
    """TensorRT-RTX has the same interface as TensorRT."""
    assert "get_engine_information" in dir(trt.EngineInspector)
    assert "JSON" in trt.LayerInformationFormat.__members__
    assert {"create_engine_inspector", "device_memory_size_v2", "get_tensor_format"} <= set(dir(trt.ICudaEngine))
    assert {"LINEAR", "HWC8"} <= set(trt.TensorFormat.__members__)


def test_an_engine_of_tensorrt_is_built_with_details() -> None:
    log = builder.make_logger(trt)
    config = trt.Builder(log).create_builder_config()
    assert config.profiling_verbosity != trt.ProfilingVerbosity.DETAILED  # by default

    builder._apply_options(trt, config, TensorRTOptions())
    assert config.profiling_verbosity == trt.ProfilingVerbosity.DETAILED

"""Graphs of ncnn are read as they were written, and damage is named."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainer.baselines.graphs import convolution_bytes, convolution_line, floats, random_tensor, write_graph
from trainer.baselines.ncnn import MAGIC, read_graph, read_weights

CONVOLUTION = convolution_line("c", torch.zeros(2, 3, 3, 3), inputs="in", output="out")
GRAPH = write_graph(["Input i 0 1 in", CONVOLUTION, "PReLU p 1 1 out last 0=2"])
DATA = convolution_bytes(random_tensor(2, 3, 3, 3, seed=0), torch.ones(2), half=False) + floats(torch.ones(2))


@dataclass(frozen=True)
class Written:
    """A graph as a test wrote it."""

    graph: str
    data: bytes
    tensors: dict[str, dict[str, Tensor]]


@st.composite
def written_graphs(draw: st.DrawFn) -> Written:
    """Graphs of convolutions of any size, with and without bias, of either precision, and of other layers."""
    lines, data, tensors = ["Input data 0 1 v0"], b"", {}
    for number in range(draw(st.integers(0, 6))):
        name, blobs = f"layer{number}", {"inputs": f"v{number}", "output": f"v{number + 1}"}
        match draw(st.sampled_from(["Convolution", "PReLU", "Split", "Eltwise"])):
            case "Convolution":
                shape = draw(st.tuples(*[st.integers(1, 4)] * 4))
                weight = random_tensor(*shape, seed=number)
                bias = random_tensor(shape[0], seed=number + 100) if draw(st.booleans()) else None
                end = draw(st.sampled_from(["", "9=2 -23310=1,2.000000e-01", "3=1 13=1"]))
                lines.append(convolution_line(name, weight, **blobs, bias=bias is not None, end=end))
                data += convolution_bytes(weight, bias, half=draw(st.booleans()))
                tensors[name] = {"weight": weight} | ({} if bias is None else {"bias": bias})
            case "PReLU":
                slopes = random_tensor(draw(st.integers(1, 9)), seed=number)
                lines.append(f"PReLU {name} 1 1 v{number} v{number + 1} 0={len(slopes)}")
                data += floats(slopes)
                tensors[name] = {"weight": slopes}
            case "Split":
                lines.append(f"Split {name} 1 2 v{number} v{number + 1} v{number + 1}_too")
            case kind:
                lines.append(f"{kind} {name} 2 1 v{number} v0 v{number + 1} 0=1 -23301=2,2.0e-01,1.0")
    return Written(write_graph(lines), data, tensors)


@given(written_graphs())
def test_what_was_written_is_read(written: Written) -> None:
    layers = read_graph(written.graph)
    found = read_weights(layers, written.data)

    assert [layer.name for layer in layers] == [line.split()[1] for line in written.graph.splitlines()[2:]]
    assert found.keys() == written.tensors.keys()
    for name, tensors in written.tensors.items():
        assert found[name].keys() == tensors.keys()
        for key, tensor in tensors.items():
            assert found[name][key].dtype == torch.float32
            torch.testing.assert_close(found[name][key], tensor, rtol=0, atol=0)


@given(written_graphs(), st.data())
def test_no_byte_can_be_missing_or_too_many(written: Written, data: st.DataObject) -> None:
    layers = read_graph(written.graph)
    if written.data:
        end = data.draw(st.integers(0, len(written.data) - 1))
        with pytest.raises(ValueError, match=r"it ends within the weights of layer 'layer\d+'"):
            read_weights(layers, written.data[:end])
    with pytest.raises(ValueError, match=r"\d+ bytes are left"):
        read_weights(layers, written.data + b"\0" * data.draw(st.integers(1, 9)))


@given(written_graphs(), st.data())
def test_a_changed_text_raises_no_other_error(written: Written, data: st.DataObject) -> None:
    text = written.graph
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    text = text[:start] + data.draw(st.text("0123456789-=,. \nevIx", max_size=6)) + text[end:]
    with suppress(ValueError):
        read_weights(read_graph(text), written.data)


def test_the_settings_of_a_layer() -> None:
    graph = write_graph(["Input i 0 1 in", "Interp r 1 1 in out 0=1 1=4.000000e+00 -23310=2,1.5,-2"])

    layer = read_graph(graph)[1]

    assert (layer.kind, layer.inputs, layer.outputs) == ("Interp", ("in",), ("out",))
    assert layer.settings == {0: 1, 1: 4.0, 10: (1.5, -2.0)}
    assert isinstance(layer.settings[0], int)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ("", f"does not begin with {MAGIC}"),
        (GRAPH.replace(MAGIC, "7767518"), f"does not begin with {MAGIC}"),
        (f"{MAGIC}\n", "its second line does not hold"),
        (GRAPH.replace("\n3 3\n", "\n3\n"), "its second line does not hold"),
        (GRAPH.replace("\n3 3\n", "\n4 3\n"), "it has 3 layers, and should have 4"),
        (GRAPH.replace("\n3 3\n", "\n3 4\n"), "it has 3 blobs, and should have 4"),
        (GRAPH.replace("PReLU p 1 1", "PReLU p 1"), "does not hold type, name, and numbers"),
        (GRAPH.replace("PReLU p 1 1", "PReLU p 1 -1"), "does not hold type, name, and numbers"),
        (GRAPH.replace("PReLU p 1 1", "PReLU p 1 9"), "does not name 10 blobs"),
        (GRAPH.replace("PReLU p 1 1 out", "PReLU p 1 1 other"), "'p' reads 'other', which no layer before it makes"),
        (GRAPH.replace("out last", "out in"), "two layers make 'in'"),
        (GRAPH.replace("PReLU p", "PReLU c"), "two layers are named 'c'"),
        (GRAPH.replace("last 0=2", "last 0=2 0=2"), "holds parameter 0 twice"),
        (GRAPH.replace("last 0=2", "last 0=two"), "'0=two' in the line .* is no parameter"),
        (GRAPH.replace("last 0=2", "last -23300=2,1"), "'-23300=2,1' in the line .* is no parameter"),
    ],
)
def test_a_damaged_graph(graph: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_graph(graph)


@pytest.mark.parametrize(
    ("change", "by", "reason"),
    [
        ("PReLU", "Deconvolution", "'p' is of type 'Deconvolution', which is not read here"),
        ("last 0=2", "last 0=0", "parameter 0 of layer 'p' is 0"),
        ("last 0=2", "last 0=2.0", "parameter 0 of layer 'p' is 2.0"),
        ("last 0=2", "last", "parameter 0 of layer 'p' is 0"),
        ("6=54", "6=55", "'c' has 55 weights, which are not those of 2 outputs of 3x3"),
        ("6=54", "6=54 8=1", "'c' has 8-bit weights"),
        ("last 0=2", "last 0=99999999999", "it ends within the weights of layer 'p': 8 of 399999999996 bytes"),
    ],
)
def test_a_graph_of_other_weights(change: str, by: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_weights(read_graph(GRAPH.replace(change, by)), DATA)


@pytest.mark.parametrize("tag", [b"\x01\x00\x00\x00", b"\x38\x4b\x0d\x00", b"\x56\xc0\x02\x00"])
def test_quantised_weights_are_refused(tag: bytes) -> None:
    with pytest.raises(ValueError, match=r"'c' have the tag 0x.*neither float32 nor float16"):
        read_weights(read_graph(GRAPH), tag + DATA[4:])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="'p' are not finite"):
        read_weights(read_graph(GRAPH), DATA[:-4] + floats(torch.tensor([value])))

"""Options of the backends: the documentation lists them, and errors name the option, its value and the remedy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import vapoursynth as vs

from tests.video import core, numbered_clip
from vsanimesr.backends import BACKENDS, backend_class, parse_options
from vsanimesr.backends.base import BackendOptions
from vsanimesr.backends.gpu.tensorrt_build import TensorRTOptions
from vsanimesr.errors import OptionError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "backends.md"
CLASSES = {name: backend_class(name).options_class for name in BACKENDS}


def test_the_documentation_has_a_row_for_every_backend_with_its_options() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .*\| (.*) \|$", DOCUMENTATION.read_text(), re.MULTILINE))

    assert list(rows) == list(CLASSES)
    for backend, options in rows.items():
        assert re.findall(r"`(\w+)`", options) == [field.name for field in dataclasses.fields(CLASSES[backend])]


@pytest.mark.parametrize("backend", BACKENDS)
def test_defaults_and_every_allowed_value_can_be_parsed(backend: str) -> None:
    made = CLASSES[backend]
    assert issubclass(made, BackendOptions)
    assert parse_options(backend, []) == made()
    types = get_type_hints(made)
    for field in dataclasses.fields(made):
        maximum = field.metadata.get("maximum")
        assert (types[field.name] is int) == (maximum is not None), "a number has a maximum, and nothing else has one"
        for value in get_args(types[field.name]) if maximum is None else (0, maximum):
            assert parse_options(backend, [f"{field.name}={value}"]) == made(**{field.name: value})


def test_several_options_are_parsed() -> None:
    assert parse_options("tensorrt", ["level=5", "shapes=dynamic"]) == TensorRTOptions(level=5, shapes="dynamic")


@pytest.mark.parametrize(
    ("backend", "text", "words"),
    [
        ("openvino", "threads", ["'threads'", "name=value"]),
        ("openvino", "thread=2", ["'thread'", "'openvino'", "use threads", "did you mean 'threads'?"]),
        ("openvino", "graphs=no", ["'graphs'", "'openvino'", "use threads"]),
        ("null", "threads=2", ["'threads'", "it has no options"]),
        ("openvino", "threads=1025", ["threads='1025'", "from 0 to 1024"]),
        ("tensorrt", "level=6", ["level='6'", "from 0 to 5"]),
        ("tensorrt", "level=-1", ["level='-1'", "from 0 to 5"]),
        ("tensorrt", "level=²", ["level='²'", "from 0 to 5"]),
        ("tensorrt_rtx", "shapes=dynamical", ["shapes='dynamical'", "did you mean 'dynamic'?"]),
        ("onnxruntime", "provider=gpu", ["provider='gpu'", "cuda", "dml"]),
    ],
)
def test_bad_options(backend: str, text: str, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        parse_options(backend, [text])
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_repeated_option() -> None:
    with pytest.raises(OptionError, match="'threads' twice"):
        parse_options("openvino", ["threads=1", "threads=2"])


def test_options_reach_the_backend_through_the_filter() -> None:
    clip = numbered_clip(2)
    for threads in (1, 2):
        options = [f"threads={threads}"]
        core.animesr.Upscale(clip, backend="openvino", precision="fp32", backend_options=options).get_frame(0).close()
    core.animesr.Upscale(clip, backend="openvino", precision="fp32", backend_options="threads=1").get_frame(0).close()
    with pytest.raises(vs.Error, match=r"Upscale: backend_options has 'thread', .* did you mean 'threads'"):
        core.animesr.Upscale(clip, backend="openvino", backend_options=["thread=1"])
    with pytest.raises(vs.Error, match=r"backend_options needs backend=\.\.\. too"):
        core.animesr.Upscale(clip, backend_options=["threads=1"])

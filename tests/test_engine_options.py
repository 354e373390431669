"""The options of the engines: described once, and every bad one told with its name, its value and the remedy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import vapoursynth as vs

from vsanimesr.engine_options import CLASSES, LIMITS, TensorRTOptions, parse
from vsanimesr.engines import ENGINES
from vsanimesr.errors import OptionError

from .video import core, numbered

README = Path(__file__).parents[1] / "README.md"


def test_every_engine_has_options_and_a_module() -> None:
    assert set(CLASSES) == set(ENGINES)


def test_the_readme_has_a_row_for_every_engine_with_its_options() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| .*\| (.*) \|$", README.read_text().partition("## Engines")[2], re.MULTILINE)
    )

    assert list(rows) == list(CLASSES)
    for engine, options in rows.items():
        assert re.findall(r"`(\w+)`", options) == [field.name for field in dataclasses.fields(CLASSES[engine])]


def test_options_are_read_from_text() -> None:
    assert parse("tensorrt", ["level=5", "shapes=dynamic"]) == TensorRTOptions(level=5, shapes="dynamic")
    for engine, made in CLASSES.items():
        assert parse(engine, []) == made()
        for field in dataclasses.fields(made):
            if field.name in LIMITS:
                assert getattr(parse(engine, [f"{field.name}={LIMITS[field.name]}"]), field.name) == LIMITS[field.name]


@pytest.mark.parametrize(
    ("engine", "text", "words"),
    [
        ("openvino", "threads", ["'threads'", "name=value"]),
        ("openvino", "thread=2", ["'thread'", "'openvino'", "it knows threads"]),
        ("null", "threads=2", ["'threads'", "it has no options"]),
        ("tensorrt", "level=6", ["level='6'", "from 0 to 5"]),
        ("tensorrt", "level=-1", ["level='-1'", "from 0 to 5"]),
        ("tensorrt", "level=²", ["level='²'", "from 0 to 5"]),
        ("tensorrt_rtx", "shapes=dynamical", ["shapes='dynamical'", "did you mean 'dynamic'?"]),
        ("onnxruntime", "provider=gpu", ["provider='gpu'", "cuda", "dml"]),
    ],
)
def test_bad_options(engine: str, text: str, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        parse(engine, [text])
    assert all(word in str(caught.value) for word in words), caught.value


def test_an_option_given_twice() -> None:
    with pytest.raises(OptionError, match="'threads' twice"):
        parse("openvino", ["threads=1", "threads=2"])


def test_options_reach_the_engine_through_the_filter() -> None:
    clip = numbered(2)
    for threads in (1, 2):
        options = [f"threads={threads}"]
        core.animesr.Upscale(clip, engine="openvino", precision="fp32", engine_options=options).get_frame(0).close()
    core.animesr.Upscale(clip, engine="openvino", precision="fp32", engine_options="threads=1").get_frame(0).close()
    with pytest.raises(vs.Error, match=r"Upscale: engine_options has 'thread', .* it knows threads"):
        core.animesr.Upscale(clip, engine="openvino", engine_options=["thread=1"])
    with pytest.raises(vs.Error, match="engine_options needs engine= as well"):
        core.animesr.Upscale(clip, engine_options=["threads=1"])

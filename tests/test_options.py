"""The arguments have one definition, and an error names the argument, the value and the remedy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_type_hints

import pytest
import vapoursynth as vs

from tests.video import core, numbered_clip
from vsanimesr.backends import installed_backends
from vsanimesr.options import Options
from vsanimesr.weights.release import MODEL_NAMES

ROOT = Path(__file__).parents[1]
USAGE = ROOT / "docs" / "usage.md"


def defaults() -> dict[str, object]:
    return {field.name: field.default for field in dataclasses.fields(Options)}


def test_the_signature_has_all_options() -> None:
    signature = core.animesr.Upscale.signature
    first, *rest = [part.split(":") for part in signature.rstrip(";").split(";")]
    types = {str: "data", int: "int", int | None: "int"}
    hints = get_type_hints(Options)

    assert first == ["clip", "vnode"]
    assert [name for name, *_ in rest] == list(defaults())
    for name, kind, *flags in rest:
        assert "opt" in flags
        if name in {"scene_change", "backend_options", "tiles"}:
            assert (kind, flags) == ("data[]", ["opt", "empty"])
        elif name == "segment":
            assert kind == "int[]"
        else:
            assert kind == types.get(hints[name], "data")


def test_the_usage_page_has_a_row_for_every_argument_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)`", USAGE.read_text(), re.MULTILINE))
    words = {"format": "the clip's", "cache": "automatic", "width": "4 times", "height": "4 times"}
    expected = {
        name: words[name] if value is None else repr(value).replace("'", '"').replace("(240, 8)", "[240, 8]")
        for name, value in defaults().items()
    }

    assert rows == expected


def test_every_option_has_a_description() -> None:
    source = ROOT / "vsanimesr" / "options.py"
    for name in defaults():
        assert re.search(rf"^    {name}: .*\n    \"\"\"\S", source.read_text(), re.MULTILINE), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": ""}, ["model", "'v1'", "'v2'"]),
        ({"model": "v3"}, ["model", "'v3'", "'v2'", ".safetensors"]),
        ({"model": "/nowhere/net.pth"}, ["/nowhere/net.pth"]),
        ({"backend": "openvin"}, ["backend", "'openvin'", "did you mean 'openvino'"]),
        ({"precision": "fp8"}, ["precision", "'fp8'", "'fp32'", "'bf16'"]),
        ({"colour": "rgb"}, ["colour", "'rgb'", "'source'", "'network'"]),
        ({"device": -1}, ["device=-1", "0 or more"]),
        ({"device": 3, "backend": "openvino"}, ["device=3", "device=0"]),
        ({"scene_change": "prop"}, ["scene_change", "'prop'", "did you mean 'props'"]),
        ({"scene_change": "/nowhere/cuts.txt"}, ["scene_change", "/nowhere/cuts.txt does not exist", "'props:NAME'"]),
        ({"scene_change": "props:"}, ["scene_change='props:'", "'props:VFMSceneChange'"]),
        ({"scene_change": [4, -3]}, ["scene_change", "-3", "start at 0"]),
        ({"scene_change": [4, 2**31]}, ["scene_change", "2147483648", "end at"]),
        ({"scene_change": ["4", "x"]}, ["scene_change", "'x'", "whole number"]),
        ({"preroll": -1}, ["preroll=-1"]),
        ({"preroll": 10**12}, ["preroll=1000000000000", "at most"]),
        ({"seek": "fast"}, ["seek", "'fast'", "'exact'", "'preview'"]),
        ({"warmup": -1}, ["warmup=-1", "0 or more"]),
        ({"warmup": 2**40}, ["warmup=", "at most"]),
        ({"tiles": "big"}, ["tiles='big'", "'auto'", "[width, height]"]),
        ({"tiles": 96}, ["tiles=[96]", "[width, height]", "'auto'"]),
        ({"tiles": [96, 64, 3]}, ["tiles=[96, 64, 3]", "[width, height]"]),
        ({"tiles": [96, 64]}, ["tiles=[96, 64]", "overlap=68", "larger tiles", "smaller overlap"]),
        ({"tiles": [96, -64]}, ["tiles=[96, -64]", "overlap=68"]),
        ({"overlap": -1}, ["overlap=-1", "0 or more"]),
        ({"overlap": 10**12}, ["overlap=", "at most"]),
        ({"format": 12345}, ["format=12345", "vs.YUV420P10"]),
        ({"format": int(vs.GRAY32)}, ["format=", "vs.YUV420P10"]),
        ({"format": -1}, ["format=-1"]),
        ({"width": 0}, ["width=0", "use 1 to"]),
        ({"height": -2}, ["height=-2", "use 1 to"]),
        ({"width": 10**9}, ["width=1000000000", "use 1 to 16384"]),
        ({"height": 2**60}, ["height=1152921504606846976", "use 1 to 16384"]),
        ({"height": 16384}, ["height=16384 needs width=21845", "at most 16384"]),
        ({"height": 101, "format": int(vs.YUV420P8)}, ["height=101", "subsampling", "use 100 or 102"]),
        ({"width": 3, "format": int(vs.YUV410P8)}, ["width=3", "subsampling", "use 4,"]),
        ({"kernel": "lanczos4"}, ["kernel", "'lanczos4'", "did you mean 'lanczos'"]),
        ({"square": 2}, ["square=2", "use 1"]),
        ({"square": 1}, ["square=1", "_SARNum", "SetFrameProps"]),
    ],
)
def test_an_error_names_argument_value_and_remedy(arguments: dict[str, object], words: list[str]) -> None:
    with pytest.raises(vs.Error) as caught:
        core.animesr.Upscale(numbered_clip(2), **arguments)

    message = str(caught.value)
    assert message.startswith("Upscale: ")
    assert "internal error" not in message
    for word in words:
        assert word in message


def test_a_width_that_contradicts_square_pixels() -> None:
    clip = core.std.SetFrameProps(core.std.BlankClip(width=72, height=48, length=1), _SARNum=32, _SARDen=27)

    with pytest.raises(vs.Error, match=r"width=180 and height=108 contradict square=1.*needs width=192.*leave one"):
        core.animesr.Upscale(clip, width=180, height=108, square=1)


def test_no_clip() -> None:
    with pytest.raises(vs.Error, match="clip"):
        core.animesr.Upscale()


@pytest.mark.parametrize("varying", ["size", "format"])
def test_a_clip_whose_size_or_format_changes(varying: str) -> None:
    one = core.std.BlankClip(format=vs.RGB24, width=16, height=16, length=1)
    other = core.std.BlankClip(format=vs.RGB24 if varying == "size" else vs.RGB48, width=32, height=16, length=1)
    clip = core.std.Splice([one, other], mismatch=True)

    with pytest.raises(vs.Error, match=r"the clip changes its size or format.*resize"):
        core.animesr.Upscale(clip, backend="null")


def test_32_bit_integers() -> None:
    clip = core.std.BlankClip(format=vs.GRAY32, width=16, height=16, length=1)

    with pytest.raises(vs.Error, match=r"32 bits.*16 or fewer"):
        core.animesr.Upscale(clip, backend="null")


def test_a_yuv_clip_with_the_matrix_of_rgb() -> None:
    clip = core.std.SetFrameProps(core.std.BlankClip(format=vs.YUV420P8, length=1), _Matrix=0)

    with pytest.raises(vs.Error, match=r"_Matrix=0.*SetFrameProps"):
        core.animesr.Upscale(clip, backend="null")


def test_a_clip_whose_first_frame_fails() -> None:
    def fail(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        raise ValueError("no such file")

    clip = core.std.BlankClip(format=vs.RGBS, length=1)
    with pytest.raises(vs.Error, match=r"(?s)frame 0.*no such file"):
        core.animesr.Upscale(core.std.ModifyFrame(clip, clip, fail), backend="null")


def test_version_lists_all_parts() -> None:
    version = core.animesr.Version()

    assert version["plugin"] == version["package"]
    assert version["vapoursynth"] == f"R{core.core_version.release_major}"
    assert version["backends"] == installed_backends()
    assert {"openvino", "null"} <= set(installed_backends())


def test_every_model_is_described_to_the_user() -> None:
    """What is commented out is not."""
    text = re.sub(r"<!--.*?-->", "", USAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [name for name in MODEL_NAMES if f'"{name}"' not in text] == []

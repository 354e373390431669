"""HDR from a source to its result."""

from __future__ import annotations

import json
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.episode.clips import HDR, TAGS
from tests.episode.jobs import inline, needs_episodes, request, run
from vsanimesr.episode import job, media
from vsanimesr.episode.encoding import samples
from vsanimesr.episode.media import Media, probe
from vsanimesr.errors import MediaError

__all__ = ["inline"]
pytestmark = [needs_episodes, pytest.mark.usefixtures("inline")]

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
"""`clips.HDR` as x265 reads it."""
MASTERING = {0x55D1: 0.68, 0x55D2: 0.32, 0x55D9: 1000.0, 0x55DA: 0.005}
"""Elements of Matroska: x and y of red, the largest and the smallest luminance."""
QUICK: dict[str, dict[str, Any]] = {
    "x265": {"encoder": "x265", "encoder_options": {"preset": "ultrafast"}},
    "x264": {"encoder": "x264", "encoder_options": {"preset": "ultrafast"}},
    "svt-av1": {"encoder": "svt-av1", "encoder_options": {"preset": "12"}},
    "ffv1": {"encoder": "ffv1"},
}


def write_hdr(path: Path, transfer: str = "smpte2084") -> Path:
    """Write HEVC of 10 bits, 64x48, BT.2020; for PQ with mastering display and light level."""
    static = f":master-display={DISPLAY}:max-cll=1000,400" if transfer == "smpte2084" else ""
    parameters = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:chromaloc=2:log-level=none"
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "x265-params": parameters + static}
        video = container.add_stream("libx265", rate=Fraction(24), options=options)
        context = video.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, "yuv420p10le"
        for n in range(12):
            frame = av.VideoFrame(64, 48, "yuv420p10le")
            samples(frame, 0)[:] = np.linspace(64, 940, 64) // (1 + n % 3)
            samples(frame, 1)[:] = samples(frame, 2)[:] = 512
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.fixture(scope="module")
def pq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in PQ."""
    return write_hdr(tmp_path_factory.mktemp("hdr") / "episode.mkv")


def assert_is_hdr(found: Media) -> None:
    """Check colours, mastering display and light level; AV1 has luminances in fixed point."""
    assert found.colours == TAGS
    assert found.hdr is not None
    assert found.hdr.light == (1000, 400)
    assert found.hdr.mastering is not None
    assert HDR.mastering is not None
    for name in ("red", "green", "blue", "white"):
        expected = [float(value) for value in getattr(HDR.mastering, name)]
        assert [float(value) for value in getattr(found.hdr.mastering, name)] == pytest.approx(expected, abs=2e-5)
    assert float(found.hdr.mastering.brightest) == pytest.approx(1000, rel=1e-3)
    assert float(found.hdr.mastering.darkest) == pytest.approx(0.005, rel=2e-2)


def shown_by_ffprobe(path: Path) -> dict[str, Any]:
    """Return what ffprobe says of the video and of its first frame."""
    shown = ("-of", "json", "-select_streams", "v:0", "-read_intervals", "%+#1", "-show_streams", "-show_frames")
    content: dict[str, Any] = json.loads(subprocess.check_output(["ffprobe", "-v", "error", *shown, path]))
    return content


@pytest.mark.parametrize(
    ("encoder", "suffix"), [("x265", "mkv"), ("x265", "mp4"), ("x264", "mkv"), ("svt-av1", "mp4"), ("ffv1", "mkv")]
)
def test_hdr_stays_hdr(pq: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], encoder: str, suffix: str) -> None:
    assert_is_hdr(probe(pq))

    result = run(request(pq, tmp_path / f"new.{suffix}", **QUICK[encoder]))

    assert_is_hdr(probe(result))
    assert "episode.mkv is HDR (PQ), and the result is too" in capsys.readouterr().err
    said = shown_by_ffprobe(result)
    stream, frame = said["streams"][0], said["frames"][0]
    assert stream["pix_fmt"] == "yuv420p10le"
    for each in (stream, frame):
        tags = [each[name] for name in ("color_space", "color_transfer", "color_primaries", "color_range")]
        assert tags == ["bt2020nc", "smpte2084", "bt2020", "tv"]
    kinds = {each["side_data_type"] for part in (stream, frame) for each in part.get("side_data_list", [])}
    assert {"Mastering display metadata", "Content light level metadata"} <= kinds


def test_matroska_says_hdr_without_the_stream(pq: Path, tmp_path: Path) -> None:
    data = run(request(pq, tmp_path / "new.mkv")).read_bytes()

    head = data[: data.index(bytes.fromhex("1F43B675"))]  # the first cluster
    assert bytes.fromhex("55BC 82") + (1000).to_bytes(2) in head
    assert bytes.fromhex("55BD 82") + (400).to_bytes(2) in head
    for element, value in MASTERING.items():
        at = head.index(element.to_bytes(2) + b"\x88")
        assert struct.unpack(">d", head[at + 3 : at + 11])[0] == pytest.approx(value)
    for colour, code in {"55B1": 9, "55BA": 16, "55BB": 9}.items():  # matrix, transfer, primaries
        assert bytes.fromhex(colour) + b"\x81" + bytes([code]) in head


def test_hlg_stays_hlg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_hdr(tmp_path / "episode.mkv", "arib-std-b67")

    result = probe(run(request(source, tmp_path / "new.mkv", **QUICK["x265"])))

    assert (result.colours.transfer, result.colours.hdr, result.hdr) == (18, "HLG", None)
    assert "is HDR (HLG)" in capsys.readouterr().err


def test_sdr_that_a_script_makes_is_not_called_hdr(pq: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text(
        f"import vapoursynth as vs\nclip = vs.core.bs.VideoSource({str(pq)!r})\n"
        "clip = clip.resize.Bicubic(matrix_s='709', transfer_s='709', primaries_s='709', format=vs.YUV420P10)\n"
        "vs.core.animesr.Upscale(clip, backend='null').set_output()\n"
    )

    result = probe(run(request(script, tmp_path / "new.mkv", streams=pq, **QUICK["x265"])))

    assert (result.colours.matrix, result.colours.transfer, result.colours.primaries) == (1, 1, 1)
    assert result.hdr is None


def test_eight_bits_are_for_sdr(pq: Path, tmp_path: Path) -> None:
    assert "format=vs.YUV420P10" in job.print_script(request(pq, tmp_path / "new.mkv", encoder="x264"))


@pytest.mark.parametrize("compatibility", [0, 1])
def test_dolby_vision_that_others_cannot_show_is_refused(
    pq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compatibility: int
) -> None:
    configuration = bytes([1, 0, 5 if compatibility == 0 else 8, 6, 1, 0, 1, compatibility])
    real = media._side_data
    monkeypatch.setattr(media, "_side_data", lambda *given: {**real(*given), "dovi_conf": configuration})

    if compatibility:
        assert probe(pq).dynamic_hdr == ("Dolby Vision",)
        return
    with pytest.raises(MediaError, match=r"episode\.mkv is Dolby Vision without a picture for other players"):
        run(request(pq, tmp_path / "new.mkv"))
    assert list(tmp_path.iterdir()) == []

"""The script of a job: made for a video file, or the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import AnimeSRError, MissingDependencyError, OptionError
from ..options import Options
from .clips import execute, run_script

if TYPE_CHECKING:
    import vapoursynth

type Fields = Literal["progressive", "inverse-telecine", "deinterlace"]
"""What is done with the fields of a source."""
FIELDS: tuple[Fields, ...] = get_args(Fields.__value__)
PACKAGES = {"bs": "vapoursynth-bestsource", "vivtc": "vapoursynth-vivtc", "bwdif": "vapoursynth-bwdif"}
NTSC = Fraction(30000, 1001)

_HEAD = "import vapoursynth as vs\ncore = vs.core\n"
_MATCH = """\
eight = core.resize.Point(clip, format=clip.format.replace(bits_per_sample=8).id)  # VFM looks at 8 bits only
matched = core.vivtc.VFM(eight, order=1, clip2=clip)
deinterlaced = core.bwdif.Bwdif(clip, field=1)
clip = core.std.FrameEval(matched, lambda n, f: deinterlaced if f.props["_Combed"] else matched, prop_src=matched)
"""
_DECIMATE = "clip = core.vivtc.VDecimate(clip)\n"
_DEINTERLACE = "clip = core.bwdif.Bwdif(clip, field=1)\nclip = core.std.SetFieldBased(clip, 0)\n"
_PROGRESSIVE = "clip = core.std.SetFieldBased(clip, 0)\n"

SOURCE_NAME = "clip"  # the variable that holds the clip before Upscale


@dataclass(frozen=True)
class Script:
    """A script whose output 0 is encoded."""

    path: str
    """The user's script, or the video file that this one was made for."""
    source: str
    """The text; if the script was made here, up to the clip that goes into Upscale."""
    arguments: Mapping[str, Sequence[str]] | None
    """Arguments of Upscale as text, if the script was made here."""

    @property
    def is_made_here(self) -> bool:
        """Whether the script was made for a video file."""
        return self.arguments is not None

    @property
    def options(self) -> Options:
        """The arguments of Upscale.

        Raises:
            OptionError: a value cannot be used.
        """
        return Options.from_text(_with_format(self.arguments or {}))

    def text(self, scenes: str | None = None, first: int = 0, last: int | None = None) -> str:
        """Return the text that runs by itself.

        Args:
            scenes: path of a scene file, in place of `scene_change`.
            first, last: what is left of the result, after Upscale: frames `first` to before `last`.
        """
        text = self.source
        if self.arguments is not None:
            arguments = {**self.arguments, **({"scene_change": [scenes]} if scenes else {})}
            text += f"clip = core.animesr.Upscale({', '.join([SOURCE_NAME, *_write_arguments(arguments)])})\n"
            if first or last is not None:
                text += f"clip = clip[{first or ''}:{'' if last is None else last}]\n"
            text += "clip.set_output()\n"
        return text

    def with_arguments(self, **arguments: str) -> Script:
        """Return the script with these arguments of Upscale too."""
        assert self.arguments is not None
        return replace(self, arguments={**self.arguments, **{name: [text] for name, text in arguments.items()}})

    def open_source(self) -> vapoursynth.VideoNode:
        """Open the clip that goes into Upscale, in a script that was made here."""
        return _execute(self.source, self.path)[SOURCE_NAME]

    def open(self, scenes: str | None = None) -> vapoursynth.VideoNode:
        """Run the script, and return output 0.

        Args:
            scenes: as in `text`.

        Raises:
            OptionError: the script fails, or has no clip as output 0.
        """
        if not self.is_made_here:
            return run_script(self.source, Path(self.path))
        return _execute(self.text(scenes), self.path)[SOURCE_NAME]


def make_script(
    video: Path,
    fields: Fields | None,
    rate: Fraction | None,
    arguments: Mapping[str, Sequence[str]],
    *,
    track: int | None = None,
) -> Script:
    """Make the script for a video file.

    Args:
        fields: what is done with its fields; None for a file that says it is progressive.
        rate: its frames a second. With `inverse-telecine`, frames are dropped only from 30000/1001.
        arguments: arguments of Upscale, as text.
        track: index of the video among the streams, if it is not the first video: a cover may be.

    Raises:
        OptionError: an argument has a value that cannot be used.
        MissingDependencyError: a plugin that the script needs is not installed.
    """
    repeat = ", rff=True" if fields in {"inverse-telecine", "deinterlace"} else ""
    chosen = "" if track is None else f", track={track}"
    text = f"{_HEAD}clip = core.bs.VideoSource({str(video.resolve())!r}{chosen}{repeat})\n"
    match fields:
        case "progressive":
            text += _PROGRESSIVE
        case "inverse-telecine":
            text += _MATCH + (_DECIMATE if rate is None or is_ntsc(rate) else "")
        case "deinterlace":
            text += _DEINTERLACE
    _require_plugins(text)
    script = Script(str(video), text, dict(arguments))
    _ = script.options  # checks them
    return script


def read_script(path: Path) -> Script:
    """Read a script of the user.

    Raises:
        OptionError: it cannot be read.
    """
    import tokenize

    try:
        with tokenize.open(path) as file:
            return Script(str(path.resolve()), file.read(), None)
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror or error}); give a script that can") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is no text of Python ({error}); give a video file or a script") from None


def is_ntsc(rate: Fraction) -> bool:
    """Whether this is the rate of a telecined film, 30000/1001, up to what a container rounds."""
    return abs(rate / NTSC - 1) < Fraction(1, 1000)


def upscale_arguments() -> dict[str, str]:
    """Return the arguments of Upscale that a job takes, with their defaults as text.

    Those of `seek="preview"` are not among them: its frames depend on the order of requests.
    """
    left_out = {"seek", "warmup"}
    return {each.name: _describe_default(each.default) for each in fields(Options) if each.name not in left_out}


def _describe_default(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def _with_format(arguments: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return the arguments with the format as its number."""
    if "format" not in arguments:
        return dict(arguments)
    import vapoursynth as vs

    (name,) = arguments["format"]
    known = {each.name: int(each) for each in vs.PresetVideoFormat}
    if name not in known:
        raise OptionError(f"format={name!r} is unknown; use a format of VapourSynth such as YUV420P10")
    return {**arguments, "format": [str(known[name])]}


def _write_arguments(arguments: Mapping[str, Sequence[str]]) -> list[str]:
    """Return arguments as Python."""
    options = Options.from_text({name: text for name, text in arguments.items() if name != "format"})
    written = []
    for name, texts in arguments.items():
        if name == "format":
            written.append(f"format=vs.{texts[0]}")
            continue
        value = getattr(options, name)
        written.append(f"{name}={list(value) if isinstance(value, tuple) else value!r}")
    return written


def _execute(text: str, path: str) -> dict[str, Any]:
    """Run a script that was made here."""
    import vapoursynth as vs

    try:
        return execute(text, Path(path))
    except vs.Error as error:
        raise OptionError(f"{path}: {error}") from None
    except AnimeSRError:
        raise
    except Exception as error:
        raise OptionError(f"{path}: the script made for it fails ({type(error).__name__}: {error})") from None


def _require_plugins(text: str) -> None:
    import vapoursynth as vs

    missing = [name for name in PACKAGES if f"core.{name}." in text and not hasattr(vs.core, name)]
    if missing:
        packages = " ".join(PACKAGES[name] for name in missing)
        raise MissingDependencyError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not among the plugins of VapourSynth; "
            f"run: pip install {packages}"
        )

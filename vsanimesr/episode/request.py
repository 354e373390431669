"""What a user asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import OptionError
from ..outputs import check_output
from .chunks import TARGET
from .clips import SCRIPT_SUFFIX
from .cluster import RESOURCE
from .script import Fields

CONTAINERS = (".mkv", ".mp4")
LONGEST_SUFFIX = ".animesr.json.part"
"""The longest text behind the name of a result in the name of a file beside it."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: one file or script in, one file out."""

    input: Path
    output: Path
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Arguments of Upscale, as text."""
    fields: Fields | None = None
    """What is done with the fields of the source; None: what the file says."""
    encoder: str = "x265"
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    range: str | None = None
    preview: str | None = None
    chunk: int = TARGET
    workers: int = 1
    gpus: Sequence[int] = ()
    """Numbers of GPUs, one worker for each."""
    scheduler: str | None = None
    """Address of a Dask cluster whose workers make the chunks."""
    resource: str = RESOURCE
    """What a worker of the cluster must have: one unit for each chunk."""
    streams: Path | None = None
    """The file whose other streams are copied; None: the input, if it is no script."""
    restart: bool = False
    estimate: bool = True

    @property
    def how_to_go_on(self) -> str:
        """What a user does after a stop."""
        return f"run the same command again{', without --restart,' if self.restart else ''} to go on"

    def with_full_paths(self) -> Request:
        """Return the request with paths that name the same file in every process."""
        streams = self.streams and self.streams.absolute()
        return replace(self, input=self.input.absolute(), output=self.output.absolute(), streams=streams)

    @property
    def is_script(self) -> bool:
        """Whether the input is a script of the user."""
        return self.input.suffix.lower() == SCRIPT_SUFFIX

    def check_paths(self) -> None:
        """Check the paths before the work starts.

        Raises:
            OptionError: one of them cannot be used.
        """
        output = self.output
        try:
            if not self.input.is_file():
                raise OptionError(f"{self.input} is no file; give a video file, a folder of them, or a .vpy script")
            if output.suffix.lower() not in CONTAINERS:
                raise OptionError(
                    f"-o {output} ends neither in .mkv nor in .mp4; write, for example, {output.stem}.mkv"
                )
            if self.streams and not self.streams.is_file():
                raise OptionError(f"--streams-from {self.streams} is no file; give the video that the script reads")
        except OSError as error:
            raise OptionError(
                f"{error.filename} cannot be used ({error.strerror or error}); use another path"
            ) from None
        check_output(output, [path for path in (self.input, self.streams) if path], suffix=LONGEST_SUFFIX)

"""Changes one input or setting of a tiny recipe after each of its steps, runs it again, and compares with a new run.

The end must have the same bytes as a run from nothing. Where the recipe refuses to go on, it must name what differs,
and change no file; `--renew` must then give the same bytes too.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import torch
from PIL import Image
from safetensors.torch import save_file

from scripts.studies.commands import make_parser
from trainer import recipe
from trainer.core import run
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.errors import TrainerError
from trainer.lbo import pairs, train
from trainer.recipe import Recipe, run_recipe
from vsanimesr.network.torch_network import AnimeSR

EPISODE, OTHER_EPISODE, DATA, MODEL = "episode", "other", "hq", "model.safetensors"
SETTINGS = {
    "network.features": "2",
    "network.blocks": "[1,0,0]",
    "discriminator.features": "2",
    "discriminator.layers": "[2]",
    "sampling.size": "32",
    "sampling.frames": "2",
    "batch": "1",
    "steps": "2",
    "records.preview": "0",
    "lbo.size": "32",
    "lbo.operator.features": "2",
    "lbo.discriminator.features": "2",
    "lbo.discriminator.layers": "[1]",
    "lbo.batch": "1",
    "lbo.steps": "2",
    "lbo.records.preview": "0",
}
RESULTS = (recipe.MODEL_FILE, "lbo?/operator.safetensors", "lbo?/windows.json", "lbo?/pairs/?q/*/*.png")


@dataclass(frozen=True)
class World:
    """All inputs of a recipe."""

    inputs: Path
    """Folder of episodes, HQ clips and a model."""
    episodes: tuple[str, ...] = (EPISODE,)
    count: int = 1
    factor: float | None = 0.5
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)
    formats: Mapping[str, str] = field(default_factory=dict)
    """Versions of the code, by the name of the module that has them."""

    def run(self, folder: Path, *, renew: bool = False) -> None:
        """Run the recipe to its end."""
        given = Recipe(
            episodes=[self.inputs / name for name in self.episodes],
            data=str(self.inputs / DATA),
            folder=folder,
            upscaler=str(self.inputs / MODEL),
            preset="debug",
            count=self.count,
            factor=self.factor,
            renew=renew,
            estimate=False,
        )
        with contextlib.ExitStack() as stack:
            for module, version in self.formats.items():
                stack.enter_context(mock.patch(f"{module}.FORMAT", version))
            run_recipe(given, [f"{name}={value}" for name, value in self.settings.items()])


def write_inputs(folder: Path) -> World:
    """Write the inputs of a tiny recipe."""
    write_toy_clips(folder / DATA, clips=1)
    for seed, name in enumerate((EPISODE, OTHER_EPISODE)):
        write_toy_episode(folder / name, seed=seed)
    _write_model(folder / MODEL, seed=0)
    return World(folder)


def _write_model(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    save_file(AnimeSR(features=2, blocks=(1, 0, 0)).state_dict(), path)


type Change = Callable[[World], World]
"""Changes inputs in place, and returns how the recipe is run then."""


def _set(**settings: str) -> Change:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return lambda world: _replace(world, settings={**world.settings, **named})


def _replace(world: World, **values: object) -> World:
    return World(**{**vars(world), **values})


def _draw(path: str) -> Change:
    """Change one pixel."""

    def change(world: World) -> World:
        file = world.inputs / path
        with Image.open(file) as picture:
            changed = picture.copy()
        red, *others = changed.getpixel((20, 20))  # type: ignore[misc]
        changed.putpixel((20, 20), (red ^ 128, *others))
        changed.save(file)
        return world

    return change


def _change_model(world: World) -> World:
    _write_model(world.inputs / MODEL, seed=1)
    return world


def _swap_episode(world: World) -> World:
    """Put another episode in place of one, under the same names."""
    shutil.rmtree(world.inputs / EPISODE)
    shutil.copytree(world.inputs / OTHER_EPISODE, world.inputs / EPISODE)
    return world


CHANGES: dict[str, tuple[Change, str]] = {
    "nothing": (lambda world: world, ""),
    "a pixel of the episode": (_draw(f"{EPISODE}/00000005.png"), "episode was"),
    "the episode": (_swap_episode, "episode was"),
    "a second episode": (lambda world: _replace(world, episodes=(EPISODE, OTHER_EPISODE)), "operators was 1, now 2"),
    "a pixel of HQ": (_draw(f"{DATA}/shapes-0/00000008.png"), "clip shapes-0 was"),
    "the model": (_change_model, "model was|start was"),
    "--count": (lambda world: _replace(world, count=2), "windows was 1, now 2"),
    "--factor": (lambda world: _replace(world, factor=0.8), r"factor was 0\.5, now 0\.8"),
    "no --factor": (lambda world: _replace(world, factor=None), r"factor was 0\.5, now a new suggestion"),
    "lbo.seed": (_set(lbo__seed="1"), "seed was 0, now 1"),
    "lbo.steps, more": (_set(lbo__steps="3"), "lbo-l1, which has more steps"),
    "lbo.steps, fewer": (_set(lbo__steps="1"), "steps was 2, now 1"),
    "lbo.losses.l1": (_set(lbo__losses__l1="0.5"), r"losses\.l1 was 1, now 0\.5"),
    "seed": (_set(seed="1"), "seed was 0, now 1"),
    "steps, more": (_set(steps="3"), ""),
    "steps, fewer": (_set(steps="1"), "steps was 2, now 1"),
    "degradation": (_set(degradation__noise__sigma="[20,30]"), r"degradation\.noise\.sigma was"),
    "the code of pairs": (
        lambda world: _replace(world, formats={pairs.__name__: "new"}),
        rf"format was {pairs.FORMAT}, now new",
    ),
    "the code of training": (
        lambda world: _replace(world, formats={run.__name__: "new"}),
        rf"format was {run.FORMAT}, now new",
    ),
}
"""Changes by name, each with a pattern for the difference that a refusal must name; "" where none is allowed."""

STEPS = ("windows", "pairs", "lbo-l1", "lbo-gan", "operator", "vsr-final, one step", "end")


def take_snapshots(world: World, folder: Path) -> dict[str, Path]:
    """Run a recipe, and copy its folder after each step."""
    out, snapshots = folder / "out", {}

    def after(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **more: object) -> object:
            result = function(*arguments, **more)
            snapshots[name] = Path(shutil.copytree(out, folder / name))
            return result

        return wrapped

    def train_operator(settings: object, path: Path, **more: object) -> object:
        return after(path.name, original)(settings, path, **more)

    original = train.train_operator
    with (
        mock.patch.object(pairs, "_find_windows", after("windows", pairs._find_windows)),
        mock.patch.object(recipe, "make_pairs", after("pairs", pairs.make_pairs)),
        mock.patch.object(train, "train_operator", train_operator),
        mock.patch.object(recipe, "train_stages", after("operator", train.train_stages)),
    ):
        _replace(world, settings={**world.settings, "steps": "1"}).run(out)
    snapshots["vsr-final, one step"] = Path(shutil.copytree(out, folder / "one-step"))
    world.run(out)
    snapshots["end"] = out
    return snapshots


def read_results(folder: Path) -> dict[str, bytes]:
    """Return the files that matter, by their paths in the folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes() for pattern in RESULTS for file in sorted(folder.glob(pattern))
    }


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return all files, by their paths in the folder."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != ".lock")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@dataclass(frozen=True)
class Outcome:
    """What became of a change."""

    refusal: str
    """Message of the refusal; empty if the recipe went on."""
    untouched: bool
    """Whether a refusal changed no file."""
    different: tuple[str, ...]
    """Files that differ from those of a run from nothing."""

    def fault(self, change: str) -> str:
        """Return what is wrong; "" if the change was noticed as it should be."""
        expected = CHANGES[change][1]
        if self.different:
            return f"{', '.join(self.different[:2])} differ"
        if not self.untouched:
            return "the refusal changed files"
        if self.refusal and not (expected and re.search(expected, self.refusal)):
            return f"refused: {self.refusal}"
        return ""


class Trial:
    """Tries changes on copies of the same inputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inputs = write_inputs(folder / "inputs")
        self.snapshots = take_snapshots(self._inputs, folder)
        self._fresh: dict[str, dict[str, bytes]] = {}
        self._worlds: dict[str, World] = {}

    def try_change(self, step: str, change: str) -> Outcome:
        """Make a change after a step, and run the recipe again."""
        world = self._world(change)
        out = self._folder / "again"
        shutil.copytree(self.snapshots[step], out)
        refusal, untouched = "", True
        try:
            before = read_tree(out)
            try:
                world.run(out)
            except TrainerError as error:
                refusal, untouched = str(error), read_tree(out) == before
                world.run(out, renew=True)
            found, expected = read_results(out), self._fresh[change]
        finally:
            shutil.rmtree(out)
        return Outcome(
            refusal, untouched, tuple(name for name in found | expected if found.get(name) != expected.get(name))
        )

    def _world(self, change: str) -> World:
        """Return changed inputs, and remember what a run from nothing makes of them."""
        if change not in self._worlds:
            inputs = self._folder / f"inputs-{len(self._worlds)}"
            shutil.copytree(self._inputs.inputs, inputs)
            world = CHANGES[change][0](_replace(self._inputs, inputs=inputs))
            fresh = self._folder / "fresh"
            world.run(fresh)
            self._fresh[change] = read_results(fresh)
            shutil.rmtree(fresh)
            self._worlds[change] = world
        return self._worlds[change]


def _try_all(folder: Path, changes: Sequence[str]) -> Iterator[str]:
    """Yield the rows of a table."""
    trial = Trial(folder)
    yield "| changed | " + " | ".join(f"after {step}" for step in STEPS) + " |"
    yield "|---" * (len(STEPS) + 1) + "|"
    for change in changes:
        outcomes = [trial.try_change(step, change) for step in STEPS]
        yield f"| {change} | " + " | ".join(_describe(outcome, change) for outcome in outcomes) + " |"


def _describe(outcome: Outcome, change: str) -> str:
    if fault := outcome.fault(change):
        return f"WRONG: {fault}"
    return "refused" if outcome.refusal else "the same"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its table."""
    parser = make_parser("staleness", __doc__ or "")
    parser.add_argument("changes", nargs="*", metavar="CHANGE", help=f"default: all of {', '.join(CHANGES)}")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for row in _try_all(Path(folder), args.changes or list(CHANGES)):
            print(row, flush=True)
    print(f"\n{time.monotonic() - start:.0f} s on one of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

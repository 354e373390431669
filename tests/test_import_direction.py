"""Imports run one way: each package lists what it may import, and nothing imports in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The packages and modules of ours that each may import, besides itself. Those of the runtime never import the trainer.
RUNTIME = {
    "vsanimesr": "errors installation options vs_animesr",
    "vsanimesr.__main__": "cli",
    "vsanimesr.errors": "",
    "vsanimesr.files": "",
    "vsanimesr.identity": "",
    "vsanimesr.quiet": "",
    "vsanimesr.installation": "errors",
    "vsanimesr.outputs": "errors",
    "vsanimesr.paths": "errors",
    "vsanimesr.pixels": "",
    "vsanimesr.network": "",
    "vsanimesr.tiling": "network",
    "vsanimesr.weights": "errors files installation network paths",
    "vsanimesr.cache": "errors files network paths weights",
    "vsanimesr.backends": "backends.gpu cache errors network pixels quiet weights",
    "vsanimesr.backends.gpu": "backends cache errors network pixels tiling weights",
    "vsanimesr.scene_file": "errors files paths",
    "vsanimesr.options": "backends errors network scene_file tiling weights",
    "vsanimesr.tiles": "backends errors network pixels tiling",
    "vsanimesr.session": "backends options pixels quiet tiles weights",
    "vsanimesr.progress": "",
    "vsanimesr.episode": ". errors files identity installation options outputs pixels progress quiet scene_file",
    "vsanimesr.bridge": ". backends errors installation options pixels session",
    "vsanimesr.vs_animesr": ". backends errors",
    "vsanimesr.comparison": "errors files",
    "vsanimesr.machine": "backends backends.gpu errors",
    "vsanimesr.bench": ". backends backends.gpu errors installation machine options progress tiles",
    "vsanimesr.cli": (
        ". backends backends.gpu bench cache comparison episode errors files installation machine network options "
        "outputs progress quiet scene_file weights"
    ),
}
TRAINER = {
    "trainer": "",
    "trainer.__main__": "",
    "trainer.errors": "",
    "trainer.settings": "errors",
    "trainer.origin": "settings",
    "trainer.data": "errors origin",
    "trainer.previews": "data",
    "trainer.degradation": "data errors previews settings",
    "trainer.degradation.learned": "degradation errors origin",
    "trainer.losses": "data errors losses.vgg settings",
    "trainer.losses.vgg": "errors",
    "trainer.core": "data errors losses losses.vgg origin previews settings",
    "trainer.vsr": "core data degradation degradation.learned errors losses losses.vgg origin settings",
    "trainer.baselines": "errors",
    "trainer.lbo": "core data degradation degradation.learned errors losses origin previews settings vsr",
    "trainer.lbo.picker": "errors lbo",
    "trainer.dataset": "advice data errors lbo losses origin vsr",
    "trainer.distil": "core data degradation errors losses origin vsr",
    "trainer.bench": "core data degradation degradation.learned lbo losses losses.vgg settings vsr",
    "trainer.evaluation": "data degradation errors losses losses.vgg origin previews vsr",
    "trainer.report": "core data errors lbo origin",
    "trainer.advice": (
        "bench core data degradation degradation.learned errors lbo losses losses.vgg report settings vsr"
    ),
    "trainer.recipe": "advice core data degradation degradation.learned errors lbo report settings vsr",
    "trainer.table2": (
        "advice bench core data degradation degradation.learned errors evaluation lbo losses losses.vgg origin recipe "
        "settings vsr"
    ),
    "trainer.cli": (
        "advice baselines bench core data dataset degradation distil errors evaluation lbo lbo.picker recipe settings "
        "table2 vsr"
    ),
}
OWN = {"scripts": {"vsanimesr", "trainer", "scripts"}, "tests": {"vsanimesr", "trainer", "scripts", "tests"}}


def modules(*packages: str) -> dict[str, Path]:
    """The files of these top-level packages by the name of their module."""
    files = (file for package in packages for file in sorted((ROOT / package).rglob("*.py")))
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files}
    return {name: file for file, name in names.items()}


def imports(name: str, file: Path, known: Mapping[str, Path], *, at_top: bool) -> Iterator[str]:
    """The modules of ours that a module imports.

    Args:
        at_top: only when it is imported itself; else also within functions and for types.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in tree.body if at_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            targets = {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
            yield from sorted(targets & known.keys())


def owner(name: str, packages: Mapping[str, str]) -> str:
    """The listed package that a module belongs to."""
    while name not in packages:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("top", ["vsanimesr", "trainer"])
def test_each_package_imports_only_what_it_may(top: str) -> None:
    known = modules("vsanimesr", "trainer")
    packages = {**RUNTIME, **TRAINER}
    found: dict[str, set[str]] = {package: set() for package in packages if package.split(".")[0] == top}
    for name, file in known.items():
        if name.split(".")[0] == top:
            assert name.count(".") == 0 or owner(name, packages) != top, f"{name} is not listed"
            found[owner(name, packages)] |= {
                owner(target, packages) for target in imports(name, file, known, at_top=False)
            }

    for package, targets in found.items():
        allowed = {f"{top}.{each}".removesuffix("..") for each in packages[package].split()} | {package}
        across = {target for target in targets if target.split(".")[0] != top}
        assert targets - across <= allowed, package
        assert not across or top == "trainer", f"{package} is part of the runtime"
        assert allowed - {package} <= targets, f"{package} lists what it does not import"


@pytest.mark.parametrize("top", ["scripts", "tests"])
def test_scripts_import_nothing_of_the_tests(top: str) -> None:
    known = modules("vsanimesr", "trainer", "scripts", "tests")
    for name, file in known.items():
        if name.split(".")[0] == top:
            found = {target.split(".")[0] for target in imports(name, file, known, at_top=False)}
            assert found <= OWN[top], name


def test_no_module_imports_in_a_circle() -> None:
    known = modules("vsanimesr", "trainer", "scripts", "tests")
    graph = {name: set(imports(name, file, known, at_top=True)) - {name} for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))

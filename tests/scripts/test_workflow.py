"""The workflow of GitHub Actions: valid, with few rights, and true of the scripts that it calls."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.wheelhouse.targets import TARGETS
from tests.scripts.sandbox import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
if not WORKFLOW.exists():
    pytest.skip("an sdist has no workflow", allow_module_level=True)


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    content: dict[str, Any] = pytest.importorskip("ruamel.yaml").YAML(typ="safe").load(WORKFLOW)
    return content


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_fits_the_schema(tmp_path: Path) -> None:
    done = validate(WORKFLOW)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "ci.yml"
    wrong.write_text(WORKFLOW.read_text(encoding="utf-8").replace("runs-on:", "run-on:", 1), encoding="utf-8")
    assert "run-on" in validate(wrong).stdout


def test_only_the_job_that_publishes_has_a_right_to_write(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert rights == {"publish": {"contents": "read", "id-token": "write"}}
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")


def test_nothing_is_published_that_was_not_tested_and_checked(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    publishing = [name for name, job in jobs.items() for step in job["steps"] if "pypi-publish" in step.get("uses", "")]
    assert publishing == ["publish"]
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"publish"}
    assert "startsWith(github.ref, 'refs/tags/v')" in jobs["publish"]["if"]
    commands = [step.get("run", step.get("uses")) for step in jobs["publish"]["steps"]]
    assert commands[-2] == "./scripts/wheels --check"


def test_every_wheel_is_tried_on_a_machine_of_its_kind(workflow: dict[str, Any]) -> None:
    matrix = workflow["jobs"]["try"]["strategy"]["matrix"]
    machines = {each["tag"]: each["os"] for each in matrix["platform"]}
    assert machines.keys() == {target.tag for target in TARGETS.values()}
    for target in TARGETS.values():
        system, machine = machines[target.tag].partition("-")[0], machines[target.tag]
        assert system == {"linux": "ubuntu"}.get(target.system, target.system)
        assert machine.endswith("-arm") is (target.tag == TARGETS["linux-aarch64"].tag)
        assert machine.endswith("-intel") is (target.tag == TARGETS["macos-x86_64"].tag)


def test_actions_have_a_version_and_scripts_exist(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"(actions/[a-z-]+@v\d+|pypa/gh-action-pypi-publish@release/v1)", step["uses"])
            continue
        for script in re.findall(r"\./(scripts/\S+)", step["run"]):
            assert os.access(ROOT / script, os.X_OK)
        for module in re.findall(r"python -m (scripts\.\S+)", step["run"]):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
        assert not re.search(r"\$\{\{\s*github\.(event|head_ref|ref_name)", step["run"]), "text of others in a shell"


def test_a_checkout_has_lines_that_bash_reads_on_every_system() -> None:
    assert (ROOT / ".gitattributes").read_text().split() == ["*", "text=auto", "eol=lf"]

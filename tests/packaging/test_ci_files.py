"""Workflow, action and templates for CI: valid by their schemas, and run on the demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check

from sae_checks.cli.init import starter_files
from tests.exhaustive import every_other
from tests.plugin.gate_run import CHECKOUT

STARTERS = {ci: starter_files("tales", ci, "sae-checks") for ci in ("github", "gitlab")}
GITHUB, GITLAB = ".github/workflows/sae-checks.yml", ".gitlab-ci.yml"
TEXTS = {
    "workflow": (CHECKOUT / ".github/workflows/gate.yml").read_text(encoding="utf-8"),
    "action": (CHECKOUT / "action.yml").read_text(encoding="utf-8"),
    "template": (CHECKOUT / "templates/gitlab.yml").read_text(encoding="utf-8"),
    "starter of github": STARTERS["github"][GITHUB],
    "starter of gitlab": STARTERS["gitlab"][GITLAB],
}
SCHEMAS = {
    "workflow": "vendor.github-workflows",
    "action": "vendor.github-actions",
    "template": "vendor.gitlab-ci",
    "starter of github": "vendor.github-workflows",
    "starter of gitlab": "vendor.gitlab-ci",
}
# What is not run here: pip, and a whole suite.
PYTHON = """#!/bin/sh
case "$*" in
  *"-m pip"*|*"import torch"*) echo "$*" >> "$ASKED" ;;
  *) exec "$REAL_PYTHON" "$@" ;;
esac
"""
FEW = "-k explained_variance --sae-ids=blocks.1.* --sae-task=none -p no:cacheprovider"


@pytest.mark.parametrize("name", list(TEXTS))
def test_it_is_valid_by_its_schema(name, tmp_path):
    file = tmp_path / "file.yml"
    file.write_text(TEXTS[name], encoding="utf-8")
    arguments = ["--builtin-schema", SCHEMAS[name], str(file)]
    assert check(arguments, standalone_mode=False) == 0
    file.write_text("jobs: 3\nruns: 3\nscript: {}\n", encoding="utf-8")
    assert check(arguments, standalone_mode=False) == 1


def steps(name: str) -> tuple[list[str], dict[str, str]]:
    """The shell commands of a file, and their environment with the inputs' defaults."""
    content = yaml.safe_load(TEXTS[name])
    if "template" in name or "gitlab" in name:
        job = content[".sae-checks" if "template" in name else "sae-checks"]
        variables = {key: str(value) for key, value in job.get("variables", {}).items()}
        return [*job["before_script"], *job["script"]], variables
    if name == "action":
        found, inputs = content["runs"]["steps"], content["inputs"]
    else:
        (job,) = content["jobs"].values()
        found, inputs = job["steps"], {}
    environment = {}
    for step in found:
        for key, value in step.get("env", {}).items():
            asked = re.findall(r"inputs\.(\w+)", value)
            environment[key] = str(inputs[asked[0]]["default"]) or "sae-checks"
    return [step["run"] for step in found if "run" in step], environment


@pytest.mark.parametrize(
    "name", every_other(["action", "starter of github", "template", "starter of gitlab"])
)
def test_its_commands_gate_the_demo(name, tmp_path: Path, store):
    commands, environment = steps(name)
    assert commands
    for file, text in STARTERS["github"].items():
        if file != GITHUB:
            (tmp_path / file).write_text(text, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / ".sae-checks").symlink_to(store)
    environment |= {
        "PYTHONPATH": str(CHECKOUT),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "REAL_PYTHON": sys.executable,
        "ASKED": str(tmp_path / "asked"),
        "PYTEST_ADDOPTS": FEW,
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
        cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (junit,) = (each for each in tmp_path.rglob("*.xml") if each.name != "pages")
    assert "check_explained_variance[blocks.1" in junit.read_text(encoding="utf-8")
    assert (junit.parent / junit.name.replace(".xml", ".html")).is_file()
    assert "-m pip install" in (tmp_path / "asked").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store, so that the demo is measured once."""
    return tmp_path_factory.mktemp("store")


def test_the_workflow_uses_the_action_with_inputs_that_it_has():
    workflow = yaml.safe_load(TEXTS["workflow"])
    action = yaml.safe_load(TEXTS["action"])
    inputs = workflow[True]["workflow_call"]["inputs"]  # YAML 1.1 reads `on` as true
    uses = next(s for s in workflow["jobs"]["gate"]["steps"] if "sae-checks" in s.get("uses", ""))
    assert uses["with"].keys() <= action["inputs"].keys()
    asked = set(re.findall(r"inputs\.([\w-]+)", TEXTS["workflow"]))
    assert asked == inputs.keys()
    assert set(re.findall(r"inputs\.([\w-]+)", TEXTS["action"])) == action["inputs"].keys()

"""What people who join meet: files that name versions and commands name the same ones."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.plugin.gate_run import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    lines = [line for line in text(name).splitlines() if not line.startswith("#")]
    return {name.lower().replace("_", "-"): v for name, v in (line.split("==") for line in lines)}


def test_pythons_are_the_same_ones_everywhere():
    prefix = "Programming Language :: Python :: 3."
    classified = [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert [f"3.{minor}" for minor in classified] == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == PYTHONS
    assert f"PYTHONS = {tuple(PYTHONS)}".replace("'", '"') in text("noxfile.py")


def test_ci_runs_what_is_run_here():
    jobs = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]
    commands = {name: [step.get("run") for step in job["steps"]] for name, job in jobs.items()}
    assert commands["tests"][-1] == ".ci/run"
    assert commands["lowest"][-1] == "make test CONSTRAINTS=constraints-lowest.txt"


def test_the_lowest_versions_are_those_that_the_ranges_begin_with():
    """But for torch, where older ones are allowed than were tried."""
    lowest = {}
    for requirement in PROJECT["dependencies"]:
        found = re.match(r"([\w-]+)>=([\d.]+)", requirement)
        assert found is not None, requirement
        lowest[found[1]] = found[2]
    tried = pins("constraints-lowest.txt")
    assert tried.keys() == lowest.keys()
    assert (lowest.pop("torch"), tried.pop("torch")) == ("2.6", pins("constraints.txt")["torch"])
    for name, version in tried.items():
        assert re.fullmatch(rf"{re.escape(lowest[name])}(\.0)*", version), name


def test_every_tool_of_the_tests_has_its_version():
    wanted = {re.split(r"[>=]", tool)[0] for tool in PROJECT["optional-dependencies"]["dev"]}
    assert {tool.lower() for tool in wanted} <= pins("constraints.txt").keys()


def test_hooks_are_what_make_lint_runs():
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"].split(" --")[0] for hook in repository["hooks"]]
    assert hooks == [".venv/bin/ruff check", ".venv/bin/ruff format", ".venv/bin/mypy"]
    for hook in hooks:
        assert f"\t{hook.replace('.venv/bin', '$(BIN)')}" in text("Makefile")

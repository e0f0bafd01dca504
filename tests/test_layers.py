"""Resolving, storing, judging and reporting import neither torch nor what brings it."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import sae_checks

HEAVY = ("torch", "sae_lens", "transformer_lens", "transformers", "datasets")
LIGHT_PACKAGES = ("baseline", "judge", "records", "report", "resolve", "session", "store")
LIGHT_MODULES = (
    *("checking", "errors", "options", "plugin", "xdist"),
    *("evals.collect", "evals.kind", "evals.registry", "evals.selector"),
)

IMPORT_EACH = """
import importlib, json, sys

names, heavy = sys.argv[1].split(","), set(sys.argv[2].split(","))
brought = {}
for name in names:
    before = heavy & sys.modules.keys()
    importlib.import_module(name)
    brought[name] = sorted((heavy & sys.modules.keys()) - before)
json.dump(brought, sys.stdout)
"""


def brought_by(names: list[str], path: Path | None = None) -> dict[str, list[str]]:
    """The heavy libraries that each module brings, in one process that imports them in turn."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-c", IMPORT_EACH, ",".join(names), ",".join(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    brought: dict[str, list[str]] = json.loads(done.stdout)
    return brought


def light_modules() -> list[str]:
    below = [
        name
        for package in LIGHT_PACKAGES
        for _, name, _ in pkgutil.walk_packages(
            [f"{sae_checks.__path__[0]}/{package}"], f"sae_checks.{package}."
        )
    ]
    return ["sae_checks", *below, *(f"sae_checks.{name}" for name in LIGHT_MODULES)]


def test_light_modules_bring_nothing_heavy():
    names = light_modules()
    assert {"sae_checks.judge.statistics", "sae_checks.store.store"} <= set(names)
    assert brought_by(names) == {name: [] for name in names}


def test_this_test_can_fail(tmp_path: Path):
    (tmp_path / "torch.py").write_text("", encoding="utf-8")
    (tmp_path / "offender.py").write_text("import torch\n", encoding="utf-8")
    names = ["sae_checks.records", "offender"]
    assert brought_by(names, tmp_path) == {"sae_checks.records": [], "offender": ["torch"]}

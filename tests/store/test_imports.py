"""The store knows no evaluation: it imports records, and what stands below them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sae_checks.store

ALLOWED = ("sae_checks.store", "sae_checks.records", "sae_checks.errors", "sae_checks.wording")
FILES = sorted(Path(sae_checks.store.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_imports_records_alone(path: Path):
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    modules = [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
    ours = [module for module in modules if module.startswith("sae_checks")]
    assert [module for module in ours if not module.startswith(ALLOWED)] == []

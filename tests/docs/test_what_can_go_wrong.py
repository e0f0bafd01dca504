"""The tests that the page of what can go wrong names exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import CHECKOUT

PAGE = CHECKOUT / "docs" / "what-can-go-wrong.md"
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?` \|$")


def functions_in(file: str) -> set[str]:
    """The functions of a module, methods included."""
    tree = ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("| what can")])
def test_each_row_names_a_test(row: str):
    match = NAMED.search(row)
    assert match is not None, row
    file, function = match.groups()
    functions = functions_in(file)
    assert (
        function in functions if function else any(each.startswith("test_") for each in functions)
    )


def test_the_page_has_rows():
    assert len(ROWS) > 30

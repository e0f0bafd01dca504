"""Reads the pages of the docs: their fenced examples and their tables."""

from __future__ import annotations

import re

from tests.plugin.gate_run import CHECKOUT


def page(name: str) -> str:
    return (CHECKOUT / "docs" / name).read_text(encoding="utf-8")


def example(text: str, language: str) -> str:
    """The first fenced block of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0]


def rows(text: str, head: str) -> list[list[str]]:
    """The rows of the table whose first line begins with this, each as its cells."""
    _, _, after = text.partition(f"\n{head}")
    lines = after.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def in_code(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)

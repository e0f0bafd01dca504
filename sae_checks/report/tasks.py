"""What a task's items are, in one line: how many, what was left out, what was cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sae_checks.records import Manifest
from sae_checks.wording import counted


def task_lines(manifest: Manifest, asked: Iterable[str]) -> list[str]:
    """A line for each of the tasks asked about that has items, from a measurement's manifest."""
    entries = {entry.ref.name: entry for entry in manifest.tasks}
    found = (entries[name] for name in asked if name in entries)
    return [_line(each.ref.name, each.description) for each in found if each.description]


def _line(name: str, items: Mapping[str, Any]) -> str:
    told = [counted(items["items"], "item")]
    told[0] += f", the longest prompt {items['longest_prompt']:,} tokens"
    if items["answer"] == "first_token" and items["several_token_answers"]:
        told.append(
            f"of {counted(items['several_token_answers'], 'answer')} only the first token is scored"
        )
    if items["cut"]:
        told.append(f"{counted(items['cut'], 'prompt')} cut on the left to fit the model's context")
    if items["left_out"]:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in items["left_out"].items())
        told.append(f"left out: {reasons}")
    return f"task {name}: {'; '.join(told)}"

"""The options of a run, as their own help has them."""

from __future__ import annotations

from sae_checks.options.declared import FLAGS, OPTIONS

# By where in a run they matter, in the order in which one asks.
_STAGES = {
    "What is gated": ("resolve",),
    "What is measured": ("measure", "shift", "ablate"),
    "What is collected": ("collect",),
    "Where tables are": ("store", "read"),
    "What it is held to": ("judge", "compare", "update"),
    "What is written": ("report",),
}


def options() -> str:
    """A table for each stage of a run."""
    tables = []
    for title, stages in _STAGES.items():
        rows = [f"### {title}", "", "| option | |", "|---|---|"]
        for option in (*OPTIONS, *FLAGS):
            if option.stage in stages:
                value = "" if option.parse is bool else f" {option.metavar}"
                rows.append(f"| `{option.name}{value}` | {_cell(option.help)} |")
        tables.append("\n".join(rows))
    return "\n\n".join(tables)


def _cell(text: str) -> str:
    """In a cell of a table: a bar would end it, and stars would emphasise."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")

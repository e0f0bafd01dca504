"""Writes a run's Markdown: to the file that was asked for, and to the summary of a workflow's step.

A step of a GitHub workflow has a file, named in its environment, that is shown beside its log.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sae_checks.session.result import RunResult

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def markdown_files(file: Path | None) -> list[Path]:
    """Where it is wanted."""
    step = os.environ.get(STEP_SUMMARY)
    return [*([] if file is None else [file]), *([Path(step)] if step else [])]


def write_markdown(file: Path | None, result: RunResult) -> list[str]:
    """Write it wherever it is wanted: a line on each place."""
    step = os.environ.get(STEP_SUMMARY)
    if file is None and not step:
        return []
    from sae_checks.report.registry import report

    text = "\n".join(report("markdown", result)) + "\n"
    lines = []
    if file is not None:
        file.write_text(text, encoding="utf-8")
        lines.append(f"report in Markdown in {file}")
    if step:
        with Path(step).open("a", encoding="utf-8") as summary:
            summary.write(text)
        lines.append(f"report in Markdown added to the step's summary in {step}")
    return lines

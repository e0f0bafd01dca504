"""The page of a run: one HTML file that asks nothing of a network and opens from disk.

What makes it is imported when one is written: a run without a page pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sae_checks.records import Measurement
from sae_checks.session.result import RunResult


def write_page(result: RunResult, path: Path) -> None:
    """Write the page of a run.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(_page(result), encoding="utf-8")


def write_comparison(measurements: Sequence[Measurement], path: Path) -> None:
    """Write the page of several stored releases, their figures drawn together.

    Raises:
        UserError: there are fewer than two.
        OSError: the file cannot be written.
    """
    from sae_checks.report.page.comparison import comparison_page

    path.write_text(comparison_page(measurements), encoding="utf-8")


def page_lines(result: RunResult) -> list[str]:
    """The lines of the page of a run."""
    return _page(result).split("\n")


def _page(result: RunResult) -> str:
    from sae_checks.report.page.write import page

    return page(result)

"""All that a page shows: what its template says by itself, and the data of its scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sae_checks.report.figures.figure import Data, Figure
from sae_checks.report.figures.registry import figures_of
from sae_checks.report.header import header_lines
from sae_checks.report.page.cells import cell_entries
from sae_checks.report.page.embedded import embedded_data, embedded_figure
from sae_checks.report.page.map import check_map
from sae_checks.report.page.sections import SECTIONS
from sae_checks.session.result import RunResult


@dataclass(frozen=True)
class PageContent:
    """What a page is made of.

    Attributes:
        shown: by the template, without any script.
        data: of the scripts, as JSON can hold it.
    """

    shown: Mapping[str, Any]
    data: Mapping[str, Any]


def page_content(result: RunResult) -> PageContent:
    """All that the page of a run shows."""
    figures = figures_of(result)
    counts = Counter(outcome.outcome for outcome in result.outcomes)
    shown = {
        "release": result.facts.release.name,
        "facts": [line.removeprefix("sae-checks: ") for line in header_lines(result.facts)],
        "counts": dict(counts),
        "map": check_map(result),
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "intro": section.intro,
                "figures": [each for each in figures if each.section == section.id],
            }
            for section in SECTIONS
        ],
    }
    return PageContent(shown, script_data(figures, cell_entries(result)))


def script_data(figures: Sequence[Figure], cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the scripts of a page need: tables once each, figures that refer to them, cells."""
    tables: dict[str, Data] = {figure.data.name: figure.data for figure in figures}
    return {
        "data": {name: embedded_data(data) for name, data in tables.items()},
        "figures": [embedded_figure(figure) for figure in figures],
        "cells": list(cells),
    }

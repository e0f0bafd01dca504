"""All that a page shows: what its template says by itself, and the data of its scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sae_checks.report.budget import budget_lines
from sae_checks.report.figures.figure import Data, Figure
from sae_checks.report.figures.registry import figures_of
from sae_checks.report.header import header_lines
from sae_checks.report.overview.groups import FailureGroup, groups
from sae_checks.report.overview.levels import LEVELS, Level
from sae_checks.report.overview.repeat import command_of
from sae_checks.report.overview.verdict import run_verdict
from sae_checks.report.page.cells import cell_entries, cell_id, check_entries
from sae_checks.report.page.embedded import embedded_data, embedded_figure
from sae_checks.report.page.glossary import WORDS, anchor
from sae_checks.report.page.map import MARKS, check_map
from sae_checks.report.page.safe import without_folders
from sae_checks.report.page.sections import SECTIONS
from sae_checks.report.page.tables import (
    changed_features,
    comparison_rows,
    feature_rows,
    provenance_rows,
    sae_rows,
)
from sae_checks.report.page.tokens import UnitLosses
from sae_checks.report.sentence import number, sentence
from sae_checks.session.result import RunResult

# What needs looking at, in the order of the page; each with what it means for the run.
_GROUPED: dict[Level, str] = {
    "failed": "failed",
    "not measurable": "not measurable, which is never a pass",
    "insufficient evidence": "insufficient evidence: nobody has shown that they hold",
    "accepted": "accepted as known failures",
}


@dataclass(frozen=True)
class PageContent:
    """What a page is made of.

    Attributes:
        shown: by the template, without any script.
        data: of the scripts, as JSON can hold it.
    """

    shown: Mapping[str, Any]
    data: Mapping[str, Any] = field(repr=False)


def page_content(result: RunResult) -> PageContent:
    """All that the page of a run shows."""
    figures, verdict, losses = figures_of(result), run_verdict(result), UnitLosses()
    cells = cell_entries(result, losses)
    shown = {
        "title": result.facts.release.name,
        "verdict": verdict,
        "facts": [
            without_folders(line.removeprefix("sae-checks: "))
            for line in header_lines(result.facts)
        ],
        "budget": budget_lines(result),
        "rule": _rule(result),
        "groups": _groups(result),
        "map": check_map(result),
        "marks": [(level, MARKS[level]) for level in LEVELS if level in verdict.counts],
        "sections": sections(figures),
        "features": feature_rows(result),
        "comparisons": comparison_rows(result),
        "changed": changed_features(result),
        "provenance": [(n, without_folders(v)) for n, v in provenance_rows(result)],
        "saes": sae_rows(result),
        "tables": sorted({figure.data.name for figure in figures}),
        "words": words(),
    }
    data = script_data(figures)
    data |= {"cells": cells, "checks": check_entries(result), "losses": losses.found}
    data |= {"texts": losses.texts, "vocabulary": list(losses.vocabulary)}
    return PageContent(shown, data)


def sections(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Those of figures, each with its own."""
    return [
        {
            "id": section.id,
            "title": section.title,
            "intro": section.intro,
            "figures": [each for each in figures if each.section == section.id],
        }
        for section in SECTIONS
    ]


def script_data(figures: Sequence[Figure]) -> dict[str, Any]:
    """Of figures: tables once each, and figures that refer to them; no cells yet."""
    tables: dict[str, Data] = {figure.data.name: figure.data for figure in figures}
    return {
        "data": {name: embedded_data(data) for name, data in tables.items()},
        "figures": [embedded_figure(figure) for figure in figures],
        "words": WORDS,
        "marks": MARKS,
        "cells": [],
        "checks": {},
        "losses": {},
        "texts": {},
        "vocabulary": [],
    }


def words() -> list[dict[str, str]]:
    """The glossary."""
    return [{"word": w, "means": means, "id": anchor(w)} for w, means in WORDS.items()]


def _rule(result: RunResult) -> str:
    gate = result.thresholds.gate
    return (
        f"A claim passes when it is shown, with {gate.confidence:.0%} confidence, to lie within "
        "its limit and margin. It fails when it is shown to lie beyond its limit, so surely that a "
        f"release exactly at all of its limits fails in at most {gate.claims_error:.0%} of runs. "
        "Between the two it is undecided, which is no pass."
    )


def _groups(result: RunResult) -> list[dict[str, Any]]:
    return [
        {
            "level": level,
            "means": means,
            "entries": [_group(each, result) for each in groups(result, level)],
        }
        for level, means in _GROUPED.items()
        if groups(result, level)
    ]


def _group(group: FailureGroup, result: RunResult) -> dict[str, Any]:
    worst, cause = group.worst, group.cause
    known = result.known_failure(worst)
    return {
        "name": group.name,
        "saes": ", ".join(sae.sae_id for sae in group.saes) or "whole release",
        "where": _where(group),
        "figures": [
            f"{each.check} {_span(each.lowest, each.highest)} {each.unit}".rstrip()
            for each in group.figures
        ],
        "tests": len(group.outcomes),
        "claims": group.claims,
        "worst": cell_id(worst),
        "sentence": "not measured" if worst.verdict is None else sentence(worst.verdict),
        "means": cause.means if cause else "",
        "remedy": cause.remedy if cause else "",
        "reason": known.reason if known and group.level == "accepted" else "",
        "command": without_folders(command_of(group, result)),
    }


def _where(group: FailureGroup) -> str:
    parts = [f"on {task}" for task in group.tasks]
    if group.positions is not None:
        parts.insert(0, f"positions {group.positions[0]} to {group.positions[1]}")
    return ", ".join(parts)


def _span(lowest: float, highest: float) -> str:
    ends = (number(lowest), number(highest))
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)

"""The documents and items that weigh most in a cell: their words, and what each token or item lost.

Stored tables hold no texts, but the first words of each document and the last of each prompt; what
is shown of the others is their loss at each position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import SHIFT, TEXTS, FloatArray
from sae_checks.report.overview.levels import level
from sae_checks.session.heaviest import heaviest_units
from sae_checks.session.result import HeavyUnit, Outcome, RunResult

# Losses are drawn of the claims that most need looking at, and of these.
_ALWAYS = ("delta_ce", "delta_ce_growth")
_CALM = ("passed", "reported", "not applicable", "unexpectedly passed")
_ITEM_COLUMNS = (
    *("clean_ln_p", "sae_ln_p", "clean_rank", "sae_rank"),
    *("prompt_ce_clean", "prompt_ce_sae", "prompt_l0", "prompt_mse"),
)


@dataclass
class UnitLosses:
    """The losses that the page holds, each once: by SAE, data set and document."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self, result: RunResult, sae: str, dataset: str, document: int) -> str | None:
        """Where the losses of a document stand; None where they are not known."""
        key = f"{sae} {dataset} {document}"
        if key not in self.found:
            losses = _losses(result, sae, dataset, document)
            if losses is None:
                return None
            self.found[key] = losses
        return key


def heavy_entries(result: RunResult, outcome: Outcome, losses: UnitLosses) -> list[dict[str, Any]]:
    """Those of a claim, the one that weighs most first; none of what is about several SAEs."""
    cell, verdict, measurement = outcome.cell, outcome.verdict, result.measurement
    skipped = cell.family != "claim" or cell.absent is not None or cell.sae is None
    if skipped or verdict is None or measurement is None:
        return []
    try:
        units = heaviest_units(measurement, cell, verdict)
    except (LookupError, IndexError):  # the cell is of tables whose units are counted otherwise
        return []
    drawn = level(outcome) not in _CALM or outcome.check.name in _ALWAYS
    return [_entry(result, outcome, unit, losses, drawn=drawn) for unit in units]


def _entry(
    result: RunResult, outcome: Outcome, unit: HeavyUnit, losses: UnitLosses, *, drawn: bool
) -> dict[str, Any]:
    cell = outcome.cell
    assert cell.sae is not None, "of one SAE"
    if unit.source is not None:
        figures = _item_figures(result, cell.sae.sae_id, cell.task or "", unit.number)
        name = f"item {unit.number} ({unit.source})"
        return {"name": name, "words": unit.words, "figures": figures}
    dataset = SHIFT if unit.corpus else TEXTS
    name = f"document {unit.number}" + (f" of {unit.corpus}" if unit.corpus else "")
    key = losses.key(result, cell.sae.sae_id, dataset, unit.number) if drawn else None
    return {"name": name, "words": unit.words, **({"losses": key} if key else {})}


def _item_figures(result: RunResult, sae: str, task: str, item: int) -> list[list[Any]]:
    assert result.measurement is not None, "its items were found in it"
    table = result.measurement.of(TaskTable, task)[sae]
    columns = [name for name in _ITEM_COLUMNS if name in table.columns]
    return [[name, float(table.columns[name][item])] for name in columns]


def _losses(result: RunResult, sae: str, dataset: str, document: int) -> dict[str, Any] | None:
    """ΔCE at each position of the text that has most of the document."""
    assert result.measurement is not None, "its documents were found in it"
    table = result.measurement.of(ContextTable, dataset).get(sae)
    if table is None or not {"ce_sae", "ce_clean"} <= table.columns.keys():
        return None
    row, here = _row(table, document)
    delta = (table.columns["ce_sae"] - table.columns["ce_clean"])[row]
    delta = np.where(here, delta, np.nan)
    known = np.flatnonzero(np.isfinite(delta))
    if not len(known):
        return None
    first, last = int(known[0]), int(known[-1])
    training = table.sae.training_context
    values = _rounded(delta[first : last + 1])
    return {"first": first, "training": training, "delta_ce": values}


def _row(table: ContextTable, document: int) -> tuple[int, FloatArray]:
    if table.documents is None:
        return document, np.ones(table.context, dtype=np.bool_)
    here = table.documents == document
    row = int(here.sum(axis=1).argmax())
    return row, here[row]


def _rounded(values: FloatArray) -> Sequence[float | None]:
    """Three digits are seen."""
    return [None if np.isnan(each) else float(f"{each:.3g}") for each in values.tolist()]

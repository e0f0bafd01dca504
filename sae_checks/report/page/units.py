"""The documents and items that weigh most in a cell: their words, and what each token or item lost.

Of a document, each token with what it lost; of an item, the end of its prompt and its answer. Where
tables were made before the words of tokens were kept, the first words of the document stand alone.
"""

from __future__ import annotations

from typing import Any

from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import SHIFT, TEXTS
from sae_checks.report.overview.levels import level
from sae_checks.report.page.tokens import UnitLosses, quantity_of
from sae_checks.session.heaviest import heaviest_units
from sae_checks.session.result import HeavyUnit, Outcome, RunResult

# Losses are drawn of the claims that most need looking at, and of these.
_ALWAYS = ("delta_ce", "delta_ce_growth", "delta_ln_p")
_CALM = ("passed", "reported", "not applicable", "unexpectedly passed")
_ITEM_COLUMNS = (
    *("clean_ln_p", "sae_ln_p", "clean_rank", "sae_rank"),
    *("prompt_ce_clean", "prompt_ce_sae", "prompt_l0", "prompt_mse"),
)


def heavy_entries(result: RunResult, outcome: Outcome, losses: UnitLosses) -> list[dict[str, Any]]:
    """Those of a claim, or a range that needs looking at, the one that weighs most first.

    None of what is about several SAEs.
    """
    cell, verdict, measurement = outcome.cell, outcome.verdict, result.measurement
    calm = level(outcome) in _CALM
    skipped = cell.absent is not None or cell.sae is None or (calm and cell.family != "claim")
    if skipped or verdict is None or measurement is None:
        return []
    try:
        units = heaviest_units(measurement, cell, verdict)
    except (LookupError, IndexError):  # the cell is of tables whose units are counted otherwise
        return []
    drawn = not calm or outcome.check.name in _ALWAYS
    return [_entry(result, outcome, unit, losses, drawn=drawn) for unit in units]


def _entry(
    result: RunResult, outcome: Outcome, unit: HeavyUnit, losses: UnitLosses, *, drawn: bool
) -> dict[str, Any]:
    cell = outcome.cell
    assert cell.sae is not None, "of one SAE"
    if unit.source is not None:
        figures = _item_figures(result, cell.sae.sae_id, cell.task or "", unit.number)
        name = f"item {unit.number} ({unit.source})"
        read = losses.item(result, cell.sae.sae_id, cell.task or "", unit.number) if drawn else None
        item = {"item": read} if read else {}
        return {"name": name, "words": unit.words, "figures": figures, **item}
    dataset = SHIFT if unit.corpus else TEXTS
    name = f"document {unit.number}" + (f" of {unit.corpus}" if unit.corpus else "")
    shown = quantity_of(outcome.check) if drawn else None
    key = shown and losses.key(result, cell.sae.sae_id, dataset, unit.number, shown)
    return {"name": name, "words": unit.words, **({"losses": key} if key else {})}


def _item_figures(result: RunResult, sae: str, task: str, item: int) -> list[list[Any]]:
    assert result.measurement is not None, "its items were found in it"
    table = result.measurement.of(TaskTable, task)[sae]
    columns = [name for name in _ITEM_COLUMNS if name in table.columns]
    return [[name, float(table.columns[name][item])] for name in columns]

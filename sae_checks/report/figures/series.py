"""What several figures are drawn from: means over tokens or items, with intervals by document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Quantity, tokens_of, undefined_on
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Limit
from sae_checks.records import FloatArray, PositionRange, SaeRef
from sae_checks.records.place import Place
from sae_checks.session.result import Outcome, RunResult

INTERVALS = "Bands and bars are 95% intervals of each figure by itself, over documents."
# Positions up to this one are drawn one by one, later ones in windows, so many to an octave.
_SINGLE, _PER_OCTAVE = 16, 8


# Places within a layer, in the order in which a pass meets them; others between the two.
_SITES = {"hook_resid_pre": 0, "hook_resid_mid": 2, "hook_mlp_out": 3, "hook_resid_post": 4}


def in_model_order(saes: Iterable[SaeRef]) -> list[SaeRef]:
    """SAEs as a pass through the model meets them."""
    return sorted(saes, key=lambda sae: (sae.layer, _SITES.get(sae.site, 1)))


def context_tables(result: RunResult) -> list[tuple[SaeRef, ContextTable]]:
    """The SAEs measured on texts, in the order of the model."""
    if result.measurement is None:
        return []
    tables = result.measurement.of(ContextTable)
    return [
        (sae, tables[sae.sae_id])
        for sae in in_model_order(result.facts.release.saes)
        if sae.sae_id in tables
    ]


def task_tables(result: RunResult, task: str) -> list[tuple[SaeRef, TaskTable]]:
    """The SAEs measured on a task, in the order of the model."""
    if result.measurement is None:
        return []
    tables = result.measurement.of(TaskTable, task)
    return [
        (sae, tables[sae.sae_id])
        for sae in in_model_order(result.facts.release.saes)
        if sae.sae_id in tables
    ]


def labels_of(saes: Sequence[SaeRef]) -> dict[str, str]:
    """A short name of each SAE by its id: its layer, with its site where layers have several."""
    layers = [str(sae.layer) for sae in saes]
    places = [f"{sae.layer} {sae.site.removeprefix('hook_')}" for sae in saes]
    ids = [sae.sae_id for sae in saes]
    short = next(each for each in (layers, places, ids) if len(set(each)) == len(saes))
    return dict(zip(ids, short, strict=True))


def tasks_of(result: RunResult) -> tuple[str, ...]:
    """The tasks that were measured, in the order of the manifest."""
    if result.measurement is None:
        return ()
    found = [key.dataset for key in result.measurement.tables if key.evaluation == "tasks"]
    return tuple(dict.fromkeys(found))


def windows(context: int, training: int | None) -> list[PositionRange]:
    """Positions 1 .. C-2, cut into windows that grow with the position; none straddles T."""
    last = context - 2
    starts, at = list(range(1, min(_SINGLE, last) + 1)), _SINGLE + 1
    while at <= last:
        starts.append(at)
        at += max(1, round(at * (2 ** (1 / _PER_OCTAVE) - 1)))
    if training is not None and training <= last:
        starts = sorted({*starts, training})
    ends = [*(start - 1 for start in starts[1:]), last]
    return [PositionRange(a, b) for a, b in zip(starts, ends, strict=True)]


def has(table: ContextTable | TaskTable, quantity: Quantity) -> bool:
    """Whether the columns of a quantity were measured."""
    names = (quantity,) if isinstance(quantity, str) else quantity
    return table.columns.keys() >= set(names)


def mean_over(table: ContextTable, positions: PositionRange, quantity: Quantity) -> Estimate:
    """The mean of a quantity over the tokens of some positions, by document."""
    if not has(table, quantity):
        return undefined("not measured")
    tokens = tokens_of(table, positions, quantity)
    if tokens.broken:
        return undefined_on(tokens)
    return ratio_of_sums(tokens.sums, tokens.counts, tokens.counts, FIXED)


def item_mean(table: TaskTable, values: FloatArray) -> Estimate:
    """The mean of a figure (items,) over items; items of one document are one unit."""
    if not np.isfinite(values).all():
        return undefined("not finite on some items")
    ones = np.ones(len(values))
    if table.clusters is None:
        return ratio_of_sums(values, ones, ones, FIXED)
    index = np.unique(table.clusters, return_inverse=True)[1]
    sums, counts = (np.bincount(index, weights=each) for each in (values, ones))
    return ratio_of_sums(sums, counts, counts, FIXED)


def ends_of(estimates: Sequence[Estimate]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values, lower and upper ends; an end without a bound is NaN."""
    each = [(e.value, e.low, e.high) for e in estimates]
    found = np.array(each, dtype=np.float64).reshape(-1, 3)
    found[~np.isfinite(found)] = np.nan
    return found[:, 0], found[:, 1], found[:, 2]


def limit_of(result: RunResult, check: str, sae: SaeRef) -> Limit | None:
    """What a check holds an SAE to; None where the run's thresholds do not have it."""
    if check not in result.thresholds.checks:
        return None
    return result.thresholds.limit(check, Place.of_sae(result.facts.release.name, sae))


def claims(result: RunResult, check: str) -> list[Outcome]:
    """The outcomes of the claims of a check, comparisons with a baseline left out."""
    return [
        o
        for o in result.outcomes
        if o.check.name == check and o.check.compared is None and o.cell.family == "claim"
    ]


def limits_at(limits: Iterable[Limit | None]) -> list[float]:
    """Where limits lie, each place once."""
    ends = [end for each in limits if each is not None for end in (each.min, each.max)]
    return sorted({float(end) for end in ends if end is not None})

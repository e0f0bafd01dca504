"""All SAEs of a release spliced in at once: what each of them adds to the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Tokens, tokens_of
from sae_checks.evals.stack.tables import StackTable
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.records import PositionRange
from sae_checks.report.figures.figure import Axis, Column, Data, Figure, Panel, Trace, slug
from sae_checks.report.figures.series import INTERVALS, context_tables, ends_of, labels_of
from sae_checks.session.result import RunResult

_DELTA_CE = ("ce_sae", "ce_clean")


def stacks(result: RunResult) -> list[Figure]:
    """A figure for each stack that was measured."""
    if result.measurement is None:
        return []
    by_stack: dict[str, list[StackTable]] = {}
    for table in result.measurement.tables.values():
        if isinstance(table, StackTable):
            by_stack.setdefault(table.intervention.name, []).append(table)
    alone = {sae.sae_id: table for sae, table in context_tables(result)}
    figures = []
    for index, prefixes in enumerate(by_stack.values()):
        order = [sae.sae_id for sae in prefixes[0].intervention.saes]
        prefixes.sort(key=lambda table: order.index(table.sae.sae_id))
        if len(prefixes) == len(order) and all(sae in alone for sae in order):
            figures.append(_figure(index, prefixes, [alone[sae] for sae in order]))
    return figures


def _figure(index: int, prefixes: Sequence[StackTable], alone: Sequence[ContextTable]) -> Figure:
    saes = [table.sae for table in prefixes]
    labels = labels_of(saes)
    training = min(sae.training_context or prefixes[0].context for sae in saes)
    positions = PositionRange(1, max(1, min(training - 1, prefixes[0].context - 2)))
    texts = slice(min(table.texts for table in (*prefixes, *alone)))
    of_prefixes = [tokens_of(each.keep(texts), positions, _DELTA_CE) for each in prefixes]
    by_itself = [tokens_of(each.keep(texts), positions, _DELTA_CE) for each in alone]
    added = [of_prefixes[0], *of_prefixes[1:]]
    estimates = [
        _mean(here, None if at == 0 else of_prefixes[at - 1]) for at, here in enumerate(added)
    ]
    columns: dict[str, Column] = {
        "sae": np.array([sae.sae_id for sae in saes]),
        "label": np.array([labels[sae.sae_id] for sae in saes]),
    }
    for name, each in (
        ("added", estimates),
        ("alone", [_mean(here) for here in by_itself]),
        ("together", [_mean(here) for here in of_prefixes]),
    ):
        value, low, high = ends_of(each)
        columns |= {name: value, f"{name}_low": low, f"{name}_high": high}
    x = Axis("layer", categories=tuple(labels.values()))
    return Figure(
        f"stack-{index}-{slug(f'{len(saes)} saes')}",
        "propagation",
        f"{len(saes)} SAEs at once",
        "Spliced in one after the other, in the order of the model, each reading what those before "
        "it left. What one adds on top of those before it, beside what it costs by itself on the "
        f"same tokens (positions {positions}); and what all up to it cost together. " + INTERVALS,
        Data(f"stack-{index}", columns),
        (
            Panel(
                "ΔCE of each",
                x,
                Axis("ΔCE, nats"),
                (
                    _trace("points", "added to those before it", "added", 1),
                    _trace("points", "by itself", "alone", 0),
                ),
            ),
            Panel(
                "ΔCE of all up to it",
                x,
                Axis("ΔCE, nats"),
                (_trace("line", "together", "together", 3),),
            ),
        ),
    )


def _trace(kind: str, name: str, column: str, category: int) -> Trace:
    return Trace(
        "line" if kind == "line" else "points",
        name,
        "label",
        column,
        low=f"{column}_low",
        high=f"{column}_high",
        category=category,
    )


def _mean(here: Tokens, before: Tokens | None = None) -> Estimate:
    """Mean ΔCE, less that of the prefix before on the same tokens."""
    broken = here.broken or (before.broken if before else "")
    if broken:
        return undefined(broken)
    sums = here.sums - before.sums if before else here.sums
    return ratio_of_sums(sums, here.counts, here.counts, FIXED)

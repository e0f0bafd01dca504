"""What measuring the cells of a run takes: data sets, SAEs, evaluations, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sae_checks.judge.check import Check
from sae_checks.measure.request import Request, StoppingRule, WantedDataset, WholeBudget
from sae_checks.options import Options
from sae_checks.records import SHIFT, SaeRef, TaskRef
from sae_checks.records.place import CellRef
from sae_checks.session.datasets import (
    asked_evaluations,
    reads,
    wanted_shift,
    wanted_task,
    wanted_texts,
)
from sae_checks.session.decision import DecisionRule
from sae_checks.session.setup import ResolvedRun
from sae_checks.session.stopping import Adaptive, FirstBlock

if TYPE_CHECKING:
    from sae_checks.load.tasks.task import Task

Wanted = Sequence[tuple[Check, CellRef]]


def measuring_request(
    run: ResolvedRun,
    options: Options,
    wanted: Wanted,
    tasks: Callable[[], Sequence[tuple[Task, TaskRef]]],
    rule: DecisionRule,
) -> Request:
    """What measuring some checks on some cells takes.

    Args:
        run: which release, and on what.
        options: of the run.
        wanted: the cells.
        tasks: looks up those of the run; asked only where a cell is about a task.
        rule: which judges, and says by that when measuring may stop.
    """
    provenance, store = run.provenance, run.store(options)
    assert provenance is not None, "what is not stored has a provenance"
    assert store is not None, "what is not stored has a store"
    return Request(
        release=run.release,
        provenance=provenance,
        store=store,
        options=options,
        needs=frozenset().union(*(check.needs for check, _ in wanted)),
        # The second corpus comes first and is measured whole, so that the stopping rule looks at a
        # single sample that grows (`judge/two_samples.py`).
        datasets=(
            *_shift(run, wanted),
            *_texts(run, wanted),
            *_tasks(run, options, wanted, tasks),
        ),
        stopping=_stopping_rule(options, wanted, rule),
    )


def _shift(run: ResolvedRun, wanted: Wanted) -> list[WantedDataset]:
    asking = [(check, cell) for check, cell in wanted if SHIFT in cell.kind.texts]
    if not asking or run.second is None:
        return []
    assert run.provenance is not None, "what is not stored has a provenance"
    saes = _saes_of(run, [cell for _, cell in asking])
    checks = list({check.name: check for check, _ in asking}.values())
    return [wanted_shift(run.provenance, run.second, run.release.loading, saes, checks)]


def _texts(run: ResolvedRun, wanted: Wanted) -> list[WantedDataset]:
    cells = [cell for check, cell in wanted if reads(check, "text")]
    if not cells:
        return []
    assert run.provenance is not None, "what is not stored has a provenance"
    evaluations = asked_evaluations((check for check, _ in wanted), "text")
    saes = _saes_of(run, cells)
    return [wanted_texts(run.provenance, run.release.loading, saes, evaluations)]


def _tasks(
    run: ResolvedRun,
    options: Options,
    wanted: Wanted,
    tasks: Callable[[], Sequence[tuple[Task, TaskRef]]],
) -> list[WantedDataset]:
    cells = [cell for check, cell in wanted if reads(check, "item")]
    if not cells:
        return []
    names, saes = {cell.task for cell in cells}, _saes_of(run, cells)
    evaluations = asked_evaluations((check for check, _ in wanted), "item")
    loading, ablates = run.release.loading, options.ablate > 0
    return [
        wanted_task(task, ref, loading, saes, evaluations, ablates=ablates)
        for task, ref in tasks()
        if ref.name in names
    ]


def _saes_of(run: ResolvedRun, cells: Sequence[CellRef]) -> tuple[SaeRef, ...]:
    """The SAEs that cells are about; all of them if one is about the whole release."""
    ids = {sae.sae_id for cell in cells for sae in cell.saes}
    whole = any(cell.kind.whole_release or cell.absent is not None for cell in cells)
    return tuple(sae for sae in run.release.saes if whole or sae.sae_id in ids)


def _stopping_rule(options: Options, wanted: Wanted, rule: DecisionRule) -> StoppingRule:
    if options.plan:
        return FirstBlock()
    return Adaptive(rule, wanted) if rule.adaptive else WholeBudget()

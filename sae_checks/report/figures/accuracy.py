"""Accuracy and loss on a task, layer by layer, beside those of the model untouched."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.stack.tables import StackTaskTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.report.figures.figure import Axis, Column, Data, Figure, Mark, Panel, Trace, slug
from sae_checks.report.figures.series import (
    INTERVALS,
    ends_of,
    item_mean,
    labels_of,
    task_tables,
    tasks_of,
)
from sae_checks.session.result import RunResult

# By the name in the table: title, the columns of the model untouched and with the SAE, the axis.
_SHOWN = {
    "accuracy": ("Accuracy", "clean_rank", "sae_rank", "right answers, %"),
    "ce": ("CE over the prompt", "prompt_ce_clean", "prompt_ce_sae", "CE, nats"),
    "ln_p": ("ln p of the answer", "clean_ln_p", "sae_ln_p", "ln p(answer), nats"),
}


def accuracy(result: RunResult) -> list[Figure]:
    """A figure for each task."""
    return [
        _figure(result, task, index)
        for index, task in enumerate(tasks_of(result))
        if task_tables(result, task)
    ]


def _figure(result: RunResult, task: str, index: int) -> Figure:
    found = task_tables(result, task)
    labels = labels_of([sae for sae, _ in found])
    columns: dict[str, Column] = {
        "sae": np.array([sae.sae_id for sae, _ in found]),
        "label": np.array([labels[sae.sae_id] for sae, _ in found]),
        "items": np.array([table.items for _, table in found]),
    }
    names = [n for n, (_, *pair, _) in _SHOWN.items() if all(_has(t, pair) for _, t in found)]
    for name in names:
        _, clean, sae, _ = _SHOWN[name]
        for which, column in (("clean", clean), ("sae", sae)):
            value, low, high = ends_of([item_mean(t, _values(t, column)) for _, t in found])
            columns |= {
                f"{name}_{which}": value,
                f"{name}_{which}_low": low,
                f"{name}_{which}_high": high,
            }
    x = Axis("layer", categories=tuple(labels.values()))
    panels = tuple(
        Panel(
            _SHOWN[name][0],
            x,
            Axis(_SHOWN[name][3]),
            (
                _trace("the model untouched", f"{name}_clean", 4),
                _trace("with the SAE", f"{name}_sae", 1),
            ),
            tuple(_stack_marks(result, task)) if name == "accuracy" else (),
        )
        for name in names
    )
    return Figure(
        f"accuracy-{index}-{slug(task)}",
        "tasks",
        f"{task}: answers by layer",
        "Each SAE spliced in by itself, on the same items as the model untouched. " + INTERVALS,
        Data(f"accuracy-{index}-{slug(task)}", columns),
        panels,
        task=task,
    )


def _trace(name: str, column: str, category: int) -> Trace:
    low, high = f"{column}_low", f"{column}_high"
    return Trace("line", name, "label", column, low=low, high=high, category=category)


def _has(table: TaskTable, names: list[str]) -> bool:
    return table.columns.keys() >= set(names)


def _values(table: TaskTable, column: str) -> Column:
    values = np.asarray(table.columns[column], dtype=np.float64)
    if not column.endswith("_rank"):
        return values
    return np.where(np.isnan(values), np.nan, 100.0 * (values == 1))


def _stack_marks(result: RunResult, task: str) -> list[Mark]:
    """What is left with all SAEs of a stack at once."""
    assert result.measurement is not None, "it has a table of the task"
    marks = []
    for table in result.measurement.of(StackTaskTable, task).values():
        share = item_mean(table, _values(table, "sae_rank"))
        if "sae_rank" in table.columns and np.isfinite(share.value):
            label = f"{len(table.intervention.saes)} SAEs at once: {share.value:.1f}"
            marks.append(Mark("reference", "y", share.value, label))
    return marks

"""Single items of a task: what splicing in an SAE does to each of them, in six ways of looking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_checks.evals.tasks.table import ITEM_CLASSES, TaskTable
from sae_checks.records import SaeRef
from sae_checks.report.figures.figure import Column, Data, slug, stacked
from sae_checks.report.figures.series import labels_of, task_tables
from sae_checks.session.result import RunResult

CLASSES = {
    "both": "both right",
    "clean_only": "only the untouched model right",
    "sae_only": "only right with the SAE",
    "neither": "neither right",
}
assert CLASSES.keys() == ITEM_CLASSES.keys()


def items_of(result: RunResult, task: str, index: int) -> tuple[Data, list[SaeRef]] | None:
    """A row per SAE, class and item, in this order; None where the task lacks answers."""
    found = [(s, t) for s, t in task_tables(result, task) if "delta_ln_p" in t.derived()]
    if not found:
        return None
    labels = labels_of([sae for sae, _ in found])
    parts = [_part(sae, labels[sae.sae_id], table) for sae, table in found]
    return Data(f"items-{index}-{slug(task)}", stacked(parts)), [sae for sae, _ in found]


def rows_of(data: Data, sae: SaeRef, of_class: str = "") -> slice:
    """The rows of an SAE, and of a class of items; they lie together."""
    here = data.columns["sae"] == sae.sae_id
    if of_class:
        here &= data.columns["class"] == of_class
    found = np.flatnonzero(here)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def classes_in(data: Data) -> Sequence[str]:
    """The classes that any item is of."""
    return [each for each in CLASSES if each in data.columns["class"]]


def _part(sae: SaeRef, label: str, table: TaskTable) -> dict[str, object]:
    derived, columns = table.derived(), table.columns
    classes = derived.get("class", np.ma.array(np.full(table.items, "neither")))
    of_class = np.ma.filled(classes, "neither")
    part: dict[str, Column] = {
        "item": np.arange(table.items),
        "class": of_class,
        "delta_ln_p": np.asarray(derived["delta_ln_p"], dtype=np.float64),
    }
    if {"prompt_ce_clean", "prompt_ce_sae"} <= columns.keys():
        part["delta_ce"] = columns["prompt_ce_sae"] - columns["prompt_ce_clean"]
    for name in ("mse", "l0", "l1", "norm"):
        if f"prompt_{name}" in columns:
            part[name] = np.asarray(columns[f"prompt_{name}"], dtype=np.float64)
    if "norm" in part:
        part["norm_ratio"] = part["norm"] / np.nanmin(part["norm"])
    order = np.argsort([list(CLASSES).index(each) for each in of_class], kind="stable")
    return {"sae": sae.sae_id, "label": label, **{n: values[order] for n, values in part.items()}}

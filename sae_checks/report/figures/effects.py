"""What features do on a task: how their mean effects and their scores are spread."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.tasks.table import FeatureTable
from sae_checks.records import FloatArray, SaeRef
from sae_checks.report.figures.figure import (
    Axis,
    Data,
    Figure,
    Mark,
    Panel,
    Trace,
    runs,
    slug,
    stacked,
)
from sae_checks.report.figures.series import task_tables, tasks_of
from sae_checks.session.result import RunResult

_BINS = 41
_SHOWN = {
    "effect": ("mean Δ ln p of the items it is active on, nats", "Effect of features"),
    "score": (
        "share of its items that it goes well with − share of the others",
        "Score of features",
    ),
}


def effects(result: RunResult) -> list[Figure]:
    """A figure for each task, of one SAE at a time."""
    return [
        figure
        for index, task in enumerate(tasks_of(result))
        for figure in _of_task(result, task, index)
    ]


def _of_task(result: RunResult, task: str, index: int) -> list[Figure]:
    found = [
        (sae, table.features)
        for sae, table in task_tables(result, task)
        if table.features is not None
        and len(table.features.feature)
        and np.isfinite(table.features.delta_ln_p).all()
    ]
    if not found:
        return []
    parts = [_part(sae, features, name) for name in _SHOWN for sae, features in found]
    rows = runs([_BINS] * len(parts))
    panels = []
    for at, (axis, title) in enumerate(_SHOWN.values()):
        here = rows[at * len(found) : (at + 1) * len(found)]
        traces = tuple(
            Trace("bars", "features", "middle", "features", rows=each, choice=sae.sae_id)
            for (sae, _), each in zip(found, here, strict=True)
        )
        zero = Mark("reference", "x", 0.0, "")
        panels.append(Panel(title, Axis(axis), Axis("features"), traces, (zero,)))
    figure = Figure(
        f"effects-{index}-{slug(task)}",
        "tasks",
        f"{task}: what features go with",
        "Of each feature that is active on an item, over those items. In the study nearly all go "
        "with a loss, and a small family helps.",
        Data(f"effects-{index}-{slug(task)}", stacked(parts)),
        tuple(panels),
        choices=tuple(sae.sae_id for sae, _ in found),
        task=task,
    )
    return [figure]


def _part(sae: SaeRef, features: FeatureTable, name: str) -> dict[str, object]:
    if name == "effect":
        values: FloatArray = features.delta_ln_p / features.items
        most = float(np.abs(values).max()) or 1.0
    else:
        values, most = features.score / features.items, 1.0
    counts, edges = np.histogram(values, bins=_BINS, range=(-most, most))
    return {
        "sae": sae.sae_id,
        "quantity": name,
        "from": edges[:-1],
        "to": edges[1:],
        "middle": (edges[:-1] + edges[1:]) / 2,
        "features": counts,
    }

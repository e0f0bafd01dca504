"""Δ ln p and norm of items over all SAEs: as strips, and as a line for each item."""

from __future__ import annotations

import numpy as np

from sae_checks.records import FloatArray, SaeRef
from sae_checks.report.figures.figure import Axis, Column, Data, Figure, Mark, Panel, Trace, slug
from sae_checks.report.figures.items import items_of
from sae_checks.report.figures.series import labels_of, tasks_of
from sae_checks.session.result import RunResult

# So many items are drawn at most; the table has all.
DRAWN_ITEMS = 250
_SHOWN = {"delta_ln_p": "Δ ln p(answer), nats", "norm_ratio": "‖x‖ / the smallest of its layer"}
# Spreads neighbours apart, evenly and the same each time: the golden ratio.
_TURN = 0.6180339887498949


def strips(result: RunResult) -> list[Figure]:
    """Two figures for each task on which two or more SAEs were measured."""
    return [
        figure
        for index, task in enumerate(tasks_of(result))
        for figure in _of_task(result, task, index)
    ]


def _of_task(result: RunResult, task: str, index: int) -> list[Figure]:
    found = items_of(result, task, index)
    if found is None or len(found[1]) < 2:
        return []
    data, saes = _wide(*found)
    names = [name for name in _SHOWN if f"{name} 0" in data.columns]
    step = max(1, -(-data.rows // DRAWN_ITEMS))
    said = f"{-(-data.rows // step):,} of {data.rows:,} items are drawn; the CSV has all."
    labels = list(labels_of(saes).values())
    ticks = Axis("layer", ticks=tuple((float(at), label) for at, label in enumerate(labels)))
    by_category = Axis("layer", categories=tuple(labels))
    shared = {"data": data, "section": "tasks", "task": task, "notes": (said,) if step > 1 else ()}
    return [
        Figure(
            name=f"strips-{index}-{slug(task)}",
            title=f"{task}: items by layer",
            caption="Each point is an item, put aside so that all are seen.",
            panels=tuple(_strip(name, ticks, saes, step) for name in names),
            **shared,  # type: ignore[arg-type]
        ),
        Figure(
            name=f"lines-{index}-{slug(task)}",
            title=f"{task}: one line an item",
            caption="Parallel coordinates: lines that cross mean that an item's loss in one layer "
            "says little of its loss in the next, as the study found.",
            panels=tuple(_lines(name, by_category, labels, step) for name in names),
            **shared,  # type: ignore[arg-type]
        ),
    ]


def _wide(data: Data, saes: list[SaeRef]) -> tuple[Data, list[SaeRef]]:
    """A row per item that all SAEs were measured on, and columns for each SAE by its number."""
    of_sae = [data.columns["sae"] == sae.sae_id for sae in saes]
    items = min(int(here.sum()) for here in of_sae)
    columns: dict[str, Column] = {"item": np.arange(items)}
    for at, here in enumerate(of_sae):
        order = np.argsort(data.columns["item"][here])
        spread = (np.arange(items) * _TURN) % 1
        columns[f"place {at}"] = at + 0.7 * (spread - 0.5)
        for name in _SHOWN:
            if name in data.columns:
                values: FloatArray = data.columns[name][here][order][:items]
                columns[f"{name} {at}"] = values
    return Data(data.name.replace("items", "wide"), columns), saes


def _strip(name: str, x: Axis, saes: list[SaeRef], step: int) -> Panel:
    traces = tuple(
        Trace(
            "points",
            sae.sae_id,
            f"place {at}",
            f"{name} {at}",
            rows=slice(0, None, step),
            shade=at / (len(saes) - 1),
        )
        for at, sae in enumerate(saes)
    )
    marks = (Mark("reference", "y", 0.0, ""),) if name == "delta_ln_p" else ()
    return Panel(_SHOWN[name], x, Axis(_SHOWN[name]), traces, marks)


def _lines(name: str, x: Axis, labels: list[str], step: int) -> Panel:
    columns = tuple((f"{name} {at}", label) for at, label in enumerate(labels))
    trace = Trace("parallel", "items", rows=slice(0, None, step), columns=columns)
    return Panel(_SHOWN[name], x, Axis(_SHOWN[name]), (trace,))

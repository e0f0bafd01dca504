"""Several stored releases drawn together: along layers, along the context, and on their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import Measurement, PositionRange, SaeRef
from sae_checks.records.ranges import in_context_range, past_context_range
from sae_checks.report.figures.context import QUANTITIES, of_positions
from sae_checks.report.figures.figure import (
    Axis,
    Column,
    Data,
    Figure,
    Panel,
    Trace,
    runs,
    slug,
    stacked,
)
from sae_checks.report.figures.series import (
    INTERVALS,
    ends_of,
    has,
    in_model_order,
    item_mean,
    mean_over,
    windows,
)

_REGIMES = {"in_context": "in the training context", "past_context": "past the training context"}


@dataclass(frozen=True)
class Compared:
    """One of the releases, under a name that no other one has, and its SAEs by place."""

    name: str
    measurement: Measurement
    places: Mapping[str, SaeRef]  # "3 resid_pre", or the SAE's id where a place has several

    def tables(self) -> dict[str, ContextTable]:
        """Those on texts, by place."""
        found = self.measurement.of(ContextTable)
        return {p: found[s.sae_id] for p, s in self.places.items() if s.sae_id in found}


def compared(measurements: Sequence[Measurement]) -> list[Compared]:
    """Releases with names of their own: two of one name are told apart by a number."""
    found: list[Compared] = []
    for measurement in measurements:
        name = measurement.release.name
        same = sum(each.measurement.release.name == name for each in found)
        name = f"{name} ({same + 1})" if same else name
        found.append(Compared(name, measurement, _places(measurement)))
    return found


def comparison_figures(releases: Sequence[Compared]) -> list[Figure]:
    """All figures that at least one of the releases has tables for."""
    tasks = dict.fromkeys(
        key.dataset
        for each in releases
        for key in each.measurement.tables
        if key.evaluation == "tasks"
    )
    of_tasks = [_of_task(releases, task, index) for index, task in enumerate(tasks)]
    return [*_by_layer(releases), *_by_position(releases), *of_tasks]


def _places(measurement: Measurement) -> dict[str, SaeRef]:
    saes = in_model_order(measurement.release.saes)
    short = [f"{sae.layer} {sae.site.removeprefix('hook_')}" for sae in saes]
    named = [s if short.count(s) == 1 else sae.sae_id for s, sae in zip(short, saes, strict=True)]
    return dict(zip(named, saes, strict=True))


def _all_places(releases: Sequence[Compared]) -> tuple[str, ...]:
    first: dict[str, SaeRef] = {}
    for each in releases:
        first |= {place: sae for place, sae in each.places.items() if place not in first}
    order = in_model_order(first.values())
    return tuple(sorted(first, key=lambda place: order.index(first[place])))


def _by_layer(releases: Sequence[Compared]) -> list[Figure]:
    parts, lengths, drawn = list[dict[str, object]](), list[int](), list[tuple[int, str]]()
    for at, each in enumerate(releases):
        for regime in _REGIMES:
            part = _regime(each, regime)
            if part is not None:
                parts.append(part)
                lengths.append(len(each.tables()))
                drawn.append((at, regime))
    if not parts:
        return []
    names = [n for n in QUANTITIES if any(np.isfinite(p[n]).any() for p in parts)]  # type: ignore[call-overload]
    x = Axis("layer", categories=_all_places(releases))
    panels = tuple(
        Panel(
            QUANTITIES[name][1],
            x,
            Axis(QUANTITIES[name][1], log=True),
            tuple(
                _line(releases[at].name, "place", name, rows, at, _REGIMES[regime])
                for (at, regime), rows in zip(drawn, runs(lengths), strict=True)
            ),
        )
        for name in names
    )
    choices = tuple(v for k, v in _REGIMES.items() if any(regime == k for _, regime in drawn))
    caption = "Means over all positions in the training context, or past it. " + INTERVALS
    data = Data("compared-layers", stacked(parts))
    return [
        Figure("compared-layers", "context", "Against the layer", caption, data, panels, choices)
    ]


def _regime(each: Compared, regime: str) -> dict[str, object] | None:
    """Means of one release; None where no SAE has such positions."""
    tables = each.tables()
    positions = {place: _positions(table, regime) for place, table in tables.items()}
    if not any(positions.values()):
        return None
    part: dict[str, object] = {
        "release": each.name,
        "regime": regime,
        "place": np.array(list(tables)),
        "sae": np.array([table.sae.sae_id for table in tables.values()]),
    }
    for name, (quantity, _, _) in QUANTITIES.items():
        found = np.full((len(tables), 3), np.nan)
        for row, (place, table) in enumerate(tables.items()):
            here = positions[place]
            if here is not None and has(table, quantity):
                found[row] = np.stack(ends_of([mean_over(table, here, quantity)]))[:, 0]
        part |= {name: found[:, 0], f"{name}_low": found[:, 1], f"{name}_high": found[:, 2]}
    return part


def _positions(table: ContextTable, regime: str) -> PositionRange | None:
    training = table.sae.training_context
    if regime == "past_context":
        return past_context_range(training, table.context)
    inside = in_context_range(training, table.context)
    return PositionRange(inside.first, min(inside.last, table.context - 2))


def _by_position(releases: Sequence[Compared]) -> list[Figure]:
    parts, lengths, drawn = list[dict[str, object]](), list[int](), list[tuple[int, str]]()
    names = list(QUANTITIES)
    for at, each in enumerate(releases):
        for place, table in each.tables().items():
            part: dict[str, object] = dict(of_positions(table.sae, table, names))
            parts.append({"release": each.name, "place": place, **part})
            lengths.append(len(windows(table.context, table.sae.training_context)))
            drawn.append((at, place))
    if not parts:
        return []
    data = Data("compared-positions", stacked(parts))
    measured = [name for name in names if np.isfinite(data.columns[name]).any()]
    panels = tuple(
        Panel(
            QUANTITIES[name][1],
            Axis("position", log=True),
            Axis(QUANTITIES[name][1], log=True),
            tuple(
                _line(releases[at].name, "position", name, rows, at, place)
                for (at, place), rows in zip(drawn, runs(lengths), strict=True)
            ),
        )
        for name in measured
    )
    present = {place for _, place in drawn}
    choices = tuple(place for place in _all_places(releases) if place in present)
    caption = "The SAEs at one place in the model, along the context. " + INTERVALS
    title = "Against the position in the context"
    return [Figure("compared-positions", "context", title, caption, data, panels, choices)]


def _of_task(releases: Sequence[Compared], task: str, index: int) -> Figure:
    parts, lengths, drawn = list[dict[str, object]](), list[int](), list[tuple[int, str]]()
    for at, each in enumerate(releases):
        tables = each.measurement.of(TaskTable, task)
        of = {p: tables[s.sae_id] for p, s in each.places.items() if s.sae_id in tables}
        for which in ("sae", "clean") if of else ():
            accuracy = ends_of([item_mean(t, _right(t, which)) for t in of.values()])
            columns: dict[str, Column] = {"place": np.array(list(of))}
            columns |= dict(
                zip(("accuracy", "accuracy_low", "accuracy_high"), accuracy, strict=True)
            )
            parts.append({"release": each.name, "model": which, **columns})
            lengths.append(len(of))
            drawn.append((at, which))
    traces = tuple(
        _line(
            releases[at].name + (" (model untouched)" if which == "clean" else ""),
            "place",
            "accuracy",
            rows,
            at if which == "sae" else len(releases) + at,
        )
        for (at, which), rows in zip(drawn, runs(lengths), strict=True)
    )
    x = Axis("layer", categories=_all_places(releases))
    name = f"compared-{index}-{slug(task)}"
    panel = Panel("Accuracy", x, Axis("right answers, %"), traces)
    caption = "Each SAE spliced in by itself. " + INTERVALS
    return Figure(name, "tasks", task, caption, Data(name, stacked(parts)), (panel,), task=task)


def _right(table: TaskTable, which: str) -> Column:
    ranks = table.columns.get(f"{which}_rank")
    if ranks is None:
        return np.full(table.items, np.nan)
    return np.where(np.isnan(ranks), np.nan, 100.0 * (ranks == 1))


def _line(name: str, x: str, y: str, rows: slice, category: int, choice: str = "") -> Trace:
    low, high = f"{y}_low", f"{y}_high"
    return Trace("line", name, x, y, "", rows, low, high, "", None, category, choice)

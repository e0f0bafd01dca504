"""The same quantities against the layer, at a few positions; and the norm that goes with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Quantity
from sae_checks.records import PositionRange, SaeRef
from sae_checks.records.release import shortest_training_context
from sae_checks.report.figures.context import QUANTITIES
from sae_checks.report.figures.figure import (
    Axis,
    Data,
    Figure,
    Panel,
    Trace,
    runs,
    shade,
    stacked,
)
from sae_checks.report.figures.series import (
    INTERVALS,
    context_tables,
    ends_of,
    has,
    labels_of,
    mean_over,
    windows,
)
from sae_checks.session.result import RunResult

_ALL: dict[str, tuple[Quantity, str]] = {
    **{name: (quantity, title) for name, (quantity, title, _) in QUANTITIES.items()},
    "norm": ("norm", "‖x‖, activation"),
}
Tables = Sequence[tuple[SaeRef, ContextTable]]


def layers(result: RunResult) -> list[Figure]:
    """Against the layer, and the norm against MSE; none where nothing was measured on texts."""
    found = context_tables(result)
    if not found:
        return []
    return [_against_layer(found), *_norm_and_mse(found)]


def chosen(found: Tables) -> list[PositionRange]:
    """A few windows inside the training context and past it, twice as far each time."""
    context = min(table.context for _, table in found)
    training = shortest_training_context(sae for sae, _ in found)
    last = context - 2
    inside = min(training or context, context)
    wanted = [1, inside // 4, inside // 2, inside - 1]
    wanted += [inside * times for times in (1, 2, 4, 8, 16, 32)] + [last]
    places = [at for at in wanted if 1 <= at <= last]
    every = windows(context, training)
    return [each for each in every if any(each.first <= at <= each.last for at in places)]


def _against_layer(found: Tables) -> Figure:
    saes = [sae for sae, _ in found]
    labels, every = labels_of(saes), chosen(found)
    names = [name for name, (q, _) in _ALL.items() if any(has(table, q) for _, table in found)]
    parts = [_of_positions(found, labels, each, names) for each in every]
    x = Axis("layer", categories=tuple(labels.values()))
    rows = runs([len(found)] * len(every))
    panels = tuple(
        Panel(
            _ALL[name][1],
            x,
            Axis(_ALL[name][1], log=True),
            tuple(
                Trace(
                    "line",
                    f"positions {each}",
                    "label",
                    name,
                    rows=here,
                    low=f"{name}_low",
                    high=f"{name}_high",
                    shade=shade(index, len(every)),
                )
                for index, (each, here) in enumerate(zip(every, rows, strict=True))
            ),
        )
        for name in names
    )
    return Figure(
        "layers",
        "context",
        "Against the layer",
        "Each line is a window of positions: inside the training context, and past it. "
        + INTERVALS,
        Data("layers", stacked(parts)),
        panels,
    )


def _of_positions(
    found: Tables, labels: dict[str, str], positions: PositionRange, names: Sequence[str]
) -> dict[str, object]:
    part: dict[str, object] = {
        "first_position": positions.first,
        "last_position": positions.last,
        "sae": np.array([sae.sae_id for sae, _ in found]),
        "label": np.array([labels[sae.sae_id] for sae, _ in found]),
        "layer": np.array([sae.layer for sae, _ in found]),
    }
    for name in names:
        means = [mean_over(table, positions, _ALL[name][0]) for _, table in found]
        value, low, high = ends_of(means)
        part |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return part


def _norm_and_mse(found: Tables) -> list[Figure]:
    """One point for each SAE and window of positions."""
    kept = [(s, t) for s, t in found if has(t, "mse") and has(t, "norm")]
    if not kept:
        return []
    parts, labels = [], labels_of([sae for sae, _ in kept])
    lengths = []
    for sae, table in kept:
        every = windows(table.context, sae.training_context)
        inside = sae.training_context or table.context
        lengths.append(len(every))
        parts.append(
            {
                "sae": sae.sae_id,
                "label": labels[sae.sae_id],
                "positions": np.array([f"positions {each}" for each in every]),
                "past_training": np.array([int(each.first >= inside) for each in every]),
                "norm": ends_of([mean_over(table, each, "norm") for each in every])[0],
                "mse": ends_of([mean_over(table, each, "mse") for each in every])[0],
            }
        )
    traces = tuple(
        Trace(
            "points",
            s.sae_id,
            "norm",
            "mse",
            rows=here,
            text="positions",
            shade=shade(i, len(kept)),
        )
        for i, ((s, _), here) in enumerate(zip(kept, runs(lengths), strict=True))
    )
    panel = Panel(
        "MSE against ‖x‖",
        Axis("‖x‖, activation", log=True),
        Axis("MSE, activation²", log=True),
        traces,
    )
    return [
        Figure(
            "norm-mse",
            "context",
            "Error and norm",
            "One point for each SAE and window of positions. The norm of activations hardly "
            "changes with position: what breaks past the training context is not explained by it.",
            Data("norm-mse", stacked(parts)),
            (panel,),
        )
    ]

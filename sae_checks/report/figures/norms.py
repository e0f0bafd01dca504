"""Whether the norm of what arrives explains how an item fares: four quantities against it."""

from __future__ import annotations

from sae_checks.report.figures.figure import Axis, Figure, Panel, Trace, slug
from sae_checks.report.figures.items import items_of, rows_of
from sae_checks.report.figures.series import tasks_of
from sae_checks.session.result import RunResult

_AGAINST = {
    "mse": "MSE, activation²",
    "l0": "L0, features",
    "l1": "L1, activation",
    "delta_ln_p": "Δ ln p(answer), nats",
}


def norms(result: RunResult) -> list[Figure]:
    """A figure for each task, of one SAE at a time."""
    return [
        figure
        for index, task in enumerate(tasks_of(result))
        for figure in _of_task(result, task, index)
    ]


def _of_task(result: RunResult, task: str, index: int) -> list[Figure]:
    found = items_of(result, task, index)
    if found is None or "norm_ratio" not in found[0].columns:
        return []
    data, saes = found
    panels = tuple(
        Panel(
            f"{title.split(',')[0]} against ‖x‖",
            Axis("mean ‖x‖ of the prompt / the smallest of its layer"),
            Axis(title),
            tuple(
                Trace(
                    "points",
                    "items",
                    "norm_ratio",
                    name,
                    rows=rows_of(data, sae),
                    choice=sae.sae_id,
                )
                for sae in saes
            ),
        )
        for name, title in _AGAINST.items()
        if name in data.columns
    )
    figure = Figure(
        f"norms-{index}-{slug(task)}",
        "tasks",
        f"{task}: against the norm",
        "Each point is an item; norms are divided by the smallest of their layer. The study found "
        "no strong dependence: what an SAE loses is not told by how large activations are.",
        data,
        panels,
        choices=tuple(sae.sae_id for sae in saes),
        task=task,
    )
    return [figure]

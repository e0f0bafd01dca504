"""Items by who answers them: MSE and Δ ln p against ΔCE, with how each is spread at the edges."""

from __future__ import annotations

from sae_checks.report.figures.figure import Axis, Figure, Panel, Trace, slug
from sae_checks.report.figures.items import CLASSES, classes_in, items_of, rows_of
from sae_checks.report.figures.series import tasks_of
from sae_checks.session.result import RunResult

_AGAINST = {"mse": "MSE, activation²", "delta_ln_p": "Δ ln p(answer), nats"}


def classes(result: RunResult) -> list[Figure]:
    """A figure for each task, of one SAE at a time."""
    return [
        figure
        for index, task in enumerate(tasks_of(result))
        for figure in _of_task(result, task, index)
    ]


def _of_task(result: RunResult, task: str, index: int) -> list[Figure]:
    found = items_of(result, task, index)
    if found is None or "delta_ce" not in found[0].columns:
        return []
    data, saes = found
    panels = tuple(
        Panel(
            f"{title.split(',')[0]} against ΔCE",
            Axis("ΔCE over the prompt, nats"),
            Axis(title),
            tuple(
                Trace(
                    "points",
                    CLASSES[of_class],
                    "delta_ce",
                    name,
                    rows=rows_of(data, sae, of_class),
                    category=category,
                    choice=sae.sae_id,
                )
                for sae in saes
                for category, of_class in enumerate(CLASSES)
                if of_class in classes_in(data)
            ),
            marginals=True,
        )
        for name, title in _AGAINST.items()
        if name in data.columns
    )
    figure = Figure(
        f"classes-{index}-{slug(task)}",
        "tasks",
        f"{task}: items by who answers them",
        "Each point is an item. In the study the four classes hardly differ in MSE and in ΔCE over "
        "the prompt, but do in the answer's own Δ ln p: what texts tell of an SAE does not tell "
        "which answers it costs.",
        data,
        panels,
        choices=tuple(sae.sae_id for sae in saes),
        task=task,
    )
    return [figure]

"""Figures of SAEs as they were judged, side by side: shrinkage; dead, dense and double features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_checks.report.figures.figure import Axis, Data, Figure, Mark, Panel, Trace, runs, stacked
from sae_checks.report.figures.series import claims, ends_of, in_model_order, labels_of, limits_at
from sae_checks.session.result import Outcome, RunResult

_SHRINKAGE = {
    "l2_ratio": "‖x̂‖ / ‖x‖",
    "relative_reconstruction_bias": "relative reconstruction bias",
    "best_scale": "the scale that would fit best",
    "cosine_similarity": "cosine of x and x̂",
}
_ALIVE = {
    "alive_features": "alive features, share",
    "silent_features": "features silent on all texts, share",
    "dense_features": "dense features, share",
    "duplicate_features": "features with a double, share",
}


def shrinkage(result: RunResult) -> list[Figure]:
    """Two figures, of the checks that were asked."""
    return [
        *_judged(
            result,
            "shrinkage",
            "Shrinkage",
            "Whether reconstructions are shorter than what they stand for. Points are the claims "
            "as they were judged, each with the interval by which it passes.",
            _SHRINKAGE,
        ),
        *_judged(
            result,
            "alive",
            "Dead, dense and double features",
            "Points are the claims as they were judged. A feature that no text sets off is silent "
            "here, and may be dead; one that most tokens set off says little.",
            _ALIVE,
        ),
    ]


def _judged(
    result: RunResult, name: str, title: str, caption: str, checks: dict[str, str]
) -> list[Figure]:
    found = {check: _of_saes(claims(result, check)) for check in checks}
    found = {check: outcomes for check, outcomes in found.items() if outcomes}
    if not found:
        return []
    labels = labels_of(in_model_order(result.facts.release.saes))
    parts = [_part(check, outcomes, labels) for check, outcomes in found.items()]
    rows = runs([len(outcomes) for outcomes in found.values()])
    x = Axis("layer", categories=tuple(labels.values()))
    panels = tuple(
        Panel(
            checks[check],
            x,
            Axis(checks[check]),
            (Trace("points", check, "label", "value", rows=here, low="low", high="high"),),
            tuple(
                Mark("limit", "y", at, f"limit {at:g}")
                for at in limits_at(o.verdict.limit for o in outcomes if o.verdict)
            ),
        )
        for (check, outcomes), here in zip(found.items(), rows, strict=True)
    )
    return [Figure(name, "features", title, caption, Data(name, stacked(parts)), panels)]


def _of_saes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if o.cell.sae is not None and o.verdict is not None]


def _part(check: str, outcomes: Sequence[Outcome], labels: dict[str, str]) -> dict[str, object]:
    value, low, high = ends_of([o.verdict.estimate for o in outcomes if o.verdict])
    saes = [o.cell.sae.sae_id for o in outcomes if o.cell.sae]
    return {
        "check": check,
        "sae": np.array(saes),
        "label": np.array([labels[sae] for sae in saes]),
        "outcome": np.array([o.outcome for o in outcomes]),
        "value": value,
        "low": low,
        "high": high,
    }

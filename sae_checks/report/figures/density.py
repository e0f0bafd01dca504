"""How often features are active on texts: the histogram of their densities."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.activity.table import ActivityTable
from sae_checks.records import FloatArray
from sae_checks.report.figures.figure import (
    Axis,
    Data,
    Figure,
    Mark,
    Panel,
    Trace,
    runs,
    shade,
    stacked,
)
from sae_checks.report.figures.series import in_model_order
from sae_checks.session.result import RunResult

_EDGES = 10.0 ** np.arange(-6, 0.01, 0.25)  # a share of tokens: four bins to a power of ten


def density(result: RunResult) -> list[Figure]:
    """Of the SAEs whose active features were counted; none where none were."""
    tables = {} if result.measurement is None else result.measurement.of(ActivityTable)
    found = [
        (sae, _densities(tables[sae.sae_id]))
        for sae in in_model_order(result.facts.release.saes)
        if sae.sae_id in tables and tables[sae.sae_id].active is not None
    ]
    if not found:
        return []
    parts = [
        {
            "sae": sae.sae_id,
            "from": _EDGES[:-1],
            "to": _EDGES[1:],
            "density": np.sqrt(_EDGES[:-1] * _EDGES[1:]),
            "features": np.histogram(np.minimum(each, 1.0), _EDGES)[0],
            "silent": int((each == 0).sum()),
        }
        for sae, each in found
    ]
    rows = runs([len(_EDGES) - 1] * len(found))
    traces = tuple(
        Trace(
            "line",
            sae.sae_id,
            "density",
            "features",
            rows=here,
            shade=shade(index, len(found)),
        )
        for index, ((sae, _), here) in enumerate(zip(found, rows, strict=True))
    )
    dense = result.thresholds.checks.get("dense_features")
    marks = [
        Mark("reference", "x", value, f"dense: above {value:g}")
        for name, value in (dense.limit.parameters if dense else ())
        if name == "density"
    ]
    panel = Panel(
        "Density of features",
        Axis("share of tokens that a feature is active on", log=True),
        Axis("features"),
        traces,
        tuple(marks),
    )
    silent = ", ".join(f"{sae.sae_id} {int((each == 0).sum()):,}" for sae, each in found)
    figure = Figure(
        "density",
        "features",
        "How often features are active",
        "Features by the share of tokens within the training context that they are active on, four "
        f"bins to a power of ten. Silent on all of them: {silent}.",
        Data("density", stacked(parts)),
        (panel,),
    )
    return [figure]


def _densities(table: ActivityTable) -> FloatArray:
    """(d_sae,) share of the tokens that count."""
    counts = table.by_document
    tokens = np.bincount(counts.feature, weights=counts.tokens, minlength=table.sae.d_sae)
    total = float(np.count_nonzero(~np.isnan(table.counted)))
    found: FloatArray = tokens / total if total else np.zeros(table.sae.d_sae)
    return found

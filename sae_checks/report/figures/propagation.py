"""What an earlier SAE's errors do to a later one: triangles of the changes of MSE, L0 and norm."""

from __future__ import annotations

import math

import numpy as np

from sae_checks.report.figures.figure import Axis, Data, Figure, Panel, Trace
from sae_checks.report.figures.series import claims, in_model_order, labels_of
from sae_checks.report.sentence import number
from sae_checks.session.result import RunResult

_TITLES = {"mse": "MSE", "l0": "L0", "norm": "‖x‖"}
_PARTS = ("whole", "direct", "recomputed")
_CHOICES = {
    "whole": "the whole change",
    "direct": "carried by the residual stream",
    "recomputed": "by later layers that read it",
}
Row = tuple[str, str, str, str, float, float, float]


def propagation(result: RunResult) -> list[Figure]:
    """Of the pairs that were judged; none where no check asked about pairs."""
    rows = [row for quantity in _TITLES for row in _rows(result, quantity)]
    if not rows:
        return []
    rows.sort(key=lambda row: (list(_TITLES).index(row[0]), _PARTS.index(row[1])))
    labels = labels_of(in_model_order(result.facts.release.saes))
    quantity, part, spliced, observed, value, low, high = zip(*rows, strict=True)
    columns = {
        "quantity": np.array(quantity),
        "part": np.array(part),
        "spliced": np.array([labels[each] for each in spliced]),
        "observed": np.array([labels[each] for each in observed]),
        "spliced_sae": np.array(spliced),
        "observed_sae": np.array(observed),
        "change": np.array(value, dtype=np.float64),
        "low": np.array(low, dtype=np.float64),
        "high": np.array(high, dtype=np.float64),
        "text": np.array([_said(row) for row in rows]),
    }
    parts = [part for part in _PARTS if part in columns["part"]]
    figure = Figure(
        "propagation",
        "propagation",
        "One SAE's errors at another",
        "With the SAE of a row spliced in, by which share MSE, L0 and norm change at the SAE of a "
        "column, on the same tokens within both training contexts: 0.1 is a tenth more. The "
        "residual stream carries part of it directly; the rest is what attention and MLPs between "
        "the two make of it.",
        Data("propagation", columns),
        tuple(_panel(name, columns, tuple(labels.values())) for name in dict.fromkeys(quantity)),
        choices=tuple(_CHOICES[part] for part in parts),
    )
    return [figure]


def _rows(result: RunResult, quantity: str) -> list[Row]:
    found: list[Row] = []
    whole: dict[object, float] = {}
    for outcome in claims(result, f"propagation_{quantity}"):
        if outcome.verdict is None:
            continue
        pair, each = outcome.cell.place["pair"], outcome.verdict.estimate
        whole[str(pair)] = each.value
        found.append(
            (quantity, "whole", pair.spliced, pair.observed, each.value, each.low, each.high)
        )
    for outcome in claims(result, f"propagation_direct_{quantity}"):
        if outcome.verdict is None:
            continue
        pair, each = outcome.cell.place["pair"], outcome.verdict.estimate
        ends = (pair.spliced, pair.observed)
        found.append((quantity, "direct", *ends, each.value, each.low, each.high))
        rest = dict(each.notes).get("recomputed", math.nan)
        found.append((quantity, "recomputed", *ends, float(rest), math.nan, math.nan))
    return found


def _said(row: Row) -> str:
    *_, value, low, high = row
    if not math.isfinite(value):
        return "undefined"
    ends = f" ({number(low)} to {number(high)})" if math.isfinite(low + high) else ""
    return number(value) + ends


def _panel(quantity: str, columns: dict[str, np.ndarray], labels: tuple[str, ...]) -> Panel:
    traces = []
    for part in _PARTS:
        here = np.flatnonzero((columns["quantity"] == quantity) & (columns["part"] == part))
        if len(here):
            traces.append(
                Trace(
                    "heat",
                    part,
                    "observed",
                    "spliced",
                    "change",
                    rows=slice(int(here[0]), int(here[-1]) + 1),
                    text="text",
                    choice=_CHOICES[part],
                )
            )
    return Panel(
        f"change of {_TITLES[quantity]}",
        Axis("observed at layer", categories=labels),
        Axis("spliced in at layer", categories=labels),
        tuple(traces),
        symmetric=True,
    )

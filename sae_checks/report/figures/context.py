"""L0, MSE, L1, ΔCE and KL against the position in the context: a line per SAE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Quantity
from sae_checks.records import FloatArray, PositionRange, SaeRef
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
from sae_checks.report.figures.series import (
    INTERVALS,
    claims,
    context_tables,
    ends_of,
    has,
    limit_of,
    limits_at,
    mean_over,
    windows,
)
from sae_checks.session.result import RunResult

# By the name in the table: what it is, in which unit, and the check that has a limit on it.
QUANTITIES: dict[str, tuple[Quantity, str, str]] = {
    "delta_ce": (("ce_sae", "ce_clean"), "ΔCE, nats", "delta_ce"),
    "kl": ("kl", "KL, nats", "kl"),
    "l0": ("l0", "L0, features", "l0"),
    "mse": ("mse", "MSE, activation²", "mse"),
    "l1": ("l1", "L1, activation", ""),
}


def context(result: RunResult) -> list[Figure]:
    """The study's first figures; none where nothing was measured on texts."""
    found = context_tables(result)
    if not found:
        return []
    names = [name for name, (q, _, _) in QUANTITIES.items() if any(has(t, q) for _, t in found)]
    parts = [of_positions(sae, table, names) for sae, table in found]
    rows = runs([len(windows(table.context, sae.training_context)) for sae, table in found])
    saes = [sae for sae, _ in found]
    figure = Figure(
        "context",
        "context",
        "Against the position in the context",
        "Each line is one SAE, spliced in by itself; means over all texts at these positions, "
        "which past 16 are taken together in windows, 8 to an octave. Position 0 (BOS) is left "
        "out, and so is what is not above 0, which has no place on a logarithmic axis. The upright "
        "line is the end of the training context; the short ones at the bottom of ΔCE, the end of "
        "each SAE's usable context. " + INTERVALS,
        Data("context", stacked(parts)),
        tuple(_panel(result, name, saes, rows) for name in names),
    )
    return [figure]


def of_positions(
    sae: SaeRef, table: ContextTable, names: Sequence[str]
) -> dict[str, FloatArray | str | int]:
    """Means of the quantities of an SAE in each window of positions, with their intervals."""
    every = windows(table.context, sae.training_context)
    part: dict[str, FloatArray | str | int] = {
        "sae": sae.sae_id,
        "layer": sae.layer,
        "first_position": np.array([each.first for each in every]),
        "last_position": np.array([each.last for each in every]),
        "position": np.array([_middle(each) for each in every]),
    }
    for name in names:
        value, low, high = ends_of([mean_over(table, each, QUANTITIES[name][0]) for each in every])
        part |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return part


def _middle(window: PositionRange) -> float:
    """Where a window stands on a logarithmic axis."""
    return float(np.sqrt(window.first * window.last))


def _panel(result: RunResult, name: str, saes: Sequence[SaeRef], rows: Sequence[slice]) -> Panel:
    _, title, check = QUANTITIES[name]
    traces = tuple(
        Trace(
            "line",
            sae.sae_id,
            "position",
            name,
            rows=here,
            low=f"{name}_low",
            high=f"{name}_high",
            shade=shade(index, len(saes)),
        )
        for index, (sae, here) in enumerate(zip(saes, rows, strict=True))
    )
    limits = limits_at(limit_of(result, check, sae) for sae in saes) if check else []
    marks = [Mark("limit", "y", at, f"limit {at:g}") for at in limits]
    marks += _training(saes)
    if name == "delta_ce":
        marks += _usable(result, saes)
    return Panel(title, Axis("position", log=True), Axis(title, log=True), traces, tuple(marks))


def _training(saes: Sequence[SaeRef]) -> Iterator[Mark]:
    lengths = sorted({s.training_context for s in saes if s.training_context is not None})
    for length in lengths:
        yield Mark("training", "x", length, f"training context {length}")


def _usable(result: RunResult, saes: Sequence[SaeRef]) -> Iterator[Mark]:
    """Up to where ΔCE holds its limit, of the SAEs of which that was asked."""
    places = {sae.sae_id: index for index, sae in enumerate(saes)}
    for outcome in claims(result, "usable_context"):
        sae, verdict = outcome.cell.sae, outcome.verdict
        if sae is None or verdict is None or sae.sae_id not in places or not sae.training_context:
            continue
        at = verdict.estimate.value * sae.training_context
        if np.isfinite(at) and at >= 1:
            of = shade(places[sae.sae_id], len(saes))
            label = f"usable context of {sae.sae_id}: {at:.0f}"
            yield Mark("usable", "x", float(at), label, of)

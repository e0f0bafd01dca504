"""Where failures lie, in few words: layers, positions, tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sae_checks.records import Release, SaeRef
from sae_checks.report.overview.groups import FailureGroup, Figures
from sae_checks.report.overview.matrix import labels
from sae_checks.report.short import short_number

_MOST_NAMED = 3


def where_of(group: FailureGroup, release: Release) -> str:
    """As "layers 0–3, positions 128 to 1022, on lambada"."""
    parts = [saes_of(group.saes, release)]
    if group.positions is not None:
        first, last = group.positions
        parts.append(f"positions {first:,} to {last:,}")
    if group.tasks:
        parts.append(f"on {', '.join(group.tasks)}")
    return ", ".join(parts)


def saes_of(saes: Sequence[SaeRef], release: Release) -> str:
    """SAEs by layer where a layer has one, else by name."""
    if not saes:
        return "the release"
    if len(saes) == len(release.saes) > 1:
        return f"all {len(saes)} SAEs"
    layers = [sae.layer for sae in release.saes]
    if all(layers.count(sae.layer) == 1 for sae in saes):
        return f"layer{'s' if len(saes) > 1 else ''} {_runs(sae.layer for sae in saes)}"
    short = labels(release)
    named = [short.get(sae.sae_id, sae.sae_id) for sae in saes[:_MOST_NAMED]]
    more = len(saes) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _runs(layers: Iterable[int]) -> str:
    """As "0–3, 7"."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and runs[-1][-1] == layer - 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def figures_of(figures: Figures, limit: str) -> str:
    """As "delta_ce_growth 40 to 160 times (<= 2)"."""
    low, high = short_number(figures.lowest), short_number(figures.highest)
    values = low if low == high else f"{low} to {high}"
    return f"{figures.check} {values} {figures.unit}".rstrip() + (f" ({limit})" if limit else "")

"""Figures and their tables as the scripts in `assets` read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sae_checks.report.figures.figure import Axis, Column, Data, Figure, Mark, Panel, Trace


def embedded_data(data: Data) -> dict[str, Any]:
    """Columns by name; of text, each word once and where it stands."""
    return {name: _column(values) for name, values in data.columns.items()}


def embedded_figure(figure: Figure) -> dict[str, Any]:
    """A figure without its table, which it names."""
    return {
        "name": figure.name,
        "title": figure.title,
        "data": figure.data.name,
        "choices": list(figure.choices),
        "panels": [_panel(panel) for panel in figure.panels],
    }


def _column(values: Column) -> object:
    if values.dtype.kind in "US":
        words, index = np.unique(values, return_inverse=True)
        return {"words": words.tolist(), "index": index.tolist()}
    if values.dtype.kind == "b":
        return values.astype(int)
    return values


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "x": _axis(panel.x),
        "y": _axis(panel.y),
        "traces": [_trace(each) for each in panel.traces],
        "marks": [_mark(each) for each in panel.marks],
        "marginals": panel.marginals,
        "symmetric": panel.symmetric,
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "title": axis.title,
        "log": axis.log,
        "categories": list(axis.categories),
        "ticks": [list(tick) for tick in axis.ticks],
    }


def _trace(trace: Trace) -> dict[str, Any]:
    said = {
        "kind": trace.kind,
        "name": trace.name,
        "rows": [trace.rows.start or 0, trace.rows.stop, trace.rows.step or 1],
        "shade": trace.shade,
        "category": trace.category,
    }
    named = ("x", "y", "z", "low", "high", "text", "choice")
    said |= {name: getattr(trace, name) for name in named if getattr(trace, name)}
    return {**said, "columns": [list(each) for each in trace.columns]} if trace.columns else said


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "kind": mark.kind,
        "axis": mark.axis,
        "at": mark.at,
        "label": mark.label,
        "shade": mark.shade,
        "choice": mark.choice,
    }

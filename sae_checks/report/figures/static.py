"""Figures as files, for papers: SVG and PNG drawn by matplotlib, and their tables as CSV.

The page draws the same figures with Plotly. Plotly writes images through a browser that it starts;
matplotlib needs none, so that files can be made wherever the gate runs.
"""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sae_checks.report.figures.figure import Axis, Column, Data, Figure, Mark, Panel, Trace
from sae_checks.report.figures.registry import figures_of
from sae_checks.session.result import RunResult
from sae_checks.wording import visible_lines

_DASHES = ("-", "--", ":", "-.", (0, (8, 3)))
_MARKERS = ("o", "s", "D", "^", "P", "X")
_CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#8a4f7d", "#6b6b6b", "#b8860b")
_MARK_COLOURS = {"limit": "#b3261e", "training": "#1c2330", "usable": "#1c2330"}
_LEGEND_MOST = 14
# Files that say nothing of when or by which version they were drawn can be compared.
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def write_figures(result: RunResult, folder: Path) -> list[Path]:
    """Write each figure of a run as NAME.svg and NAME.png, and each table as NAME.csv.

    A figure of one SAE at a time is a file for each of them.

    Returns:
        The files, in the order in which they were written.

    Raises:
        OSError: one cannot be written.
    """
    return write(figures_of(result), folder)


def write(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write figures and their tables to a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[Path, None] = {}
    for figure in figures:
        table = folder / f"{figure.data.name}.csv"
        if table not in written:
            table.write_text(figure.data.csv(), encoding="utf-8")
            written[table] = None
        for number, choice in enumerate(figure.choices or ("",)):
            stem = f"{figure.name}-{number}" if choice else figure.name
            files = [folder / f"{stem}.{suffix}" for suffix in _METADATA]
            _save(figure, choice, files)
            written |= dict.fromkeys(files)
    return list(written)


def _save(figure: Figure, choice: str, files: Iterable[Path]) -> None:
    import matplotlib
    from matplotlib.figure import Figure as Drawing
    from matplotlib.text import Text

    settings = {
        "svg.hashsalt": "sae-checks",  # the same ids in the same drawing
        "svg.fonttype": "none",
        "text.parse_math": False,  # names are shown as they are: $ begins no formula
        "font.size": 9,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # A name may hold characters that the font lacks; boxes stand for them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        panels = len(figure.panels)
        columns = min(panels, 3)
        rows = -(-panels // columns)
        drawing = Drawing(figsize=(4.4 * columns, 3.5 * rows + 0.5), layout="constrained")
        drawing.suptitle(figure.title + (f": {choice}" if choice else ""))
        for index, panel in enumerate(figure.panels):
            axes = drawing.add_subplot(rows, columns, index + 1)
            _draw(axes, panel, figure.data, choice)
        _legend(drawing)
        for each in drawing.findobj(Text):
            each.set_text(visible_lines(each.get_text()))
        for _ in range(2):  # labels find their place at the first drawing, panels at the second
            drawing.draw_without_rendering()
        drawing.set_layout_engine("none")  # laid out once, saved twice
        for path in files:
            drawing.savefig(path, dpi=150, metadata=_METADATA[path.suffix[1:]])


def _legend(drawing: Any) -> None:
    """One for all panels, where it says more than one thing."""
    named: dict[str, Any] = {}
    for axes in drawing.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if 1 < len(named) <= _LEGEND_MOST:
        drawing.legend(
            named.values(), named.keys(), loc="outside lower center", ncols=4, fontsize=7
        )


def _draw(axes: Any, panel: Panel, data: Data, choice: str) -> None:
    axes.set_title(panel.title, fontsize=9)
    for trace in panel.traces:
        if trace.choice in ("", choice):
            _DRAWN[trace.kind](axes, trace, data, panel)
    for mark in panel.marks:
        if mark.choice in ("", choice):
            _mark(axes, mark)
    heat = any(trace.kind == "heat" for trace in panel.traces)
    for which, axis in (("x", panel.x), ("y", panel.y)):
        _axis(axes, which, axis, heat=heat)
    if not heat:
        axes.grid(alpha=0.25, linewidth=0.6)


def _axis(axes: Any, which: str, axis: Axis, *, heat: bool) -> None:
    getattr(axes, f"set_{which}label")(axis.title)
    if axis.log:
        from matplotlib.ticker import LogFormatter, NullFormatter

        getattr(axes, f"set_{which}scale")("log")
        getattr(axes, f"{which}axis").set_major_formatter(LogFormatter())
        getattr(axes, f"{which}axis").set_minor_formatter(NullFormatter())
    ticks = axis.ticks or tuple((float(at), name) for at, name in enumerate(axis.categories))
    if ticks:
        getattr(axes, f"set_{which}ticks")(*zip(*ticks, strict=True))
        if which == "x" and max(len(name) for _, name in ticks) * len(ticks) > 40:
            axes.tick_params(axis="x", rotation=45)
    if heat and which == "y":
        axes.invert_yaxis()


def _values(data: Data, trace: Trace, name: str, axis: Axis | None = None) -> Column:
    """Of a column, the rows of a trace; of names along an axis, their places."""
    values = data.columns[name][trace.rows]
    if axis is not None and axis.categories:
        places = {each: at for at, each in enumerate(axis.categories)}
        return np.array([places[str(each)] for each in values.tolist()], dtype=np.float64)
    return values


def _line(axes: Any, trace: Trace, data: Data, panel: Panel) -> None:
    x = _values(data, trace, trace.x, panel.x)
    y = np.asarray(_values(data, trace, trace.y), dtype=np.float64)
    floor = np.nanmin(np.where(y > 0, y, np.nan), initial=np.inf) / 3 if panel.y.log else -np.inf
    if panel.y.log:
        y = np.where(y > 0, y, np.nan)
    order = _order(trace)
    axes.plot(
        x,
        y,
        color=_colour(trace),
        linestyle=_DASHES[order % len(_DASHES)],
        marker=_MARKERS[order % len(_MARKERS)] if len(x) <= 40 else None,
        markersize=3.5,
        linewidth=1.3,
        label=_label(trace),
    )
    if trace.low:
        low = np.maximum(_values(data, trace, trace.low), floor)
        high = np.maximum(_values(data, trace, trace.high), floor)
        axes.fill_between(x, low, high, color=_colour(trace), alpha=0.13, linewidth=0)


def _points(axes: Any, trace: Trace, data: Data, panel: Panel) -> None:
    x, y = _values(data, trace, trace.x, panel.x), _values(data, trace, trace.y)
    errors = None
    if trace.low:
        ends = (y - _values(data, trace, trace.low), _values(data, trace, trace.high) - y)
        errors = np.maximum(np.nan_to_num(np.stack(ends)), 0.0)
    axes.errorbar(
        x,
        y,
        errors,
        fmt=_MARKERS[_order(trace) % len(_MARKERS)],
        color=_colour(trace),
        markersize=2.2 if len(x) > 150 else 4,
        alpha=0.6 if len(x) > 30 else 0.9,
        elinewidth=0.8,
        label=_label(trace),
    )


def _bars(axes: Any, trace: Trace, data: Data, panel: Panel) -> None:
    x = _values(data, trace, trace.x, panel.x)
    width = float(np.diff(x).min()) * 0.9 if len(x) > 1 else 0.8
    axes.bar(x, _values(data, trace, trace.y), width=width, color=_colour(trace), alpha=0.8)


def _heat(axes: Any, trace: Trace, data: Data, panel: Panel) -> None:
    grid = np.full((len(panel.y.categories), len(panel.x.categories)), np.nan)
    x, y = _values(data, trace, trace.x, panel.x), _values(data, trace, trace.y, panel.y)
    grid[y.astype(int), x.astype(int)] = _values(data, trace, trace.z)
    most = float(np.nanmax(np.abs(grid))) if np.isfinite(grid).any() else 1.0
    ends = {"vmin": -most, "vmax": most} if panel.symmetric else {}
    image = axes.imshow(
        grid, cmap="RdBu_r" if panel.symmetric else "viridis", aspect="auto", **ends
    )
    axes.invert_yaxis()  # `_axis` turns it again
    axes.figure.colorbar(image, ax=axes, shrink=0.8)


def _parallel(axes: Any, trace: Trace, data: Data, panel: Panel) -> None:
    columns = np.stack([_values(data, trace, name) for name, _ in trace.columns])
    axes.plot(np.arange(len(columns)), columns, color=_colour(trace), alpha=0.25, linewidth=0.6)


_DRAWN = {"line": _line, "points": _points, "bars": _bars, "heat": _heat, "parallel": _parallel}


def _mark(axes: Any, mark: Mark) -> None:
    plain = _MARK_COLOURS.get(mark.kind, "#8a93a0")
    colour: Any = plain if mark.shade is None else _shade(mark.shade)
    if mark.kind == "usable":
        axes.axvline(mark.at, ymax=0.06, color=colour, linewidth=2.5)
        return
    draw = axes.axvline if mark.axis == "x" else axes.axhline
    draw(mark.at, color=colour, linewidth=0.9, linestyle="--" if mark.kind == "limit" else ":")
    if mark.label and mark.axis == "x":
        place = {"xycoords": ("data", "axes fraction"), "xy": (mark.at, 1.0), "ha": "right"}
        axes.annotate(mark.label, **place, fontsize=6, va="top", rotation=90)
    elif mark.label:
        place = {"xycoords": ("axes fraction", "data"), "xy": (1.0, mark.at), "ha": "right"}
        axes.annotate(mark.label, **place, fontsize=6, va="bottom")


def _label(trace: Trace) -> str:
    """A name that begins with _ is none to matplotlib."""
    return trace.name if not trace.name.startswith("_") else f" {trace.name}"


def _order(trace: Trace) -> int:
    return trace.category if trace.shade is None else round(trace.shade * 12)


def _colour(trace: Trace) -> Any:
    if trace.shade is not None:
        return _shade(trace.shade)
    return _CATEGORIES[trace.category % len(_CATEGORIES)]


def _shade(shade: float) -> tuple[float, float, float]:
    """From blue at the first layer to red at the last, as on the page."""
    return colorsys.hls_to_rgb((250 - 245 * shade) / 360, 0.42, 0.75)

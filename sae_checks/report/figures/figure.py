"""What a figure is: a tidy table, and how parts of it are drawn.

Every trace is a view of the figure's one table: some of its rows, and which columns are drawn. So
what is drawn is what the CSV says, on the page as in files.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
TraceKind = Literal["line", "points", "bars", "heat", "parallel"]
# How a line that is no trace is drawn: a limit, the end of the training context, the last position
# of the usable context, or what is only there to compare with.
MarkKind = Literal["limit", "training", "usable", "reference"]


@dataclass(frozen=True)
class Data:
    """A tidy table: columns of one length, by name, numbers or text; NaN where undefined.

    Attributes:
        name: of the table; figures that share one share its name.
    """

    name: str
    columns: Mapping[str, Column]

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.columns.values()), ()))

    def csv(self) -> str:
        """All of it, a header first; what is undefined is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        cells = [_written(values) for values in self.columns.values()]
        writer.writerows(zip(*cells, strict=True))
        return text.getvalue()


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        title: what is drawn along it, with its unit.
        log: whether in powers of ten.
        categories: of one that has names in place of numbers, in their order.
        ticks: places along it that have names; () leaves numbers.
    """

    title: str
    log: bool = False
    categories: tuple[str, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Trace:
    """Some rows of a figure's table, drawn.

    Attributes:
        name: in the legend.
        x: the column along the horizontal axis; likewise `y`, and `z` of a heat map's colours.
        rows: which; a step draws every n-th alone, where all would be too many.
        low: the column of the lower ends of intervals; "" where there are none.
        high: of their upper ends.
        text: the column of what is said of a point beside its figures.
        shade: 0 to 1, from the first layer to the last; None: `category` says which colour.
        category: 0, 1, …: of what has no order.
        choice: the one of `Figure.choices` with which it is shown; "": always.
        columns: of parallel coordinates: those that are its axes, from left to right, each with
            its name on the horizontal axis.
    """

    kind: TraceKind
    name: str
    x: str = ""
    y: str = ""
    z: str = ""
    rows: slice = field(default_factory=lambda: slice(None))
    low: str = ""
    high: str = ""
    text: str = ""
    shade: float | None = None
    category: int = 0
    choice: str = ""
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Mark:
    """A straight line across a panel: a limit, a training context.

    Attributes:
        axis: that it stands on: "x" for an upright line.
        at: where.
        shade: as of a trace, where it is about one SAE.
        choice: likewise.
    """

    kind: MarkKind
    axis: Literal["x", "y"]
    at: float
    label: str
    shade: float | None = None
    choice: str = ""


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        marginals: whether the points' own distributions stand at the edges.
        symmetric: of a heat map: whether 0 is in the middle of its colours.
    """

    title: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    marks: tuple[Mark, ...] = ()
    marginals: bool = False
    symmetric: bool = False


@dataclass(frozen=True)
class Figure:
    """Panels that share a table.

    Attributes:
        name: of its files, and in links to it.
        section: of the page.
        caption: what is seen in it, with how intervals are made.
        choices: of which one is shown at a time; the first unless another is chosen.
        notes: what is not drawn, and why.
        task: that it is of; "" where it is of none.
    """

    name: str
    section: str
    title: str
    caption: str
    data: Data
    panels: tuple[Panel, ...]
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    task: str = ""


def stacked(parts: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Tables of the same columns one below the other; what is not an array is repeated.

    Args:
        parts: in which at least one value is an array.
    """
    columns: dict[str, list[Column]] = {}
    for part in parts:
        length = max(len(value) for value in part.values() if isinstance(value, np.ndarray))
        for name, value in part.items():
            here = value if isinstance(value, np.ndarray) else np.full(length, value)
            columns.setdefault(name, []).append(here)
    return {name: np.concatenate(values) for name, values in columns.items()}


def runs(parts: Sequence[int]) -> list[slice]:
    """The rows of parts of these lengths that stand one below the other."""
    ends = np.cumsum([0, *parts])
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def shade(index: int, count: int) -> float:
    """Of the index-th of `count` in order: 0 to 1."""
    return index / (count - 1) if count > 1 else 0.5


def slug(text: str) -> str:
    """A name for files and links, of letters, digits and dashes; it may be that of another text."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40]


def _written(values: Column) -> list[str]:
    if values.dtype.kind == "f":
        return ["" if np.isnan(each) else f"{each:.6g}" for each in values.tolist()]
    return [str(each) for each in values.tolist()]

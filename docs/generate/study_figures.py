"""The study's published values, drawn by the same code that draws a run's figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from docs.generate import published
from docs.generate.limits import shipped
from docs.generate.published import LAYERS, TASKS, TRAINING
from docs.generate.study import RANGES_INSIDE, RANGES_PAST, on_task
from sae_checks.records import PositionRange
from sae_checks.report.figures.context import QUANTITIES
from sae_checks.report.figures.figure import Axis, Data, Figure, Mark, Panel, Trace, runs, shade
from sae_checks.report.figures.static import write

_SHOWN = {
    **{n: QUANTITIES[n][1] for n in ("delta_ce", "l0", "mse", "l1")},
    "norm": "‖x‖, activation",
}


def write_pictures(folder: Path) -> list[Path]:
    """Draw each figure as SVG.

    Returns:
        The files that are not as they were.
    """
    changed = []
    with TemporaryDirectory() as drawn:
        for path in write(figures(), Path(drawn)):
            kept = folder / path.name
            text = path.read_text(encoding="utf-8") if path.suffix == ".svg" else ""
            if text and not (kept.is_file() and kept.read_text(encoding="utf-8") == text):
                kept.write_text(text, encoding="utf-8")
                changed.append(kept)
    return changed


def figures() -> list[Figure]:
    """Against position, against layer, and answers by layer."""
    return [_context(), _layers(), _accuracy()]


def _context() -> Figure:
    every = published.windows()
    columns = {
        "layer": np.array([each.layer for each in every]),
        "position": np.array([np.sqrt(e.positions.first * e.positions.last) for e in every]),
        **{name: np.array([each.means[name] for each in every]) for name in _SHOWN},
    }
    rows = runs([sum(each.layer == layer for each in every) for layer in range(LAYERS)])
    return Figure(
        "study-context",
        "context",
        "gpt2-small-res-jb, by the study: against the position in the context",
        "",
        Data("study-context", columns),
        tuple(_panel(name, rows) for name in _SHOWN),
    )


def _panel(name: str, rows: list[slice]) -> Panel:
    title = _SHOWN[name]
    traces = tuple(
        Trace("line", f"layer {n}", "position", name, rows=here, shade=shade(n, LAYERS))
        for n, here in enumerate(rows)
    )
    return Panel(
        title, Axis("position", log=True), Axis(title, log=True), traces, tuple(_marks(name))
    )


def _marks(name: str) -> Iterator[Mark]:
    limit = shipped().checks[name].limit if name in shipped().checks else None
    for at in (limit.min, limit.max) if limit is not None else ():
        if at is not None:
            yield Mark("limit", "y", at, f"limit {at:g}")
    yield Mark("training", "x", TRAINING, f"training context {TRAINING}")


def _layers() -> Figure:
    chosen = (*RANGES_INSIDE[-2:], *RANGES_PAST)
    columns = {
        "label": np.array([str(n) for _ in chosen for n in range(LAYERS)]),
        **{name: _by_range(name, chosen) for name in _SHOWN},
    }
    rows = runs([LAYERS] * len(chosen))
    x = Axis("layer", categories=tuple(str(n) for n in range(LAYERS)))
    panels = tuple(
        Panel(
            title,
            x,
            Axis(title, log=True),
            tuple(
                Trace(
                    "line", f"positions {at}", "label", name, rows=here, shade=shade(i, len(chosen))
                )
                for i, (at, here) in enumerate(zip(chosen, rows, strict=True))
            ),
        )
        for name, title in _SHOWN.items()
    )
    title = "gpt2-small-res-jb, by the study: against the layer"
    return Figure("study-layers", "context", title, "", Data("study-layers", columns), panels)


def _by_range(name: str, chosen: tuple[PositionRange, ...]) -> np.ndarray:
    return np.array([published.mean(n, at, name) for at in chosen for n in range(LAYERS)])


def _accuracy() -> Figure:
    found = published.answers()
    columns = {"label": np.array([str(n) for n in range(LAYERS)])}
    panels = []
    x = Axis("layer", categories=tuple(str(n) for n in range(LAYERS)))
    for task, title in TASKS.items():
        columns[f"{task} clean"] = np.array(
            [found[task, n]["clean_accuracy"] for n in range(LAYERS)]
        )
        columns[f"{task} sae"] = np.array([found[task, n]["accuracy"] for n in range(LAYERS)])
        least = found[task, 0]["clean_accuracy"] - (
            on_task("accuracy_drop", 0, task).limit.max or 0
        )
        panels.append(
            Panel(
                title,
                x,
                Axis("right answers, %"),
                (
                    Trace("line", "the model untouched", "label", f"{task} clean", category=4),
                    Trace("line", "with the SAE", "label", f"{task} sae", category=1),
                ),
                (Mark("limit", "y", least, "limit"),),
            )
        )
    title = "gpt2-small-res-jb, by the study: answers by layer"
    data = Data("study-accuracy", columns)
    return Figure("study-accuracy", "tasks", title, "", data, tuple(panels))

"""What the study published of gpt2-small-res-jb: means over ranges of positions, and over items.

Source: the tables that belong to Anders & Bloom (2024), *Examining Language Model Performance with
Reconstructed Activations using Sparse Autoencoders*: 100 texts at each position, 1,000
items of LAMBADA and of CBT's common nouns. Position 0 is BOS, as everywhere here (the study
counts from 1). docs/study holds them as CSV, averaged over ranges of positions.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sae_checks.records import PositionRange

FOLDER = Path(__file__).resolve().parent.parent / "study"
RELEASE, TRAINING, CONTEXT, LAYERS = "gpt2-small-res-jb", 128, 1024, 12
INSIDE, PAST = PositionRange(1, TRAINING - 1), PositionRange(TRAINING, CONTEXT - 2)
TASKS = {"lambada": "LAMBADA", "cbt_cn": "CBT, common nouns"}


@dataclass(frozen=True)
class Window:
    """Means of an SAE over some positions."""

    layer: int
    positions: PositionRange
    means: Mapping[str, float]  # delta_ce, l0, l1, mse, norm

    @property
    def length(self) -> int:
        """Positions in it."""
        return self.positions.last - self.positions.first + 1


@cache
def windows() -> tuple[Window, ...]:
    """By layer, then position."""
    return tuple(_window(row) for row in _rows("texts.csv"))


@cache
def answers() -> dict[tuple[str, int], dict[str, float]]:
    """By task and layer: clean_accuracy, accuracy (%), delta_ln_p and a rank correlation."""
    return {
        (row.pop("task"), int(row.pop("layer"))): {
            name: float(value) for name, value in row.items()
        }
        for row in _rows("tasks.csv")
    }


def mean(layer: int, positions: PositionRange, quantity: str) -> float:
    """Over positions whose windows lie wholly within; each window counts by its length.

    Raises:
        ValueError: no window does, or one straddles an end.
    """
    inside = [each for each in windows() if each.layer == layer and _within(each, positions)]
    covered = sum(each.length for each in inside)
    if covered != positions.last - positions.first + 1:
        raise ValueError(f"the published windows do not make up the positions {positions}")
    return sum(each.means[quantity] * each.length for each in inside) / covered


def _within(window: Window, positions: PositionRange) -> bool:
    here = window.positions
    return positions.first <= here.first and here.last <= positions.last


def _window(row: dict[str, str]) -> Window:
    layer, first, last = (int(row.pop(n)) for n in ("layer", "first_position", "last_position"))
    means = {name: float(value) for name, value in row.items()}
    return Window(layer, PositionRange(first, last), means)


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

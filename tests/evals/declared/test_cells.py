"""Declared against measured: by hand, and which SAEs are asked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.declared.cells import DeclaredCell
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import Declared, DeclaredFigure, PositionRange, Release, SaeRef
from sae_checks.records.ranges import position_ranges
from sae_checks.records.selectors import POSITIONS
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_on_texts, declared_cell

CONTEXT = 8
IN_CFG = DeclaredFigure(4.0, "its cfg.json")


def sae(layer: int = 0, **changes: object) -> SaeRef:
    return replace(stored.sae_ref(layer), training_context=6, **changes)


def cell(figure: DeclaredFigure, dataset: str | None = "tales") -> DeclaredCell:
    """Texts with a mean L0 of 2, 4 and 6 in the training context, and of 100 past it."""
    l0 = np.repeat([[2.0], [4.0], [6.0]], CONTEXT, axis=1)
    l0[:, 0], l0[:, 6:] = math.nan, 100.0
    ref = sae(declared=Declared(dataset=dataset))
    table = ContextTable.of(ref, {"l0": l0, "norm": l0 * 0 + 1}, np.zeros(l0.shape, dtype=bool))
    inside = PositionRange(1, 5)
    made = cell_on_texts("mine", table, "in_context", inside, "declared_l0", Thresholds({}))
    return declared_cell(made, figure, "tales")


def test_the_ratio_by_hand():
    made = cell(DeclaredFigure(5.0, "its path", target=True))
    found = made.ratio_to_declared(made.mean("l0"))
    assert found.value == pytest.approx(4 / 5)
    # Influences (2 - 4)/3, 0 and (6 - 4)/3, and n/(n-1) = 3/2.
    assert found.standard_error == pytest.approx(math.sqrt(1.5 * 2 * (2 / 3) ** 2) / 5)
    assert found.influence == pytest.approx(np.array([-2 / 3, 0, 2 / 3]) / 5)
    assert dict(found.notes) == {
        "measured": 4.0,
        "declared": 5.0,
        "declared_by": "its path, as a target",
        "corpus": "tales",
    }


def test_the_difference_by_hand():
    made = cell(DeclaredFigure(4.5, "its cfg.json"))
    found = made.difference_to_declared(made.mean("l0"))
    assert found.value == pytest.approx(-0.5)
    assert found.standard_error == pytest.approx(made.mean("l0").standard_error)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [("the/pile", "tales, not the/pile"), (None, "tales; the release declares none")],
)
def test_another_corpus_is_said(dataset: str | None, said: str):
    made = cell(IN_CFG, dataset)
    assert dict(made.ratio_to_declared(made.mean("l0")).notes)["corpus"] == said


def test_no_ratio_to_nothing():
    made = cell(DeclaredFigure(0.0, "its cfg.json"))
    found = made.ratio_to_declared(made.mean("l0"))
    assert math.isnan(found.value)
    assert found.reason == "its cfg.json declares 0, which nothing is a multiple of"


@given(st.floats(0.01, 1e4), st.floats(-1e3, 1e3), st.floats(0, 10), st.floats(0, 10))
def test_intervals_move_with_the_value(declared: float, value: float, below: float, above: float):
    made = cell(DeclaredFigure(declared, "its path"))
    measured = Estimate(value, value - below, value + above, 1.0, 3, 9)
    ratio, difference = made.ratio_to_declared(measured), made.difference_to_declared(measured)
    for name in ("value", "low", "high"):
        assert getattr(ratio, name) * declared == pytest.approx(getattr(measured, name), abs=1e-9)
        assert getattr(difference, name) == pytest.approx(getattr(measured, name) - declared)
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.standard_error * declared == pytest.approx(1.0)
    assert ratio.texts == difference.texts == 3


def collected(check: str, *saes: SaeRef) -> list[tuple[str, PositionRange]]:
    release = Release("mine", "folder", stored.LOADING, saes)
    ranges = {each.sae_id: position_ranges(each.training_context, CONTEXT) for each in saes}
    found = CellCollector(release, CONTEXT, ranges, (), frozenset()).cells(bundled_checks()[check])
    assert {ref.family for ref in found} <= {"claim"}
    return [(ref["sae"], ref.place[POSITIONS.name]) for ref in found]


def test_only_saes_that_declare_a_figure_are_asked_about_it():
    says_l0 = sae(0, declared=Declared(l0=IN_CFG))
    says_both = sae(1, declared=Declared(IN_CFG, DeclaredFigure(0.9, "its cfg.json")))
    says_nothing = sae(2)
    saes = (says_l0, says_both, says_nothing)
    inside = PositionRange(1, 5)
    assert collected("declared_l0", *saes) == [
        (says_l0.sae_id, inside),
        (says_both.sae_id, inside),
    ]
    assert collected("declared_explained_variance", *saes) == [(says_both.sae_id, inside)]


def test_without_a_training_context_all_that_was_measured_is_asked_and_nothing_past_it():
    silent = replace(sae(0, declared=Declared(l0=IN_CFG)), training_context=None)
    assert collected("declared_l0", silent) == []  # of which positions is not known
    checks = bundled_checks()
    for name, check in checks.items():
        if check.cells.name == "past_context" or check.beyond_training:
            assert collected(name, silent, sae(1), sae(2), sae(3)) == collected(
                name, sae(1), sae(2), sae(3)
            )

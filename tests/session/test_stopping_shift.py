"""Stopping where a second corpus is asked about: it is measured whole, the first as needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.registry import kind_named
from sae_checks.evals.shift.cells import ShiftCell
from sae_checks.evals.shift.kinds import CORPUS
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import SHIFT, TEXTS, Measurement, PositionRange
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import POSITIONS
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.stopping import Adaptive
from tests import stored
from tests.session.test_stopping import measurement, table

LIMITS = Thresholds(checks={"shift_delta_ce": CheckLimits(Limit("nats", max=0.15, margin=0.05))})
SAE = stored.sae_ref(0)
BUDGET = 390


def _change(cell: ShiftCell) -> Estimate:
    return cell.mean_change(("ce_sae", "ce_clean"))


NEEDS = frozenset({"ce_sae", "ce_clean"})
CHECK = Check("shift_delta_ce", _change, kind_named("shift"), NEEDS, "nats")
PLACE = Place.of_sae("made-up", SAE).at(POSITIONS, PositionRange(1, 14)).at(CORPUS, "other")
CELL = CellRef(kind_named("shift"), PLACE, (SAE,))
RULE = DecisionRule(LIMITS, Family(LIMITS, {CHECK.name: CHECK}, 1, {}), adaptive=True)


def second(delta_ce: float, texts: int = BUDGET, spread: float = 0.01) -> ContextTable:
    made = table(0, delta_ce, texts, spread)
    return replace(made, dataset=SHIFT, complete=texts == BUDGET)


def unsettled(so_far: Measurement, dataset: str = TEXTS) -> set[str]:
    return set(Adaptive(RULE, [(CHECK, CELL)]).unsettled(so_far, dataset, BUDGET))


def test_the_second_corpus_is_measured_to_the_end():
    assert unsettled(measurement(saes=1), SHIFT) == {SAE.sae_id}
    assert unsettled(measurement(second(0.1, 64), saes=1), SHIFT) == {SAE.sae_id}


@pytest.mark.parametrize("there", [0.1, 3.0], ids=["passes", "fails"])
def test_the_first_stops_where_the_difference_is_clear(there):
    so_far = measurement(table(0, 0.1), second(there), saes=1)
    assert unsettled(so_far) == set()


@pytest.mark.parametrize("spread", [(0.5, 0.01), (0.01, 0.8)], ids=["of first", "of second"])
def test_the_first_goes_on_where_the_difference_is_not(spread):
    so_far = measurement(table(0, 0.1, spread=spread[0]), second(0.27, spread=spread[1]), saes=1)
    assert unsettled(so_far) == {SAE.sae_id}


@pytest.mark.parametrize(
    ("first_is_whole", "second_is_whole"), [(True, True), (False, True), (True, False)]
)
def test_intervals_are_of_the_end_only_where_both_corpora_were_measured_whole(
    first_is_whole, second_is_whole
):
    first = replace(table(0, 0.1, 200), complete=first_is_whole)
    other = replace(second(0.2, 200), complete=second_is_whole)
    verdict = RULE.verdict(measurement(first, other, saes=1), CHECK, CELL)
    own, units = RULE.own_coverage(), 200
    promised = own.at_the_end() if first_is_whole and second_is_whole else own.on_the_way()
    estimate = verdict.estimate
    reach = (estimate.high - estimate.value) / estimate.standard_error
    assert reach == pytest.approx(promised.reach(2 * (units - 1), units), rel=0.01)
    assert verdict.fewest == (8 if first_is_whole and second_is_whole else 64)


def test_few_documents_of_either_corpus_decide_nothing():
    few = measurement(replace(table(0, 0.1, 200), complete=True), second(0.1, 6), saes=1)
    few = few.with_tables(replace(second(0.1, 6), complete=True))
    assert RULE.verdict(few, CHECK, CELL).status == "undecided"

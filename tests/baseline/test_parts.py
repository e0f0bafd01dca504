"""Features compared one by one: by hand, and how often chance is taken for a change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.comparison import cell_values
from sae_checks.baseline.file import read_baseline, write_baseline
from sae_checks.baseline.identity import Baseline
from sae_checks.baseline.paired import CellValue, PairedCell
from sae_checks.baseline.parts import Changed, changed, fewest_to_notice, renumbered
from sae_checks.evals.activity.table import ActivityTable
from sae_checks.evals.collect import CellCollector
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import Margin
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.records import Manifest, Measurement, Release, by_key
from sae_checks.records.ranges import position_ranges
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_key

CHECK = bundled_checks()["silent_features"]
DOCUMENTS, INSIDE, FEATURES = 40, stored.TRAINING_CONTEXT - 1, 32
MARGIN = Margin("either", by=0.01)


def test_by_hand():
    """Of 8 features at α = 1/4, those on 6 documents or more: 2 · 8 / 2⁶ = 1/4."""
    assert fewest_to_notice(8, 0.25) == 6
    theirs = np.array([0, 6, 5, 9, 0, 0, 7, 1])
    ours = np.array([0, 0, 0, 9, 1, 8, 6, 1])
    assert changed(ours, theirs, 0.25) == Changed(8, lost=2, gained=2, surely=2, noticed=3)
    assert changed(ours, theirs, 0.25).share == 0.5
    assert changed(ours, theirs, 0.25).sure_share == 0.25


@given(
    counts=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=50),
    error=st.floats(1e-9, 0.4),
)
def test_laws(counts: list[tuple[int, int]], error: float):
    ours, theirs = np.array(counts).T
    found, turned = changed(ours, theirs, error), changed(theirs, ours, error)
    assert (found.lost, found.gained, found.surely) == (turned.gained, turned.lost, turned.surely)
    assert 0 <= found.sure_share <= found.share <= 1
    assert changed(ours, ours, error).share == 0
    order = np.random.default_rng(0).permutation(len(ours))
    assert changed(ours[order], theirs[order], error) == found


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_chance_is_taken_for_a_change_as_seldom_as_promised(rate: float):
    """On other documents, of 50 features that are active as often here as there."""
    generator, error, runs, units = np.random.default_rng(1), 0.1, 4000, 60
    ours, theirs = generator.binomial(units, rate, (2, runs, 50))
    wrong = sum(changed(*each, error).surely > 0 for each in zip(ours, theirs, strict=True))
    assert wrong / runs <= error


def value_of(active: np.ndarray) -> CellValue:
    """What a file has of the features of a made-up SAE, (documents, T - 1, d_sae)."""
    table: ActivityTable = stored.activity_table(0, active)
    release = Release("made-up", "folder", stored.LOADING, (table.sae,))
    measurement = Measurement(release, stored.CONTEXT, by_key([table]), {}, Manifest())
    ranges = {table.sae.sae_id: position_ranges(table.sae.training_context, stored.CONTEXT)}
    (cell,) = CellCollector(release, stored.CONTEXT, ranges, (), frozenset()).cells(CHECK)
    limits = '[checks.silent_features]\nreport_only = true\nunit = "fraction"\n'
    thresholds = parse_thresholds(limits, {"silent_features": CheckRules("fraction")})
    (value,) = cell_values(measurement, thresholds, [(CHECK, cell)]).values()
    return value


def everywhere() -> np.ndarray:
    """Each feature on one token of every document."""
    position, feature = np.arange(INSIDE)[:, None], np.arange(FEATURES)
    return np.broadcast_to(feature % INSIDE == position, (DOCUMENTS, INSIDE, FEATURES)).copy()


def judged(here: np.ndarray, there: np.ndarray, margin: Margin = MARGIN) -> Verdict:
    cell = PairedCell(value_of(here), value_of(there), margin, "fraction", Coverage())
    return judge(cell.difference(), cell.limit())


def test_features_that_fell_silent_fail_and_are_told():
    here = everywhere()
    here[:, :, :4] = False
    verdict = judged(here, everywhere())
    assert verdict.status == "fail"
    assert (verdict.estimate.value, verdict.estimate.low) == (4 / 32, 4 / 32)
    assert dict(verdict.estimate.notes) == {
        "candidate_value": 4 / 32,
        "baseline_value": 0,
        "silent_here_alone": 4,
        "silent_there_alone": 0,
        "surely_changed": 4,
        "silence_would_be_noticed_of": 32,
    }
    assert judged(everywhere(), here).status == "fail"


def test_as_many_features_that_woke_do_not_make_up_for_them():
    """Nor do features in another order: by their numbers they are others."""
    here, there = everywhere(), everywhere()
    here[:, :, :4] = there[:, :, 4:8] = False
    assert value_of(here).value == value_of(there).value
    verdict = judged(here, there)
    assert verdict.status == "fail"
    assert dict(verdict.estimate.notes)["order"] == (
        "as often active as the baseline's, under other numbers: features may have been renumbered"
    )
    assert judged(here, here).status == "pass"


@given(order=st.permutations(range(6)))
def test_parts_in_another_order_are_told_from_others(order: list[int]):
    counts = np.array([0, 1, 2, 3, 5, 8])
    assert renumbered(counts[order], counts) == (order != sorted(order))
    assert not renumbered(counts[order] + (counts == 8), counts)


def test_rare_features_are_left_undecided():
    here, there = everywhere(), everywhere()
    here[:, :, 0] = False
    there[3:, :, 0] = False  # on three documents, which chance may do
    verdict = judged(here, there)
    assert (verdict.status, verdict.holds) == ("undecided", False)
    assert verdict.estimate.low == 0


def test_asked_for_worse_alone_the_shares_are_compared():
    here = everywhere()
    here[:, :, :4] = False
    found = judged(here, everywhere(), Margin("higher", by=0.01)).estimate
    assert found.value == 4 / 32
    assert dict(found.notes).keys() == {"candidate_value", "baseline_value"}


def test_other_numbers_of_features_cannot_be_compared():
    value = value_of(everywhere())
    wider = replace(value, seen=np.arange(40))
    found = PairedCell(wider, value, MARGIN, "fraction", Coverage()).difference()
    assert found.reason == (
        "the candidate has 40 parts and the baseline 32: they cannot be compared one by one"
    )


def test_a_file_keeps_on_how_many_documents_each_was_active(tmp_path: Path):
    cell = value_of(everywhere())
    key = cell_key("silent_features", "blocks.0.hook_resid_pre", "1:15")
    write_baseline(tmp_path / "made.json", Baseline("made-up", {}, (), {key: cell}))
    (read,) = read_baseline(tmp_path / "made.json").cells.values()
    assert read.seen is not None
    np.testing.assert_array_equal(read.seen, np.full(FEATURES, DOCUMENTS))
    assert (read.value, read.units, read.grouped) == (cell.value, DOCUMENTS, True)

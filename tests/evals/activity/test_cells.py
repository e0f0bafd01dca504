"""Shares of features, by hand and by law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import UserError
from sae_checks.evals.activity.cells import ActivityCell
from sae_checks.evals.activity.histogram import density_histogram
from sae_checks.evals.activity.table import DUPLICATES, ActivityTable, Duplicates
from sae_checks.evals.leaving_out import groups_in, without_group
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import Manifest, Measurement, Release, by_key
from tests import stored
from tests.places import place

CERTAIN = Coverage.one_sided(0.05)
INSIDE, FEATURES = stored.TRAINING_CONTEXT - 1, 32


def cell_of(table: ActivityTable, coverage: Coverage = CERTAIN) -> ActivityCell:
    return ActivityCell(place("made-up"), table, "alive_features", Thresholds(), coverage)


def random_activity(texts: int, seed: int, share: float = 0.02) -> np.ndarray:
    """(texts, T - 1, d_sae), some features ten times as often active as others."""
    generator = np.random.default_rng(seed)
    often = np.geomspace(0.3, 3, FEATURES) * share
    return generator.random((texts, INSIDE, FEATURES)) < often


def test_alive_by_hand():
    """Of 32 features, 24 are active on some of 60 documents; (1 − 0.1)^60 = 0.00180."""
    active = np.zeros((60, INSIDE, FEATURES), dtype=bool)
    active[7, 2, :24] = True
    found = cell_of(stored.activity_table(0, active)).share_alive(0.1)
    assert (found.value, found.low) == (0.75, 0.75)
    assert found.high == pytest.approx(0.75 / (1 - 0.9**60 / 0.05))
    assert dict(found.notes) == {
        "features": 32,
        "active_features": 24,
        "silent_features": 8,
        "seen_at_rate": pytest.approx(1 - 0.9**60),
    }
    assert (found.texts, found.units, found.tokens) == (60, 60, 60 * INSIDE)
    few = cell_of(stored.activity_table(0, active[:28])).share_alive(0.1)  # 0.9^28 > 0.05
    assert (few.value, few.low, few.high) == (0.75, 0.75, 1)


def test_dense_by_hand():
    """One feature on every third token, one on none but two of a document's, others on one."""
    active = np.zeros((20, INSIDE, FEATURES), dtype=bool)
    active[:, ::3, 0] = True
    active[::2, 5:8, 1] = True  # 3 tokens of every second document: 10% of all tokens
    active[:, 4, 2:] = True
    found = cell_of(stored.activity_table(0, active))
    assert found.density[:3].tolist() == pytest.approx([1 / 3, 0.1, 1 / INSIDE])
    share = found.share_dense(0.099)
    assert (share.value, share.low, share.high) == (2 / 32, 1 / 32, 2 / 32)
    assert dict(share.notes)["dense_features"] == 2
    assert dict(share.notes)["densest"] == pytest.approx(1 / 3)
    assert found.share_dense(0.5).high == 0


def test_the_error_of_a_density_is_that_of_a_ratio_of_sums():
    """As of any mean by document, documents of different lengths."""
    from sae_checks.judge.statistics import ratio_of_sums

    active = random_activity(40, seed=1, share=0.1)
    table = stored.activity_table(0, active)
    cell = cell_of(table)
    each = ratio_of_sums(
        active[:, :, 31].sum(axis=1), np.full(40, INSIDE), np.full(40, INSIDE), CERTAIN
    )
    error = cell._density_error(cell.density)
    assert error[31] == pytest.approx(each.standard_error)
    assert cell.density[31] == pytest.approx(each.value)


def test_duplicates_count_among_active_features_alone():
    """0 and 1 are alike, 2 is like 3 which is silent, 4 is silent itself.

    And 5 and 6 are alike, but nearer to 4, of which they are copies, than to each other.
    """
    active = np.zeros((20, INSIDE, FEATURES), dtype=bool)
    active[0, 0, [0, 1, 2, 5, 6]] = True
    alike = [(0, 1), (1, 0), (2, 3), (4, 5), (4, 6), (5, 4), (5, 6), (6, 4), (6, 5)]
    feature, nearest = np.array(alike).T
    found = Duplicates(feature, nearest, np.full(len(alike), 0.995))
    table = stored.activity_table(0, active)
    share = cell_of(replace(table, side={**table.side, DUPLICATES: found})).share_duplicate()
    assert (share.value, share.low, share.high) == (4 / 5, 4 / 5, 4 / 5)
    silent = cell_of(stored.activity_table(0, np.zeros_like(active))).share_duplicate()
    assert silent.reason == "no feature is active on any document"


def test_what_was_not_measured_is_told():
    table = replace(stored.activity_table(0), side={})
    with pytest.raises(UserError, match=r"^active_features was not measured for blocks\.0\."):
        cell_of(table).share_alive(0.1)
    with pytest.raises(UserError, match=r"^duplicates was not measured for blocks\.0\."):
        cell_of(table).share_duplicate()
    nothing = stored.activity_table(0).keep(slice(0))
    assert cell_of(nothing).share_dense(0.1).reason == "no tokens were measured"


@given(texts=st.integers(2, 30), seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 29))
def test_two_parts_joined_count_as_the_whole(texts: int, seed: int, cut: int):
    """And each part as its own texts: nothing is known of a table but its rows."""
    active = random_activity(texts, seed)
    whole, cut = stored.activity_table(0, active), min(cut, texts - 1)
    parts = whole.keep(slice(cut)), whole.keep(slice(cut, None))
    joined = cell_of(parts[0].join(parts[1]))
    np.testing.assert_array_equal(joined.tokens, active.sum(axis=(0, 1)))
    np.testing.assert_array_equal(joined.documents, active.any(axis=1).sum(axis=0))
    assert joined.share_dense(0.02) == cell_of(whole).share_dense(0.02)
    np.testing.assert_array_equal(cell_of(parts[0]).tokens, active[:cut].sum(axis=(0, 1)))


@given(texts=st.integers(2, 45), seed=st.integers(0, 2**32 - 1), group=st.integers(0, 19))
def test_without_a_group_its_documents_are_gone(texts: int, seed: int, group: int):
    active = random_activity(texts, seed)
    sae = stored.sae_ref(0)
    release = Release("made-up", "folder", stored.LOADING, (sae,))
    tables = by_key([stored.activity_table(0, active)])
    whole = Measurement(release, stored.CONTEXT, tables, {}, Manifest())
    assert groups_in(whole).tolist() == list(range(min(texts, 20)))
    (less,) = without_group(whole, group).tables.values()
    assert isinstance(less, ActivityTable)
    left = np.arange(texts) % 20 != group
    cell = cell_of(less)
    np.testing.assert_array_equal(cell.tokens, active[left].sum(axis=(0, 1)))
    assert cell.token_count == left.sum() * INSIDE
    assert less.unit_count == left.sum()


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.001, 0.3))
def test_ends_lie_on_either_side_of_the_value(seed: int, share: float):
    cell = cell_of(stored.activity_table(0, random_activity(20, seed, share)))
    for each in (cell.share_alive(0.2), cell.share_dense(share)):
        assert 0 <= each.low <= each.value <= each.high <= 1
    surer = cell_of(cell.table, Coverage.one_sided(0.001))
    assert surer.share_alive(0.2).high >= cell.share_alive(0.2).high
    assert surer.share_dense(share).high >= cell.share_dense(share).high
    assert surer.share_dense(share).low <= cell.share_dense(share).low


def test_histogram():
    densities = np.array([0, 0, 0.0012, 0.005, 0.009, 0.001, 0.1, 1, 3e-9])
    assert density_histogram(densities) == (
        "silent ▄ 2 | 0.0001% ▂ 1 | 0.001% 0 | 0.01% 0 | 0.1% █ 4 | 1% 0 | 10% ▄ 2"
    )
    assert density_histogram(np.zeros(3)) == "silent █ 3 | 10% 0"

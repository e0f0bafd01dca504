"""What an estimate does with its interval, whatever it is an estimate of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import undefined
from sae_checks.judge.statistics import ratio_of_sums

COVERAGE = Coverage(0.95)
numbers = st.floats(-100, 100).map(lambda value: round(value, 3))
texts = st.lists(st.tuples(numbers, st.integers(1, 50)), min_size=2, max_size=12)
scales = st.sampled_from([0.001, 0.5, 3.0, 1000.0])


@given(texts, scales)
def test_an_estimate_takes_an_interval_of_any_coverage(rows, scale) -> None:
    sums, tokens = np.array(rows).T
    narrow, wide = (
        ratio_of_sums(scale * sums, tokens, tokens, Coverage(confidence))
        for confidence in (0.9, 0.999)
    )
    assert narrow.at(Coverage(0.999)) == wide
    assert undefined("nothing was measured").at(COVERAGE) is None


def test_an_interval_of_a_growing_sample_stays_one() -> None:
    coverage = Coverage.one_sided(0.05, stopping=True)
    surer = Coverage.one_sided(0.001, stopping=True)
    for of in (Coverage.on_the_way, Coverage.at_the_end):
        estimate = ratio_of_sums([2.0, 4.0, 9.0], [1, 1, 1], [1, 1, 1], of(coverage))
        assert estimate.at(surer) == ratio_of_sums([2.0, 4.0, 9.0], [1, 1, 1], [1, 1, 1], of(surer))


@given(texts, st.sampled_from([-2.0, -1.0, 0.5, 100.0]), st.sampled_from([0.0, 1.0, -3.0]))
def test_what_is_made_of_an_estimate_has_the_interval_made_of_its_own(rows, slope, shift) -> None:
    sums, tokens = np.array(rows).T
    estimate = ratio_of_sums(sums, tokens, tokens, COVERAGE)
    made = estimate.affine(slope, shift)
    direct = ratio_of_sums(slope * sums + shift * tokens, tokens, tokens, COVERAGE)
    for name in ("value", "low", "high", "standard_error"):
        expected = pytest.approx(getattr(direct, name), rel=1e-6, abs=1e-6)
        assert getattr(made, name) == expected
    surer = Coverage(0.999)
    again, expected = made.at(surer), direct.at(surer)
    assert again is not None
    assert expected is not None
    assert (again.low, again.high) == (
        pytest.approx(expected.low, rel=1e-6, abs=1e-6),
        pytest.approx(expected.high, rel=1e-6, abs=1e-6),
    )


def test_a_cut_interval_is_cut_wherever_it_is_taken_again() -> None:
    share = ratio_of_sums([0.0, 1.0], [1, 1], [1, 1], COVERAGE).within(0.0, 1.0)
    assert (share.low, share.high) == (0.0, 1.0)
    again = share.affine(-100, 100).at(Coverage(0.999))
    assert again is not None
    assert (again.low, again.high) == (0.0, 100.0)


def test_a_changed_estimate_is_what_replace_gives() -> None:
    estimate = ratio_of_sums([2.0, 4.0, 9.0], [1, 1, 1], [1, 1, 1], COVERAGE)
    changed = estimate.changed(texts=7, notes=(("a", 1),))
    assert changed == replace(estimate, texts=7, notes=(("a", 1),))
    assert vars(changed).keys() == vars(estimate).keys()
    assert changed.influence is estimate.influence
    assert estimate.texts == 3


def test_no_attribute_is_changed_that_an_estimate_lacks() -> None:
    with pytest.raises(TypeError, match=r"^an estimate has no text$"):
        undefined("nothing was measured").changed(text=1)

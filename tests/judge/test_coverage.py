"""Reach of intervals: against scipy, against a package for confidence sequences, and its laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student_t
from ville import AsymptoticCS
from ville._boundaries import best_rho, normal_mixture

from sae_checks.judge.coverage import (
    NARROWEST_AT,
    SPENT_ON_STOPPING,
    Coverage,
    sequence_boundary,
)

levels = st.floats(0.5, 0.999999)
sizes = st.integers(2, 5000)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.9999])
@pytest.mark.parametrize("degrees", [1, 7, 19, 999])
def test_a_fixed_sample_has_student_t(confidence, degrees) -> None:
    expected = student_t.ppf((1 + confidence) / 2, degrees)
    assert Coverage(confidence).reach(degrees, 12) == pytest.approx(expected)
    infinite = Coverage(confidence).reach(math.inf, 12)
    assert infinite == pytest.approx(norm.ppf((1 + confidence) / 2))


@pytest.mark.parametrize("error", [0.2, 0.05, 1e-4])
@pytest.mark.parametrize("units", [8, 64, 1000])
def test_the_sequence_is_that_of_a_package(error, units) -> None:
    """Its mixture has precision 1/ρ², and ρ is found by search where ours is a closed form."""
    twice = -2 * math.log(error)
    rho_squared = (twice + math.log(twice + 1)) / NARROWEST_AT
    theirs = normal_mixture(units, error, 1 / rho_squared) / math.sqrt(units)
    assert sequence_boundary(units, error) == pytest.approx(theirs)
    searched = normal_mixture(units, error, best_rho(NARROWEST_AT, error)) / math.sqrt(units)
    assert sequence_boundary(units, error) == pytest.approx(searched, rel=0.02)
    assert AsymptoticCS(alpha=error, t_opt=NARROWEST_AT).rho_ == best_rho(NARROWEST_AT, error)


@given(levels, sizes)
def test_looking_often_costs_width(confidence, units) -> None:
    at_once = Coverage(confidence).reach(units - 1, units)
    anytime = Coverage(confidence, anytime=True)
    assert anytime.reach(units - 1, units) > at_once
    # Never narrower than the theory's own boundary, which many units come near to.
    boundary = sequence_boundary(units, 1 - confidence)
    assert anytime.reach(units - 1, units) > boundary
    assert anytime.reach(math.inf, units) == pytest.approx(boundary, rel=1e-6)


@given(levels, st.integers(1, 2000), sizes, st.booleans())
def test_sharing_widens(confidence, cells, units, anytime) -> None:
    own = Coverage(confidence, anytime)
    shared = own.shared_by(cells)
    assert shared.anytime == anytime
    assert 1 - shared.confidence == pytest.approx((1 - confidence) / cells, abs=1e-15)
    assert shared.reach(units, units) >= own.reach(units, units)


@pytest.mark.parametrize("units", [8, 64])
def test_no_interval_without_an_error_set_aside_for_it(units) -> None:
    """Of a run that may stop early, an error is for intervals on the way or for those of the end.

    0.3.0 answered this call with the whole error, as if there were no second interval.
    """
    undivided = Coverage.one_sided(0.05, stopping=True)
    for coverage in (undivided, undivided.shared_by(3)):
        with pytest.raises(ValueError, match="no error was set aside") as error:
            coverage.reach(units - 1, units)
        assert str(error.value) == (
            "no error was set aside for this interval: say whether it is of a sample that may "
            "still grow (on_the_way) or of the whole budget (at_the_end)"
        )
        assert coverage.on_the_way().reach(units - 1, units) > coverage.at_the_end().reach(
            units - 1, units
        )


@pytest.mark.parametrize("stopping", [True, False])
def test_the_two_parts_of_an_error_are_no_more_than_the_whole(stopping) -> None:
    whole = Coverage.one_sided(0.05, stopping=stopping)
    parts = [1 - part.confidence for part in (whole.on_the_way(), whole.at_the_end())]
    if stopping:
        assert parts == pytest.approx([0.1 * SPENT_ON_STOPPING, 0.1 * (1 - SPENT_ON_STOPPING)])
        assert whole.on_the_way().anytime
    else:
        assert parts == pytest.approx([0.1, 0.1])
        assert not whole.on_the_way().anytime
    assert not whole.at_the_end().anytime


def test_narrowest_where_it_says() -> None:
    reaches = {units: sequence_boundary(units, 0.05) for units in range(8, 400)}
    assert abs(min(reaches, key=reaches.__getitem__) - NARROWEST_AT) <= 8


@pytest.mark.parametrize("error", [0.0, 0.5, -0.1, 1.0])
def test_one_sided_errors_lie_between_0_and_a_half(error: float) -> None:
    with pytest.raises(ValueError, match=r"the error of one end must lie between 0 and 0\.5"):
        Coverage.one_sided(error)


def test_one_sided_is_one_end_of_a_two_sided_interval() -> None:
    assert Coverage.one_sided(0.05) == Coverage(0.9)
    assert Coverage.one_sided(0.05, stopping=True).stopping

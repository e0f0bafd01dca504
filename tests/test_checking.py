"""What the decorator of a check refuses, and the limit that it makes."""

from __future__ import annotations

import re

import pytest

from sae_checks.checking import check, check_of
from sae_checks.evals.context.cells import Cell
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit


def check_made_up(cell: Cell) -> Estimate:
    """A made-up figure."""
    return cell.mean("l0")


@pytest.mark.parametrize("end", [{"max": 5.0}, {"min": 1.0}, {"min": 1.0, "max": 5.0}])
@pytest.mark.parametrize("margin", [None, 0.0, -0.5])
def test_a_limit_needs_a_margin(end, margin):
    """In 0.3.0 there were none, and a value at its limit could be shown by no sample."""
    sentence = (
        "check_made_up has a limit and so needs a margin above 0: the smallest excess over the "
        f"limit that would matter, in its unit; got {margin}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check(cells="sae", needs=("l0",), unit="features", margin=margin, **end)(check_made_up)


def test_the_limit_that_it_makes():
    def default(**limit: float) -> Limit | None:
        made = check(cells="sae", needs=("l0",), unit="features", **limit)(check_made_up)
        found = check_of(made)
        assert found is not None
        assert (found.name, found.summary) == ("made_up", "A made-up figure.")
        return found.default

    assert default(max=5, margin=0.5) == Limit("features", max=5, margin=0.5)
    assert default(min=1, max=5, margin=0.5) == Limit("features", 1, 5, margin=0.5)
    assert default() == Limit("features", report_only=True)


def test_a_name_that_says_what_it_is():
    def made_up(cell: Cell) -> Estimate:
        return cell.mean("l0")

    sentence = "a check's name begins with 'check_', got 'made_up'"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check(cells="sae", unit="features")(made_up)


@pytest.mark.parametrize("best", [float("nan"), float("inf"), True, "1", [1.0]])
def test_where_it_is_best_is_a_number(best):
    with pytest.raises(ValueError, match=r"^best is a finite number, got ") as raised:
        check(cells="in_context", unit="nats", best=best)(check_made_up)
    assert str(raised.value).endswith(repr(best))

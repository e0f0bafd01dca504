"""Verdicts as sentences."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import judge
from sae_checks.report.sentence import sentence
from tests.judge.test_verdict import AT_LEAST, AT_MOST, BETWEEN, REPORT, UNLIMITED, estimate

CASES = [
    (AT_MOST, estimate(0.2), "0.2 nats is within the maximum of 0.3 nats "
     "(interval 0.17 to 0.23, 97 texts, 3,104 tokens)"),
    (AT_MOST, estimate(0.31), "0.31 nats is above the maximum of 0.3 nats, by less than its margin "
     "of 0.05 nats (interval 0.28 to 0.34, 97 texts, 3,104 tokens)"),
    (AT_MOST, estimate(0.41), "0.41 nats is above the maximum of 0.3 nats "
     "(interval 0.38 to 0.44, 97 texts, 3,104 tokens)"),
    (AT_MOST, estimate(0.29, 0.12), "insufficient evidence: 0.29 nats against at most 0.3 nats and "
     "a margin of 0.05 (interval 0.17 to 0.41, 97 texts, 3,104 tokens; some 390 texts would decide "
     "it: raise --sae-tokens)"),
    (AT_LEAST, estimate(0.5), "0.5 fraction is below the minimum of 0.9 fraction "
     "(interval 0.47 to 0.53, 97 texts, 3,104 tokens)"),
    (BETWEEN, estimate(1.0), "1 times is within the limits 0.8 to 1.25 times "
     "(interval 0.97 to 1.03, 97 texts, 3,104 tokens)"),
    (AT_LEAST, estimate(0.895, 0.01), "0.895 fraction is below the minimum of 0.9 fraction, by "
     "less than its margin of 0.02 fraction (interval 0.885 to 0.905, 97 texts, 3,104 tokens)"),
    (AT_LEAST, estimate(0.9), "insufficient evidence: 0.9 fraction against at least 0.9 fraction "
     "and a margin of 0.02 (interval 0.87 to 0.93, 97 texts, 3,104 tokens; some 220 texts would "
     "decide it: raise --sae-tokens)"),
    (BETWEEN, estimate(1.0, 0.4), "insufficient evidence: 1 times against 0.8 to 1.25 times and a "
     "margin of 0.1 (interval 0.6 to 1.4, 97 texts, 3,104 tokens; some 180 texts would decide it: "
     "raise --sae-tokens)"),
    (BETWEEN, estimate(1234567), "1.235e+06 times is above the maximum of 1.25 times "
     "(interval 1.235e+06 to 1.235e+06, 97 texts, 3,104 tokens)"),
    (BETWEEN, estimate(0.1), "0.1 times is below the minimum of 0.8 times "
     "(interval 0.07 to 0.13, 97 texts, 3,104 tokens)"),
    (REPORT, estimate(3626.5), "3,626 nats is reported without a limit "
     "(interval 3,626 to 3,627, 97 texts, 3,104 tokens)"),
    (AT_MOST, Estimate(0.1, -UNLIMITED, UNLIMITED, UNLIMITED, 1, 30), "insufficient evidence: "
     "0.1 nats against at most 0.3 nats and a margin of 0.05 (no interval from 1 text, 30 tokens; "
     "8 texts are the least: raise --sae-tokens)"),
    (AT_LEAST, Estimate(4.0, 4.0, UNLIMITED, math.nan, 9, 90), "4 fraction is within the minimum "
     "of 0.9 fraction (interval 4 to unbounded, 9 texts, 90 tokens)"),
    (AT_MOST, undefined("no tokens were measured"), "undefined: no tokens were measured"),
    (AT_MOST, inapplicable("ablation costs nothing here"),
     "not applicable: ablation costs nothing here"),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "measured", "told"), CASES)
def test_sentences(limit, measured, told) -> None:
    assert sentence(judge(measured, limit)) == told


def test_insufficient_evidence_of_items_of_few_documents() -> None:
    """24 points lost against 5, from 6 documents: what 0.3.0 called passed."""
    limit = Limit("points", max=5, margin=3)
    drop = Estimate(24, -2, 50, 13, 16, 400, unit_name="item", clusters=6)
    assert sentence(judge(drop, limit)) == (
        "insufficient evidence: 24 points against at most 5 points and a margin of 3 (interval -2 "
        "to 50, 16 items of 6 documents, 400 prompt tokens; some 12 documents would decide it: "
        "raise --sae-items or give more documents)"
    )


def test_the_interval_that_all_cells_share_stands_beside_where_it_decides() -> None:
    own = estimate(0.34)
    told = sentence(judge(own, AT_MOST, replace(own, low=0.29, high=0.39)))
    assert told == (
        "insufficient evidence: 0.34 nats against at most 0.3 nats and a margin of 0.05 (interval "
        "0.31 to 0.37, 0.29 to 0.39 with all cells of the release in view, 97 texts, 3,104 tokens; "
        "some 160 texts would decide it: raise --sae-tokens)"
    )


def test_a_range_is_undecided_and_no_more() -> None:
    told = sentence(judge(estimate(0.29, 0.12), AT_MOST, family="range"))
    assert told.startswith("undecided: 0.29 nats against at most 0.3 nats and a margin of 0.05 (")


@pytest.mark.parametrize(
    ("measured", "fewest", "told"),
    [
        # A few more would decide it, if only there were enough of them.
        (replace(estimate(0.1), texts=7), 8, "interval 0.07 to 0.13, 7 texts, 3,104 tokens; some 8 "
         "texts would decide it: raise --sae-tokens"),
        (replace(estimate(0.1), texts=7), 64, "interval 0.07 to 0.13, 7 texts, 3,104 tokens; some "
         "64 texts would decide it: raise --sae-tokens"),
        # Of documents that several texts come from, it is these that more are needed of.
        (replace(estimate(0.1), clusters=3), 8, "interval 0.07 to 0.13, 97 texts of 3 documents, "
         "3,104 tokens; some 8 documents would decide it: raise --sae-tokens or give more "
         "documents"),
        (Estimate(0.1, -UNLIMITED, UNLIMITED, UNLIMITED, 5, 90, clusters=1), 8, "no interval from "
         "5 texts of 1 document, 90 tokens; 8 documents are the least: raise --sae-tokens or give "
         "more documents"),
        # How far an interval that comes from no standard error would narrow is not known.
        (Estimate(0.2, 0.1, 0.5, math.nan, 16, 500), 8, "interval 0.1 to 0.5, 16 texts, 500 "
         "tokens; raise --sae-tokens"),
    ],
)  # fmt: skip
def test_what_would_decide_is_told_whatever_is_known_of_the_interval(measured, fewest, told):
    verdict = judge(measured, AT_MOST, fewest=fewest)
    asked = "0.1" if measured.value == 0.1 else "0.2"
    assert sentence(verdict) == (
        f"insufficient evidence: {asked} nats against at most 0.3 nats and a margin of 0.05 "
        f"({told})"
    )

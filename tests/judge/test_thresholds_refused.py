"""Thresholds files that are refused, by the whole message."""

from __future__ import annotations

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds_file import parse_thresholds
from tests.judge.thresholds_text import CHECKS, HEAD

REFUSED = {
    "[gates]": (
        '1: "gates" is no key (did you mean gate?); legal: checks, extends, gate, known_failure'
    ),
    "[gate]\nconfidance = 0.9": (
        '2: "confidance" is no key of [gate] (did you mean confidence?); '
        "legal: claims_error, confidence, known_failures_strict, ranges_error, tasks, "
        "undecided_claims, undecided_ranges"
    ),
    "[gate]\nconfidence = true": "2: confidence of [gate] must be a number, got true",
    "[gate]\nundecided = 'pass'": (
        "2: undecided of [gate] is now undecided_claims and undecided_ranges, since an undecided "
        "claim is no longer a pass: give each of them fail or pass"
    ),
    "[gate]\nundecided_claims = 'faill'": (
        '2: undecided_claims of [gate] must be one of fail, pass; got "faill" (did you mean fail?)'
    ),
    "[gate]\nundecided_ranges = 'point_estimate'": (
        '2: undecided_ranges of [gate] must be one of fail, pass; got "point_estimate"'
    ),
    "[gate]\nclaims_error = 0": ("2: claims_error of [gate] must lie between 0 and 0.5, got 0"),
    "[gate]\nranges_error = 0.5": ("2: ranges_error of [gate] must lie between 0 and 0.5, got 0.5"),
    "[gate]\nconfidence = 0.5": ("2: confidence of [gate] must lie between 0.5 and 1, got 0.5"),
    "[gate]\ntasks = 0": "2: tasks of [gate] must be a whole number of 1 or more, got 0",
    "[gate]\ntasks = 1.5": ("2: tasks of [gate] must be an integer or a list of integers, got 1.5"),
    "[checks.l0]\nmax = 1\nunit = 'features'": (
        "1: [checks.l0] lacks margin: every limit says, in its own unit, the smallest excess over "
        "it that would matter; a cell passes when it is shown to lie within limit and margin"
    ),
    "[checks.l0]\nmax = 1\nmargin = 0\nunit = 'features'": (
        "3: margin of [checks.l0] must be above 0, got 0"
    ),
    "[checks.l0]\nreport_only = true\nunit = 'features'\n"
    "[[checks.l0.override]]\nlayer = 1\nmax = 3": (
        "4: [[checks.l0.override]] lacks margin: every limit says, in its own unit, the smallest "
        "excess over it that would matter; a cell passes when it is shown to lie within limit and "
        "margin"
    ),
    "[gate]\nknown_failures_strict = 1": (
        "2: known_failures_strict of [gate] must be true or false, got 1"
    ),
    "gate = 3": "1: gate of the file must be a table, got 3",
    "\n[checks.delta_cee]\nmax = 1": (
        '2: "delta_cee" is no check of [checks] (did you mean delta_ce?); '
        "legal: accuracy_drop, delta_ce, delta_ce_growth, depth_trend, l0"
    ),
    "[checks.l0]\nmax = 1": (
        '1: unit of [checks.l0] is missing, but this check measures in "features"'
    ),
    "[checks.l0]\nmax = 1\nunit = 'nats'": (
        '3: unit of [checks.l0] is "nats", but this check measures in "features"'
    ),
    "[checks.l0]\nunit = 'features'": (
        "1: [checks.l0] limits nothing: give it a min or a max, or report_only = true"
    ),
    "[checks.l0]\nmax = nan\nunit = 'features'": (
        "2: max of [checks.l0] must be a finite number, got nan"
    ),
    "[checks.l0]\nmax = '1'\nunit = 'features'": (
        '2: max of [checks.l0] must be a number, got "1"'
    ),
    "[checks.l0]\nmax = 1\nmin = 2\nunit = 'features'": (
        "3: min of [checks.l0] is 2, above max, which is 1"
    ),
    "[checks.l0]\nmax = 1\nreport_only = true\nunit = 'features'": (
        "3: report_only of [checks.l0] is true, but there is also a limit: keep one of the two"
    ),
    "[checks.l0]\nmax = 1\nfloor = 2\nunit = 'features'": (
        '3: "floor" is no key of [checks.l0]; legal: equivalence, margin, max, min, override, '
        "regression, report_only, source, unit"
    ),
    "[checks.delta_ce_growth]\nmax = 1\nunit = 'times'": (
        "1: [checks.delta_ce_growth] lacks floor, which this check needs"
    ),
    HEAD + "[[checks.delta_ce.override]]\nmax = 1": (
        "5: [[checks.delta_ce.override]] selects nothing: "
        "give it release, sae, layer, site, trained_as, positions or task"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nreason = 'why'": (
        "5: [[checks.delta_ce.override]] sets nothing: give it min, max, margin, report_only, "
        "regression or equivalence"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nmin = 1": (
        "5: [[checks.delta_ce.override]] leaves min 1 above max 0.3"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1.5\nmax = 1": (
        "6: layer of [[checks.delta_ce.override]] must be an integer or a list of integers, got 1.5"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = []\nmax = 1": (
        "6: layer of [[checks.delta_ce.override]] must be an integer or a list of integers, got []"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nmax = 1\n"
    "[[checks.delta_ce.override]]\npositions = '9'\nmax = 1": (
        '9: positions of [[checks.delta_ce.override]] is malformed: "9" is not a range of '
        'positions: write first:last, such as "16:127"'
    ),
    HEAD + "override = 1": (
        "5: override of [checks.delta_ce] must be an array of tables, "
        "written [[checks.delta_ce.override]]"
    ),
    "[checks.l0]\nreport_only = true\nunit = 'features'\n"
    "[[checks.l0.override]]\nlayer = 1\nreport_only = false": (
        "6: report_only of [[checks.l0.override]] is false, but there is no min or max to judge by"
    ),
    HEAD + "equivalence = {by = 0.1, worse = 'higher'}": (
        '5: "worse" is no key of [checks.delta_ce.equivalence]; legal: by, share'
    ),
    HEAD + "equivalence = {}": (
        "5: [checks.delta_ce.equivalence] allows nothing: give it by, share or both"
    ),
    HEAD + "equivalence = {share = -1}": (
        "5: share of [checks.delta_ce.equivalence] must be 0 or more, got -1"
    ),
    "[[known_failure]]\ncheck = 'regression of equivalence'\nrelease = '*'\nreason = 'r'": (
        "2: check of [[known_failure]] must be one of accuracy_drop, delta_ce, delta_ce_growth, "
        'depth_trend, equivalence, l0, regression; got "regression of equivalence" '
        "(did you mean equivalence?)"
    ),
    "[[known_failure]]\ncheck = 'l0'": "1: [[known_failure]] lacks release and reason",
    "[[known_failure]]\ncheck = 'l1'\nrelease = '*'\nreason = 'r'": (
        "2: check of [[known_failure]] must be one of accuracy_drop, delta_ce, "
        'delta_ce_growth, depth_trend, equivalence, l0, regression; got "l1"'
    ),
    "[[known_failure]]\ncheck = 'l0'\nrelease = 3\nreason = 'r'": (
        "3: release of [[known_failure]] must be a text in quotes, got 3"
    ),
    "[[known_failure]]\ncheck = 'l0'\nrelease = '*'\nlayer = 1\nreason = 'r'": (
        '4: "layer" is no key of [[known_failure]]; '
        "legal: bound, check, expires, positions, reason, release, sae, task"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text) -> None:
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds(text, CHECKS)
    assert str(error.value) == f"thresholds.toml, line {REFUSED[text]}"

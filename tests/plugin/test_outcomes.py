"""Every outcome of the gate, as exit code, terminal text and JUnit file of a pytest process."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import (
    run_gate,
    watch_for_tracebacks_of_judging,
)
from tests.plugin.limits import LAYER_0, LAYER_1, LAYER_2, thresholds

PROPERTIES = {
    "release",
    "sae",
    "layer",
    "hook",
    "metric",
    "compared",
    "task",
    "first_position",
    "last_position",
    "value",
    "family",
    "limit",
    "margin",
    "ci_low",
    "ci_high",
    "adjusted_low",
    "adjusted_high",
    "detectable",
    "texts_to_decide",
    "texts",
    "documents",
    "tokens",
    "verdict",
}


ACCEPT_GROWTH = f"""
[[known_failure]]
check = "delta_ce_growth"
release = "made-up"
sae = "{LAYER_0}"
reason = "trained on 16 tokens"

[[known_failure]]
check = "usable_context"
release = "made-up"
sae = "{LAYER_0}"
reason = "trained on 16 tokens"
"""


def test_all_within_limits_exits_0(tmp_path):
    folder = stored.write_measurement(tmp_path)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path))
    assert run.exit_code == 0, run.output
    # Twelve made-up texts do not decide a cosine at a few positions.
    decided = [c for c in run.cases if c.properties["metric"] != "cosine_similarity"]
    assert {case.outcome for case in decided} == {"passed"}
    assert all(case.properties.keys() >= PROPERTIES for case in run.cases)
    case = run.named(f"check_delta_ce[{LAYER_1}-8:15]")
    assert float(case.properties["value"]) == pytest.approx(0.1, abs=0.01)
    figures = ("value", "ci_low", "ci_high", "adjusted_low", "adjusted_high", "detectable")
    assert case.properties | dict.fromkeys(figures, "") == {
        "release": "made-up",
        "sae": LAYER_1,
        "layer": "1",
        "hook": LAYER_1,
        "metric": "delta_ce",
        "compared": "",
        "task": "",
        "pair": "",
        "stack": "",
        "stack_saes": "",
        "shift": "",
        "first_position": "8",
        "last_position": "15",
        "value": "",
        "family": "range",
        "limit": "<= 0.35",
        "margin": "0.05",
        "ci_low": "",
        "ci_high": "",
        "adjusted_low": "",
        "adjusted_high": "",
        "detectable": "",
        "texts_to_decide": "nan",
        "texts": "12",
        "documents": "12",
        "tokens": "96",
        "verdict": "pass",
    }
    each = {name: float(case.properties[name]) for name in figures}
    # The interval that all cells share reaches further than the cell's own; what would have failed
    # is a little further off still.
    assert each["adjusted_low"] < each["ci_low"] < 0.1 < each["ci_high"] < each["adjusted_high"]
    assert each["value"] - each["adjusted_low"] < each["detectable"] < 0.01


def test_a_value_beyond_its_limit_exits_1_and_says_why(tmp_path):
    folder = stored.write_measurement(tmp_path, delta_ce=stored.broken_past_context)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path))
    assert run.exit_code == 1
    failed = {case.name for case in run.with_outcome("failed")}
    assert failed == {
        f"check_delta_ce_growth[{LAYER_0}-16:62]",
        f"check_delta_ce_growth[{LAYER_0}-16:19]",
        f"check_delta_ce_growth[{LAYER_0}-20:23]",
        f"check_delta_ce_growth[{LAYER_0}-24:31]",
        f"check_delta_ce_growth[{LAYER_0}-32:62]",
        f"check_usable_context[{LAYER_0}]",
    }
    message = run.named(f"check_delta_ce_growth[{LAYER_0}-32:62]").message
    assert re.match(
        rf"delta_ce_growth 29\.8 > 2 times at {LAYER_0}, positions 32 to 62: margin 0\.\d+, "
        r"interval 29\.\d+ to 30\.\d+, 2\d\.\d+ to 3\d\.\d+ with all cells of the release in "
        r"view, 12 texts, 372 tokens\n",
        message,
    )
    assert "asked: Past the training context, ΔCE stays near what it is inside." in message
    assert "https://www.neuronpedia.org/made-up/0-res" in message
    assert "Traceback" not in run.output


def test_an_accepted_failure_is_xfailed_with_its_reason(tmp_path):
    folder = stored.write_measurement(tmp_path, delta_ce=stored.broken_past_context)
    limits = thresholds(tmp_path, ACCEPT_GROWTH)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", limits)
    assert run.exit_code == 0, run.output
    accepted = run.with_outcome("xfailed")
    assert len(accepted) == 6
    assert all("trained on 16 tokens" in case.message for case in accepted)
    assert all(case.properties["verdict"] == "fail" for case in accepted)
    assert (
        f"accepted: 5 cells by [[known_failure]] delta_ce_growth of made-up ({LAYER_0}): "
        "trained on 16 tokens" in run.output
    )

    strict = run_gate(tmp_path, f"--sae-measurements={folder}", limits, "--sae-strict")
    assert strict.exit_code == 1
    assert {c.name for c in strict.with_outcome("failed")} == {case.name for case in accepted}


def test_an_accepted_failure_that_passes_is_reported(tmp_path):
    folder = stored.write_measurement(tmp_path)
    limits = thresholds(tmp_path, ACCEPT_GROWTH)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", limits)
    assert run.exit_code == 0
    assert (
        f"note: [[known_failure]] delta_ce_growth of made-up ({LAYER_0}): all of its 5 cells pass; "
        "remove it" in run.output
    )
    strictly = thresholds(tmp_path, ACCEPT_GROWTH, gate="known_failures_strict = true")
    for verbosity in ("-v", "-q"):  # what fails a run is told, however quiet it is
        run = run_gate(tmp_path, f"--sae-measurements={folder}", strictly, verbosity)
        assert run.exit_code == 1
        assert run.output.count(": all of its 5 cells pass; remove it\n") == 1


def test_an_accepted_failure_that_matches_nothing_is_reported_by_a_full_run(tmp_path):
    folder = stored.write_measurement(tmp_path)
    entry = '\n[[known_failure]]\ncheck = "l0"\nrelease = "made-up"\nsae = "gone"\nreason = "x"\n'
    limits = thresholds(tmp_path, entry, gate="known_failures_strict = true")
    sentence = "note: [[known_failure]] l0 of made-up (gone): matches no cell of made-up; mend or"
    run = run_gate(tmp_path, f"--sae-measurements={folder}", limits)
    assert (run.exit_code, sentence in run.output) == (1, True)
    part = run_gate(tmp_path, f"--sae-measurements={folder}", limits, "-k", "delta_ce")
    assert (part.exit_code, sentence in part.output) == (0, False)


def test_an_sae_that_was_not_measured_is_an_error_and_the_others_are_judged(tmp_path):
    reason = f"SAE {LAYER_0!r} has weights that are not finite"
    folder = stored.write_measurement(tmp_path, layers=3, failures={0: reason})
    run = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path, ACCEPT_GROWTH))
    assert run.exit_code == 1
    of_stack = [c for c in run.cases if c.properties["metric"].startswith("stack")]
    told = f"the stack of 3 SAEs from {LAYER_0} to {LAYER_2} cannot be spliced in whole: {reason}"
    assert {c.outcome for c in of_stack} == {"error"}
    assert {c.message for c in of_stack} == {f'failed on setup with "{told}"\n{told}'}
    errors = [case for case in run.with_outcome("error") if case not in of_stack]
    # "": the whole release, and pairs
    assert {case.properties["sae"] for case in errors} == {LAYER_0, ""}
    assert {case.message for case in errors} == {f'failed on setup with "{reason}"\n{reason}'}
    assert all(case.properties["verdict"] == "error" for case in errors)
    assert all(case.properties["value"] == "nan" for case in errors)
    passed = {c.properties["sae"] or c.properties["pair"] for c in run.with_outcome("passed")}
    assert passed == {LAYER_1, LAYER_2, f"{LAYER_1}->{LAYER_2}"}
    assert f"not measured: {reason}" in run.output
    assert "Traceback" not in run.output


def test_a_nan_among_the_measured_never_passes(tmp_path):
    table = stored.sae_table(1)
    table.columns["ce_sae"][3, 9] = np.nan
    folder = stored.write_measurement(tmp_path, tables={1: table})
    run = run_gate(
        tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path), "-k", "check_delta_ce["
    )
    assert run.exit_code == 1
    failed = run.with_outcome("failed")
    assert {each.name for each in failed} == {
        f"check_delta_ce[{LAYER_1}-{positions}]" for positions in ("1:15", "8:15")
    }
    for each in failed:
        assert each.properties["verdict"] == "undefined"
        assert ": ce_sae is not finite on 1 token of 1 text\n" in each.message
        assert each.message.startswith(f"delta_ce undefined at {LAYER_1}, positions ")


def test_an_activation_that_is_nan_never_passes(tmp_path):
    """The model's own activation overflowed: nothing of that token is a number."""
    table = stored.sae_table(1)
    table.columns["norm"][3, 9] = np.inf  # as the recorder writes it
    for column in ("ce_clean", "ce_sae", "mse", "squared_distance"):
        table.columns[column][3, 9] = np.nan
    folder = stored.write_measurement(tmp_path, tables={1: table})
    run = run_gate(
        tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path), "-k", "8:15 or norm_growth"
    )
    failed = {case.name for case in run.with_outcome("failed")}
    expected = {"delta_ce", "ce_recovered", "ce_recovered_mean", "explained_variance", "mse"}
    assert {f"check_{name}[{LAYER_1}-8:15]" for name in expected} <= failed
    assert f"check_norm_growth[{LAYER_1}-16:19]" in failed


def test_an_accepted_failure_does_not_cover_what_is_undefined(tmp_path):
    table = stored.sae_table(0, stored.broken_past_context)
    table.columns["ce_sae"][3, 18] = np.nan
    folder = stored.write_measurement(tmp_path, tables={0: table})
    run = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path, ACCEPT_GROWTH))
    assert run.exit_code == 1
    broken = run.named(f"check_delta_ce_growth[{LAYER_0}-16:19]")
    assert (broken.outcome, broken.properties["verdict"]) == ("failed", "undefined")
    assert run.named(f"check_delta_ce_growth[{LAYER_0}-20:23]").outcome == "xfailed"


def test_a_cell_gets_the_same_verdict_alone_in_a_shard_and_in_the_suite(tmp_path):
    """Identical tables failed among 200 cells and passed among 367 in 0.3.0."""
    folder = stored.write_measurement(tmp_path, delta_ce=stored.broken_past_context)
    whole = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path))
    for arguments in (
        ("-k", f"check_delta_ce[{LAYER_1}-1:15]"),
        (f"--sae-ids={LAYER_1}",),
        ("-k", "8:15 or 1:15"),
        ("--sae-ranges=8:15",),
    ):
        part = run_gate(tmp_path, f"--sae-measurements={folder}", thresholds(tmp_path), *arguments)
        assert part.cases
        # Which SAE says that none is at the first layer depends on which there are.
        for case in (each for each in part.cases if "position_share" not in each.name):
            assert case.properties == whole.named(case.name).properties, case.name


def test_an_sae_that_cannot_be_judged_is_told_in_a_sentence_and_no_traceback_is_made(tmp_path):
    """In 0.3.0 pytest printed every frame of the judging, tables included: 2.3 seconds a test."""
    sentence = "SAE 'blocks.1.hook_resid_pre' has a decoder weight that is not finite"
    folder = stored.write_measurement(tmp_path, failures={1: sentence})
    watch_for_tracebacks_of_judging(tmp_path)
    run = run_gate(
        tmp_path, f"--sae-measurements={folder}", "-k", "blocks.1", "-p", "watched",
        pythonpath=tmp_path,
    )  # fmt: skip
    errors = run.with_outcome("error")
    assert len(errors) > 30
    ids = f"{LAYER_0} to {LAYER_1}"
    stack = f"the stack of 2 SAEs from {ids} cannot be spliced in whole: {sentence}"
    assert {case.message for case in errors} == {
        f'failed on setup with "{told}"\n{told}' for told in (sentence, stack)
    }
    assert "INTERNALERROR" not in run.output

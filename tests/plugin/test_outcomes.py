"""Every outcome of the gate, as exit code, terminal text and JUnit file of a pytest process."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import (
    CHECKOUT,
    GateRun,
    run_gate,
    watch_for_tracebacks_of_judging,
)

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
LAYER_0, LAYER_1, LAYER_2 = (f"blocks.{layer}.hook_resid_pre" for layer in range(3))


def thresholds(tmp_path: Path, extra: str = "", gate: str = "") -> str:
    """The bundled limits with accepted failures of their own, and keys of [gate] replaced."""
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    text = text.split("[[known_failure]]")[0]
    for line in gate.splitlines():
        key = line.split(" = ")[0]
        text, count = re.subn(rf"^{key} = \S+", line, text, flags=re.MULTILINE)
        assert count == 1
    path = tmp_path / "limits.toml"
    path.write_text(text + extra, encoding="utf-8")
    return f"--sae-thresholds={path}"


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


def test_a_check_of_the_suite_that_the_limits_leave_out_is_refused(tmp_path):
    folder = stored.write_measurement(tmp_path)
    limits = tmp_path / "limits.toml"
    alone = 'extends = false\n[checks.kl]\nmax = 1\nmargin = 0.1\nunit = "nats"\n'
    limits.write_text(alone, encoding="utf-8")
    arguments = (f"--sae-measurements={folder}", f"--sae-thresholds={limits}")
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 4
    assert "the thresholds have no table [checks." in run.output
    assert run_gate(tmp_path, *arguments, "-k", "check_kl[").exit_code == 0


def test_stored_tables_are_judged_as_they_were_measured(tmp_path):
    folder = stored.write_measurement(tmp_path)
    other = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae=gpt2-small-res-jb")
    assert other.exit_code == 4
    assert "holds, which is made-up; leave --sae out" in other.output
    tokens = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae-tokens=5")
    assert tokens.exit_code == 4
    assert "--sae-tokens cannot change that, leave it out or measure again" in tokens.output


def test_ranges_that_hold_nothing_measured_are_refused(tmp_path):
    folder = stored.write_measurement(tmp_path)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae-ranges=1:7,5000:6000")
    assert run.exit_code == 4
    assert (
        "--sae-ranges 5000:6000 holds no position that is measured: they are 1 to 62 at a context "
        "of 64 tokens" in run.output
    )


def undecided_run(tmp_path: Path, gate: str = "", *arguments: str) -> GateRun:
    """Half the texts far above the limit: the intervals of layer 1's ΔCE hold it."""
    table = stored.sae_table(1)
    table.columns["ce_sae"][::2, 1:16] += 0.5
    folder = stored.write_measurement(tmp_path, tables={1: table})
    limits = thresholds(tmp_path, gate=gate)
    return run_gate(
        tmp_path, f"--sae-measurements={folder}", limits, "-k", "check_delta_ce[", *arguments
    )


CLAIM, RANGE = (f"check_delta_ce[{LAYER_1}-{positions}]" for positions in ("1:15", "8:15"))


def test_an_undecided_claim_fails_and_an_undecided_range_is_shown(tmp_path):
    """Neither is a pass: 0.3.0 called both passed."""
    run = undecided_run(tmp_path)
    assert run.exit_code == 6
    assert [case.name for case in run.with_outcome("failed")] == [CLAIM]
    message = run.named(CLAIM).message
    assert message.startswith("delta_ce insufficient evidence: 0.35")
    assert (
        f" nats against <= 0.35 at {LAYER_1}, positions 1 to 15: margin 0.05, interval " in message
    )
    assert " texts would decide it: raise --sae-tokens\n" in message
    assert "\nworst ranges: " in message
    assert "\nweighing most:\n  document " in message
    of_range = run.named(RANGE)
    assert (of_range.outcome, of_range.properties["verdict"]) == ("skipped", "undecided")
    assert of_range.message.startswith("undecided: 0.3")
    assert "failed: insufficient evidence" in run.output
    assert (
        "insufficient evidence: 1 claim: the run fails, since nobody has shown that they hold\n"
        in run.output
    )
    assert " 1 failed, " in run.output
    assert re.search(r" \d undecided in ", run.output)


@pytest.mark.parametrize(
    ("gate", "exit_code", "failed"),
    [
        ('undecided_claims = "pass"', 0, 0),
        ('undecided_claims = "pass"\nundecided_ranges = "fail"', 6, 2),
    ],
)
def test_what_undecided_means_is_the_gates_to_say(tmp_path, gate, exit_code, failed):
    run = undecided_run(tmp_path, gate)
    assert (run.exit_code, len(run.with_outcome("failed"))) == (exit_code, failed), run.output
    assert run.named(CLAIM).properties["verdict"] == "undecided"
    assert run.named(CLAIM).outcome != "passed"


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


def test_nothing_collected_is_not_success(tmp_path):
    folder = stored.write_measurement(tmp_path)
    assert run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "nosuchcheck").exit_code == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--sae=gpt2-smal-res-jb"],
            "--sae 'gpt2-smal-res-jb' is no release of sae_lens's directory, no folder of SAEs "
            "and no hub repo id (owner/name); did you mean gpt2-small-res-jb",
        ),
        (
            ["--sae-ids=blocks.9.*"],
            "--sae-ids blocks.9.* matches no SAE of 'tales'; it has blocks.0.hook_resid_pre, ",
        ),
        (
            ["--sae=tests"],
            "holds no SAE: an SAE saved by sae_lens is a cfg.json beside a "
            "sae_weights.safetensors, and no cfg.json is all that was found in it",
        ),
        (
            ["--sae-context=4096"],
            "--sae-context 4,096 is beyond the model's context of 256 tokens; give 256 or less",
        ),
        (
            ["--sae-measurements=tests"],
            "is no stored measurement (it has no manifest.json of sae-checks); a run says in its "
            "summary where it stored its tables",
        ),
        (
            ["--sae=mntss-gemma-2-2b-2.5m-clt-as-per-layer"],
            "holds cross-layer transcoders, whose features write to the outputs of all later MLPs",
        ),
        (["--sae-tokens=none"], "argument --sae-tokens: must be a whole number, not 'none'"),
        (["--sae-packing=zip"], "must be one of documents, concatenate, not 'zip'"),
        (["--sae-corpus=missing.txt"], "--sae-corpus 'missing.txt': there is no such file"),
        (["--sae="], "argument --sae: must be a name or a path, not ''"),
        (
            ["--sae-accept=/proc/nowhere/known.toml"],
            "--sae-accept /proc/nowhere/known.toml cannot be written (No such file or directory); "
            "name another file",
        ),
        (
            ["--sae-report=checks"],
            "argument --sae-report: must be FORMAT=FILE, or FILE.html, not 'checks'",
        ),
        (
            ["--sae-report=summary=checks"],
            "checks cannot be written (Is a directory); name another file",
        ),
        (
            ["--sae-baseline=/proc/nowhere/b.json", "--sae-baseline-update", "--sae-fixed"],
            "--sae-baseline /proc/nowhere/b.json cannot be written (No such file or directory)",
        ),
        (
            ["-p", "no:skipping"],
            "-p no:skipping leaves no way to tell accepted and undecided cells from passed ones; "
            "leave it out",
        ),
    ],
)
def test_mistakes_end_with_exit_code_4_and_one_sentence(tmp_path, arguments, sentence):
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 4
    assert sentence in run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output


def test_malformed_thresholds_are_refused_before_anything_loads(tmp_path):
    folder = stored.write_measurement(tmp_path)
    limits = thresholds(tmp_path, '\n[checks.delta_cee]\nmax = 1\nunit = "nats"\n')
    run = run_gate(tmp_path, f"--sae-measurements={folder}", limits)
    assert run.exit_code == 4
    assert "delta_cee" in run.output
    assert "delta_ce" in run.output
    assert "INTERNALERROR" not in run.output


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

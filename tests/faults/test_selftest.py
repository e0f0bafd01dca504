"""The command that tests the gate, on the demo with a small budget."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from sae_checks.evals.context.table import ContextTable
from sae_checks.faults import report
from sae_checks.faults.default_run import as_default_run
from sae_checks.faults.findings import Finding
from sae_checks.faults.injection import Injection
from sae_checks.faults.seeds import RetrainedRun, SeedRun
from sae_checks.faults.trial import Trial
from sae_checks.options import Options
from sae_checks.report.progress import ConsoleProgress
from sae_checks.session.gate import Gate
from tests.plugin.gate_run import CHECKOUT

# Of fewer items, no answer that changes is no proof that none would: nothing would be equivalent.
SMALL = ("--sae-tokens", "8192", "--sae-items", "400")


def selftest(tmp_path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sae_checks", "selftest", "--sae-store", str(tmp_path)]
    return subprocess.run(
        [*command, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.timeout(600)
def test_planted_faults_are_found_where_they_are(tmp_path):
    done = selftest(tmp_path, *SMALL, "--faults", "k of TopK*,training*", "--seeds", "1")
    of_faults, _, of_checks = done.stdout.partition("## Each check")
    rows = [line.split(" | ") for line in of_faults.splitlines() if line.startswith("| ")]
    found = {(row[0].removeprefix("| "), row[1]): row for row in rows[1:]}
    halved = found["k of TopK halved", "half"]
    assert halved[2] == "blocks.1.hook_resid_pre"
    assert "mse" in halved[4]  # as a regression
    assert "l0" in halved[5]  # as no equivalent
    shortened = found["training context shortened", "half"]
    assert "delta_ce" in shortened[4]
    assert all(row[6] == "none" for row in found.values()), done.stdout
    assert "\n| mse | – | " in of_checks  # it has no limit
    assert "0 as not equivalent to themselves measured anew; decided with " in done.stdout


def test_a_fault_that_does_not_exist(tmp_path):
    done = selftest(tmp_path, "--faults", "gremlins")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "sae-checks: --faults 'gremlins' matches no fault; there are decoder scaled, decoder rows "
        "permuted, "
    )


def trial(caught_on: tuple[str, ...], planted_in: tuple[str, ...] = ("a",)) -> Trial:
    from sae_checks.faults import CATALOGUE

    fault = CATALOGUE[0]
    findings = tuple(Finding("mse", sae, "regression", "told") for sae in caught_on)
    return Trial(fault, fault.strengths[0], planted_in, findings, 1.0)


def test_a_fault_is_caught_only_where_all_damaged_saes_are_named():
    assert trial(("a",)).caught
    assert not trial((), ("a",)).caught
    assert not trial(("a",), ("a", "b")).caught
    assert not trial(("",)).caught  # a test of the whole release names no SAE
    assert trial(("a", "c", "")).others == ("c",)


def test_what_the_report_says_of_misses_and_blame():
    told = report.verdict([trial(("a",)), trial(()), trial(("a", "c"))])
    assert told == (
        "of 3 listed faults, caught: 0 by the limits alone, 2 as regression, 0 as equivalence; "
        "missed: decoder scaled (0.9); SAEs blamed without being damaged: decoder scaled (0.9)"
    )


def test_which_faults_make_a_check_fail():
    by_limits = replace(trial(()), findings=(Finding("l0", "a", "limits", "told"),))
    table = report.by_check([trial(("a",)), by_limits, by_limits, by_limits], ["mse", "l0", "kl"])
    assert table.splitlines()[-5:] == [
        "| check | limits | regression | equivalence |",
        "|---|---|---|---|",
        "| mse | – | 1 | – |",
        "| l0 | decoder scaled (0.9), decoder scaled (0.9), 1 more | – | – |",
        "| kl | – | – | – |",
    ]


def test_what_the_report_says_of_other_samples():
    finding = Finding("kl", "a", "limits", "0.5 is above 0.4")
    runs = [SeedRun(1, (), (), 0.2), SeedRun(2, (finding,), (), 0.4)]
    assert report.on_seeds(runs) == (
        "unharmed, on 2 other samples of the corpus: 1 blocked by the limits, 0 as not equivalent "
        "to themselves measured anew; decided with 30% of the budget on average\n"
        "seed 2: limits: kl: 0.5 is above 0.4"
    )


def test_what_the_report_says_of_retrained_releases():
    finding = Finding("l0", "a", "regression", "0.9 is above 0.5")
    runs = [RetrainedRun("seed-3", ()), RetrainedRun("seed-4", (finding,))]
    assert report.on_retrained(runs) == (
        "trained again from 2 other seeds: 1 blocked as a regression\nseed-4: l0: 0.9 is above 0.5"
    )


@pytest.mark.exhaustive  # in minutes, not seconds
def test_a_default_run_stops_where_it_would_have_stopped(tmp_path):
    """Replayed from the tables of a whole budget: as many texts and items of each SAE."""
    options = Options(store=tmp_path, tokens=128 * 256, items=300, task=("tales",))
    progress = ConsoleProgress(quiet=True)
    injection = Injection(options, progress)
    rule = replace(injection.gate.rule(injection.thresholds), adaptive=True)
    replayed = as_default_run(injection.measurement, rule, injection.cells)
    gate = Gate(replace(options, store=tmp_path / "other"))
    gate.measure(injection.cells, injection.thresholds, progress)
    assert gate.measurement is not None
    for name, table in gate.measurement.tables.items():
        there = replayed.tables[name]
        assert (there.rows, there.complete) == (table.rows, table.complete)
    assert {table.texts for table in replayed.of(ContextTable).values()} != {128}

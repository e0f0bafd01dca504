"""The command that tests the gate, on the demo with a small budget."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sae_checks.selftest import report
from sae_checks.selftest.seeds import SeedRun
from sae_checks.selftest.trial import Finding, Trial
from tests.plugin.gate_run import CHECKOUT

SMALL = ("--sae-tokens", "8192", "--sae-items", "60")


def selftest(tmp_path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sae_checks", "selftest", "--sae-store", str(tmp_path)]
    return subprocess.run(
        [*command, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_planted_faults_are_found_where_they_are(tmp_path):
    done = selftest(tmp_path, *SMALL, "--faults", "decoder scaled,training*", "--seeds", "1")
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    found = {(row[0].removeprefix("| "), row[1]): row for row in rows[1:]}
    scaled = found["decoder scaled", "0.9"]
    assert scaled[2] == "blocks.1.hook_resid_pre"
    assert "mse" in scaled[4]
    shortened = found["training context shortened", "half"]
    assert "delta_ce" in shortened[4]
    assert all(row[5] == "none" for row in found.values()), done.stdout
    assert "unharmed, on 1 other sample of the corpus: 0 failed by the limits, 0 against" in (
        done.stdout
    )


def test_a_fault_that_does_not_exist(tmp_path):
    done = selftest(tmp_path, "--faults", "gremlins")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "--faults 'gremlins' matches no fault; there are decoder scaled, decoder rows permuted, "
    )


def trial(caught_on: tuple[str, ...], planted_in: tuple[str, ...] = ("a",)) -> Trial:
    from sae_checks.faults import CATALOGUE

    fault = CATALOGUE[0]
    findings = tuple(Finding("mse", sae, True, "told") for sae in caught_on)
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
        "2 of 3 listed faults caught: 0 by the limits alone, 2 against the baseline; "
        "missed: decoder scaled (0.9); SAEs blamed without being "
        "damaged: decoder scaled (0.9)"
    )


def test_what_the_report_says_of_other_samples():
    finding = Finding("kl", "a", False, "0.5 is above 0.4")
    runs = [SeedRun(1, (), (), 0.2), SeedRun(2, (finding,), (), 0.4)]
    assert report.on_seeds(runs) == (
        "unharmed, on 2 other samples of the corpus: 1 failed by the limits, 0 against their own "
        "baseline; decided with 30% of the budget on average\nseed 2: kl: 0.5 is above 0.4"
    )

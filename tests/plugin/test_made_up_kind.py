"""A kind of cells that only a test knows, through the whole gate: it changes nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

CONFTEST = """\
from sae_checks.evals import registry
from tests.evals.pairs import PAIRS

registry.EVALUATIONS += (PAIRS,)
"""
CHECK = """\
from sae_checks import check

@check(cells="pair", needs=("ce_clean", "ce_sae"), unit="nats", max=0.35, margin=0.05)
def check_pair(cell):
    '''Downstream, little is lost.'''
    return cell.delta_ce()
"""
TABLE = '[checks.pair]\nmax = 0.35\nmargin = 0.05\nunit = "nats"\n'
OVERRIDE = '[[checks.pair.override]]\npair = "blocks.0.*->blocks.1.*"\nmax = 5\n'
ACCEPTED = '[[known_failure]]\ncheck = "pair"\nrelease = "*"\npair = "*->*.1.*"\nreason = "so"\n'
IDS = tuple(f"blocks.{layer}.hook_resid_pre" for layer in range(3))
FIRST, SECOND = f"{IDS[0]}->{IDS[1]}", f"{IDS[1]}->{IDS[2]}"


def harmful(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 1 costs 2 nats, the others stay good."""
    return np.where(layer == 1, 2.0, 0.1) + 0 * position


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("measured")
    return stored.write_measurement(root, delta_ce=harmful, layers=3)


def judge(tmp_path: Path, folder: Path, limits: str, *arguments: str) -> GateRun:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "check_pair.py").write_text(CHECK, encoding="utf-8")
    (tmp_path / "limits.toml").write_text(limits, encoding="utf-8")
    given = [f"--sae-measurements={folder}", *arguments]
    given += ["--sae-thresholds=limits.toml"] if limits else []
    return run_gate(tmp_path, *given, suite="check_pair.py", cwd=tmp_path, pythonpath=CHECKOUT)


def test_its_cells_are_tests_with_properties_and_a_summary(tmp_path, folder):
    run = judge(tmp_path, folder, "")
    assert (run.exit_code, [case.name for case in run.cases]) == (
        1,
        [f"check_pair[{FIRST}]", f"check_pair[{SECOND}]"],
    )
    failed, passed = run.cases
    assert (failed.outcome, passed.outcome) == ("failed", "passed")
    assert failed.message.startswith(f"pair 2 > 0.35 nats at {FIRST}: margin 0.05, interval ")
    assert (failed.properties["pair"], failed.properties["sae"]) == (FIRST, "")
    assert f"\n{FIRST}: 1 failed\n" in run.output
    assert f"\n{SECOND}: 1 passed\n" in run.output
    assert "whole release" not in run.output


def test_its_selector_is_one_of_overrides_and_accepted_failures(tmp_path, folder):
    run = judge(tmp_path, folder, TABLE + OVERRIDE)
    assert run.exit_code == 0, run.output
    assert [case.properties["limit"] for case in run.cases] == ["<= 5", "<= 0.35"]
    run = judge(tmp_path, folder, TABLE + ACCEPTED)
    assert run.exit_code == 0, run.output
    assert [case.outcome for case in run.cases] == ["xfailed", "passed"]
    assert "accepted: 1 cell by [[known_failure]] pair of * (*, pair *->*.1.*): so" in run.output
    run = judge(tmp_path, folder, TABLE + OVERRIDE.replace("pair = ", "pear = "))
    assert run.exit_code == 4
    assert (
        'limits.toml, line 6: "pear" is no key of [[checks.pair.override]] (did you mean pair?); '
        "legal: equivalence, layer, margin, max, min, pair, positions, reason, regression, "
        "release, report_only, sae, shift, site, stack, task, trained_as\n" in run.output
    )


def test_its_cells_are_kept_in_a_baseline_and_compared(tmp_path, folder):
    limits = TABLE.replace("0.35", "5") + 'regression = {worse = "higher", by = 0.01}\n'
    update = ("--sae-baseline=base.json", "--sae-baseline-update", "--sae-baseline-force")
    run = judge(tmp_path, folder, limits, *update)
    assert run.exit_code == 0, run.output
    assert f'["pair", ["{FIRST}"], ' in (tmp_path / "base.json").read_text(encoding="utf-8")
    run = judge(tmp_path, folder, limits, "--sae-baseline=base.json")
    assert run.exit_code == 0, run.output
    assert [case.name for case in run.cases] == [
        *(f"check_pair[{pair}]" for pair in (FIRST, SECOND)),
        *(f"check_regression[pair-{pair}]" for pair in (FIRST, SECOND)),
    ]
    assert {case.outcome for case in run.cases} == {"passed"}

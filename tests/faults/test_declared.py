"""Faults that move L0 are caught by what the demo declares, with nothing else to compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_checks.faults import CATALOGUE, findings
from sae_checks.faults.injection import Injection
from sae_checks.faults.trial import Trials
from sae_checks.options import Options
from sae_checks.report.progress import ConsoleProgress
from sae_checks.session.suite import bundled_checks

CAUGHT = (
    "features removed at random",
    "threshold lost",
    "k of TopK halved",
    "half of the features dead",
)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Of the demo, on which this one check is asked."""
    store: Path = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        only = {"declared_l0": bundled_checks()["declared_l0"]}
        patch.setattr(findings, "bundled_checks", lambda: only)
        options = Options(store=store, tokens=25_600, task=())
        return Trials(Injection(options, ConsoleProgress(quiet=True)))


def test_the_unharmed_demo_keeps_what_it_declares(trials: Trials):
    assert trials.unharmed == []


@pytest.mark.parametrize("name", CAUGHT)
def test_a_fault_that_moves_l0_is_caught(trials: Trials, name: str):
    fault = next(each for each in CATALOGUE if each.name == name)
    trial = trials.run(fault, fault.strengths[0], 3)
    assert trial.caught_by("limits"), trial.findings
    assert trial.others == ()

"""Limits that no listed fault makes fail are not there for show: each has a fault of its own."""

from __future__ import annotations

import pytest

from sae_checks.faults import OF_CHECKS, findings
from sae_checks.faults.findings import LIMITS
from sae_checks.faults.injection import Injection
from sae_checks.faults.trial import Trials
from sae_checks.options import Options
from sae_checks.report.progress import ConsoleProgress
from sae_checks.session.suite import bundled_checks

FAILS = {
    "features active in one position range": {"l0_evenness", "dense_features"},
    "one position range lost": {"delta_ce_evenness", "mse_evenness"},
    "activations not scaled back": {
        "propagation_mse",
        "propagation_norm",
        "constant_error",
        "l2_ratio",
        "decoder_scale",
        "rescaling_gain",
    },
    "features of the second corpus removed": {"shift_delta_ce", "shift_explained_variance"},
    "features of the second corpus let loose": {"propagation_l0", "dense_features"},
    "decoder scaled without a penalty": {"shrinkage"},
    "explained variance declared of other weights": {"declared_explained_variance"},
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Of the demo on a few texts, on which these checks alone are asked."""
    names = frozenset[str]().union(*FAILS.values())
    with pytest.MonkeyPatch.context() as patch:
        only = {name: check for name, check in bundled_checks().items() if name in names}
        assert only.keys() == names
        patch.setattr(findings, "bundled_checks", lambda: only)
        store = tmp_path_factory.mktemp("store")
        options = Options(store=store, tokens=12_800, task=(), shift="small_talk")
        return Trials(Injection(options, ConsoleProgress(quiet=True)))


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.parametrize("name", FAILS)
def test_it_fails_the_checks_that_it_is_there_for(trials: Trials, name: str):
    fault = next(each for each in OF_CHECKS if each.name == name)
    trial = trials.run(fault, fault.strengths[0], 0)
    failed = {f.check for f in trial.findings if (f.question, f.status) == (LIMITS, "fail")}
    assert failed >= FAILS[name]
    assert trial.others == ()

"""What the clean model gives no ground for: it blocks nothing, and is listed and told apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import run_gate
from tests.plugin.limits import LAYER_0, LAYER_1, thresholds

ABLATION = "ce_zero is not above ce_clean beyond doubt: ablation costs nothing here"
LOGITS = "the mean of clean_logit_difference is not above 0 beyond doubt: there is nothing to keep"


def without_cost() -> stored.ContextTable:
    """Layer 1 where ablating all of the hook's activation to zero changes no loss."""
    table = stored.sae_table(1)
    table.columns["ce_zero"] = table.columns["ce_clean"].copy()
    return table


def test_where_ablation_costs_nothing_no_share_of_it_is_asked(tmp_path):
    """In 0.3.0 each of these cells failed, as undefined."""
    folder = stored.write_measurement(tmp_path, tables={1: without_cost()})
    arguments = (f"--sae-measurements={folder}", thresholds(tmp_path), "-k", "check_ce_recovered[")
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 0, run.output
    assert {case.properties["sae"] for case in run.with_outcome("passed")} == {LAYER_0}
    skipped = run.with_outcome("skipped")
    assert {case.name for case in skipped} == {
        f"check_ce_recovered[{LAYER_1}-{positions}]"
        for positions in ("1:15", "1:1", "2:3", "4:7", "8:15")
    }
    for case in skipped:
        assert case.message.startswith(f"not applicable: {ABLATION}\n")
        assert case.properties["verdict"] == "not_applicable"
        assert case.properties["value"] == "nan"
    assert (
        f"\nnot applicable: ce_recovered of 5 cells (such as {LAYER_1}-1:15): {ABLATION}\n"
        in run.output
    )
    assert re.search(r"\n=+ 5 passed, (\d+ deselected, )?5 not applicable in ", run.output)


def test_a_broken_sae_is_broken_where_ablation_costs_nothing_too(tmp_path):
    table = without_cost()
    table.columns["ce_sae"][3, 5] = np.nan
    folder = stored.write_measurement(tmp_path, tables={1: table})
    arguments = (f"--sae-measurements={folder}", thresholds(tmp_path), "-k", "check_ce_recovered[")
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 1
    # The claim, and the range that the token lies in; in the others nothing is to be recovered.
    assert {case.name for case in run.with_outcome("failed")} == {
        f"check_ce_recovered[{LAYER_1}-{positions}]" for positions in ("1:15", "4:7")
    }
    for case in run.with_outcome("failed"):
        assert "ce_sae is not finite on 1 token of 1 text" in case.message
        assert case.properties["verdict"] == "undefined"
    assert len(run.with_outcome("skipped")) == 3


@pytest.mark.parametrize("layers", [1, 2])
def test_a_logit_difference_that_the_clean_model_does_not_have(tmp_path, layers):
    """On the items it is 0.1 on average, give or take 1: there is nothing that could be kept."""
    noise = 0.1 + np.where(np.arange(40) % 2 == 0, 1.0, -1.0)
    tables = [
        stored.task_table(
            layer, "words", clean_logit_difference=noise, sae_logit_difference=0.1 * noise
        )
        for layer in range(layers)
    ]
    good = [stored.task_table(layer, "words") for layer in range(layers, 2)]
    folder = stored.write_measurement(tmp_path, tasks=[*tables, *good])
    arguments = ("-k", "check_logit_difference_kept", thresholds(tmp_path))
    run = run_gate(tmp_path, f"--sae-measurements={folder}", *arguments)
    assert run.exit_code == 0, run.output
    skipped = run.with_outcome("skipped")
    assert [case.properties["sae"] for case in skipped] == [LAYER_0, LAYER_1][:layers]
    assert {case.properties["verdict"] for case in skipped} == {"not_applicable"}
    assert all(case.message.startswith(f"not applicable: {LOGITS}\n") for case in skipped)
    cells = f"{layers} cell{'s' if layers > 1 else ''} (such as {LAYER_0}-words)"
    assert f"\nnot applicable: logit_difference_kept of {cells}: {LOGITS}\n" in run.output

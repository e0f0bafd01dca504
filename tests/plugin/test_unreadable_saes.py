"""SAEs that cannot be read in a run, where an earlier one measured something of them."""

from __future__ import annotations

from tests.plugin.gate_run import run_gate

FAILS = """
from sae_checks.errors import SaeError
from sae_checks.load import sae

load = sae.load_sae


def fail(release, ref, **given):
    if ref.layer == 1:
        raise SaeError(f"SAE {ref.sae_id!r} cannot be loaded now")
    return load(release, ref, **given)


sae.load_sae = fail
"""


def test_an_sae_that_fails_to_load_is_not_judged_by_the_less_that_is_stored(tmp_path):
    """A default run stopped it at few items; of a run that asks for all, that is no verdict."""
    few = (f"--sae-store={tmp_path / 'store'}", "--sae-tokens=4096", "--sae-task=tales")
    suite = ("-k", "accuracy_drop", "--sae-items=300")
    first = run_gate(tmp_path, *few, *suite)
    assert first.exit_code == 0, first.output
    (tmp_path / "fails.py").write_text(FAILS, encoding="utf-8")
    given = ("--sae-fixed", "-p", "fails")
    again = run_gate(tmp_path, *few, *suite, *given, pythonpath=tmp_path, preloaded=False)
    assert again.exit_code == 1
    of_layer_1 = [case for case in again.cases if case.properties["layer"] == "1"]
    assert {case.outcome for case in of_layer_1} == {"error"}
    assert all("cannot be loaded now" in case.message for case in of_layer_1)
    others = [case for case in again.cases if case.properties["layer"] != "1"]
    assert {case.properties["texts"] for case in others} == {"300"}

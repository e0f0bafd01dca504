"""SAEs that cannot be read in a run, where an earlier one measured something of them."""

from __future__ import annotations

from tests.plugin.gate_run import run_gate

STACK = "5-saes-blocks.0.hook_resid_pre..blocks.3.hook_resid_post"
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
    again = run_gate(tmp_path, *few, *suite, *given, pythonpath=tmp_path)
    assert again.exit_code == 1
    of_layer_1 = [case for case in again.cases if case.properties["layer"] == "1"]
    assert {case.outcome for case in of_layer_1} == {"error"}
    assert all("cannot be loaded now" in case.message for case in of_layer_1)
    of_stack = again.named(f"check_stack_accuracy_drop[{STACK}-tales]")
    assert of_stack.outcome == "error"
    assert (
        "the stack of 5 SAEs from blocks.0.hook_resid_pre to blocks.3.hook_resid_post cannot be "
        "spliced in whole: SAE 'blocks.1.hook_resid_pre' cannot be loaded now" in of_stack.message
    )
    others = [case for case in again.cases if case not in (*of_layer_1, of_stack)]
    assert {case.properties["texts"] for case in others} == {"300"}


UNREADABLE_LATER = """
from sae_checks.errors import SaeError
from sae_checks.load import sae
from sae_checks.measure.loaded import SaeSource

SaeSource.__init__.__defaults__ = (0,)  # none stays loaded, however small
load, reads = sae.load_sae, []


def fail(release, ref, **given):
    reads.append(ref.layer)
    if ref.layer == 1 and reads.count(1) > 3:
        raise SaeError(f"SAE {ref.sae_id!r} cannot be loaded any more")
    return load(release, ref, **given)


sae.load_sae = fail
"""


def test_an_sae_that_cannot_be_read_any_more_keeps_no_other_from_being_measured(tmp_path):
    """Read again for each batch, it fails in the middle: its own tests say so."""
    (tmp_path / "later.py").write_text(UNREADABLE_LATER, encoding="utf-8")
    run = run_gate(
        tmp_path,
        *(f"--sae-store={tmp_path / 'store'}", "--sae-tokens=16384", "--sae-fixed"),
        *("--sae-task=none", "--sae-batch-tokens=4096", "-k", "check_l0[", "-p", "later"),
        pythonpath=tmp_path,
    )
    assert run.exit_code == 1
    of_layer_1 = [case for case in run.cases if case.properties["layer"] == "1"]
    others = [case for case in run.cases if case.properties["layer"] != "1"]
    assert {case.outcome for case in of_layer_1} == {"error"}
    assert all("cannot be loaded any more" in case.message for case in of_layer_1)
    assert {case.outcome for case in others} == {"passed"}
    assert {case.properties["texts"] for case in others} == {"64"}

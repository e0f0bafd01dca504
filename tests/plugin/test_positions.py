"""Positions through the whole gate, on the demo: measured beside what is stored, reported."""

from __future__ import annotations

from sae_checks.demo import SAES_FOLDER
from tests.plugin.gate_run import run_gate

SUITE = "checks/check_positions.py"
FIRST, LATER = "blocks.0.hook_resid_pre", "blocks.2.hook_resid_pre"


def test_what_the_demos_first_sae_fails_on_is_the_positions(tmp_path):
    given = ("--sae-ids=blocks.0.*", "--sae-tokens=25600", f"--sae-store={tmp_path}")
    before = run_gate(tmp_path, *given, suite="checks/check_delta_ce.py")
    assert before.exit_code == 0, before.output
    # Verdicts need no more of this SAE: without its positions, a first block is measured.
    run = run_gate(tmp_path, *given, "checks/check_delta_ce.py", suite=SUITE)
    assert run.exit_code == 0, run.output
    case = run.named(f"check_mean_position_share[{FIRST}-64:254]")
    assert (case.outcome, case.properties["verdict"]) == ("passed", "reported")
    assert 0.9 < float(case.properties["value"]) < 1
    assert float(case.properties["delta_ce_past_context"]) > 5
    assert float(case.properties["without_positions_past_context"]) < 1
    # Of the token part alone this SAE, which was trained with positions, makes nothing anywhere.
    bare = run.named(f"check_position_share[{FIRST}-64:254]")
    assert float(bare.properties["value"]) < 0.1
    assert float(bare.properties["without_positions_in_context"]) > 5
    # The same from the stored tables.
    (folder,) = tmp_path.glob("measurements/*")
    again = run_gate(tmp_path, f"--sae-measurements={folder}", suite=SUITE)
    assert again.named(case.name).properties["value"] == case.properties["value"]


def test_a_release_without_a_first_layer_sae_says_so_once(tmp_path):
    run = run_gate(
        tmp_path,
        f"--sae={SAES_FOLDER / LATER}",
        f"--sae-store={tmp_path}",
        "--sae-tokens=2560",
        suite=SUITE,
    )
    assert run.exit_code == 0, run.output
    assert len(run.cases) == 2
    assert (
        "not applicable: position_share of 1 cell (such as "
        f"{LATER}-64:254): only an SAE at blocks.0.hook_resid_pre reads token and positional "
        "vectors and nothing else"
    ) in run.output

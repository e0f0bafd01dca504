"""A run on SAEs that declare more than they keep, or not what they were trained at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sae_checks import demo
from tests.plugin.gate_run import GateRun, run_gate

FIRST, SECOND = "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"
THIRD = "blocks.3.hook_resid_pre"
CHECKS = "declared or l0_growth or usable or check_l0["


def copied(folder: Path, sae: str, **metadata: object) -> None:
    """An SAE of the demo that declares something else; None takes a declaration away."""
    shutil.copytree(demo.SAES_FOLDER / sae, folder / sae)
    path = folder / sae / "cfg.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["metadata"] |= metadata
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    folder = tmp_path_factory.mktemp("declared")
    # Twice the L0 that it has; more variance than there is; and no training context.
    copied(folder / "mine", FIRST, l0=27.0, dataset_path="the/pile")
    copied(folder / "mine", SECOND, l0=None, explained_variance=1.1)
    copied(folder / "mine", THIRD, l0=27.0, context_size=None)
    return run_gate(
        folder, f"--sae={folder / 'mine'}", "--sae-corpus=tales", f"--sae-store={folder / 'store'}",
        "--sae-tokens=25600", "-k", CHECKS,
    )  # fmt: skip


def test_saes_are_held_to_what_they_declare_and_to_nothing_else(run: GateRun):
    declared = {case.name: case.outcome for case in run.cases if "declared" in case.name}
    assert declared == {
        f"check_declared_l0[{FIRST}-1:63]": "failed",
        f"check_declared_explained_variance[{SECOND}-1:63]": "failed",
    }


def test_the_message_says_what_was_declared_and_where(run: GateRun):
    case = run.named(f"check_declared_l0[{FIRST}-1:63]")
    assert " < 0.67 times at " in case.message
    assert "declared = 27, declared_by = its cfg.json, corpus = tales, not the/pile" in case.message
    assert "asked: Up to the training context, as many features are active" in case.message
    case = run.named(f"check_declared_explained_variance[{SECOND}-1:63]")
    assert " < -0.1 fraction at " in case.message
    assert (case.properties["declared"], case.properties["corpus"]) == ("1.1", "tales")


def test_nothing_is_asked_past_a_training_context_that_is_not_declared(run: GateRun):
    assert (
        "sae-checks: training context of 1 of 3 SAEs not declared; say it with "
        "--sae-training-context TOKENS. Until then all positions measured count as within it, and "
        "nothing is asked past it; nor is the declared L0 compared with what is measured\n"
    ) in run.output
    past = {c.properties["sae"] for c in run.cases if c.name.startswith(("check_l0_g", "check_us"))}
    assert past == {FIRST, SECOND}
    inside = [c.name for c in run.cases if c.name.startswith(f"check_l0[{THIRD}")]
    assert inside[0] == f"check_l0[{THIRD}-1:254]"
    assert inside[-1] == f"check_l0[{THIRD}-128:254]"

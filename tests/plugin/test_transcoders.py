"""A folder of transcoders through the gate: the demo's MLPs copied, and one damaged."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch
from sae_lens import SAE
from transformers import AutoTokenizer, GPT2LMHeadModel

from sae_checks import demo
from tests.exact_transcoders import copy_mlp, with_relu
from tests.plugin.gate_run import Case, GateRun, run_gate

WHOLE, SKIPPING, DAMAGED = "whole", "skipping", "skip-lost"
CHECKS = "explained_variance or delta_ce or kl or ce_recovered or norm_growth or delta_ln_p"


def save(model: GPT2LMHeadModel, layer: int, architecture: str, folder: Path) -> SAE:
    """A transcoder that is an MLP of the model, in sae_lens's layout."""
    width, hidden = model.config.n_embd, model.transformer.h[layer].mlp.c_fc.weight.shape[1]
    made = SAE.from_dict(
        {
            "architecture": architecture,
            "d_in": width,
            "d_out": width,
            "d_sae": hidden,
            "apply_b_dec_to_input": False,
            "metadata": {
                "model_name": "tales",
                "hook_name": f"blocks.{layer}.mlp.hook_in",
                "hook_name_out": f"blocks.{layer}.hook_mlp_out",
                "context_size": 64,
                "prepend_bos": True,
                "dataset_path": "tales",
            },
        }
    )
    copy_mlp(model.transformer.h[layer].mlp, made)
    made.save_model(folder)
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[GateRun, Path]:
    folder = tmp_path_factory.mktemp("transcoders")
    release, model_folder, store = folder / "mine", folder / "model", folder / "store"
    model = with_relu(GPT2LMHeadModel.from_pretrained(demo.MODEL_FOLDER))
    model.save_pretrained(model_folder)
    AutoTokenizer.from_pretrained(demo.MODEL_FOLDER).save_pretrained(model_folder)
    # Of layer 1, then of layer 2, whole and with a part missing.
    save(model, 1, "jumprelu_transcoder", release / WHOLE)
    save(model, 2, "skip_transcoder", release / SKIPPING)
    damaged = save(model, 2, "skip_transcoder", release / DAMAGED)
    with torch.no_grad():
        damaged.W_skip.zero_()
    damaged.save_model(release / DAMAGED)
    arguments = ("--sae-corpus=tales", "--sae-tokens=8192", "--sae-task=tales", "--sae-ablate=1")
    found = run_gate(
        folder, f"--sae={release}", f"--sae-model={model_folder}", f"--sae-store={store}",
        *arguments, "-k", CHECKS,
    )  # fmt: skip
    return found, store


def of_check(run: GateRun, name: str, sae: str) -> list[Case]:
    cases = [case for case in run.cases if case.properties.get("sae") == sae]
    return [case for case in cases if case.name.startswith(f"check_{name}[")]


@pytest.mark.parametrize("sae", [WHOLE, SKIPPING])
def test_an_mlp_that_was_copied_costs_nothing(run, sae):
    found, _ = run
    assert found.exit_code == 1  # for the damaged one
    costs = [*of_check(found, "delta_ce", sae), *of_check(found, "kl", sae)]
    assert len(costs) > 5
    for case in costs:
        assert abs(float(case.properties["value"])) < 1e-5
    for case in of_check(found, "explained_variance", sae):
        assert float(case.properties["value"]) == pytest.approx(1, abs=1e-5)
    for case in of_check(found, "delta_ln_p", sae):
        assert abs(float(case.properties["value"])) < 1e-5
    mine = [case for case in found.cases if case.properties.get("sae") == sae]
    assert {case.outcome for case in mine} <= {"passed", "skipped"}, [
        (case.name, case.message) for case in mine if case.outcome not in ("passed", "skipped")
    ]


def test_one_that_lost_its_skip_term_fails(run):
    found, _ = run
    cases = of_check(found, "explained_variance", DAMAGED)
    assert "passed" not in {case.outcome for case in cases}
    failed = [case for case in cases if case.outcome == "failed"]
    assert len(failed) > 1
    assert max(float(case.properties["value"]) for case in failed) < 0.5


def test_norms_are_guarded_where_it_reads_and_where_it_writes(run):
    found, store = run
    cases = of_check(found, "norm_growth", WHOLE)
    assert cases
    assert {case.properties["norm"] for case in cases} <= {"norm", "input_norm"}
    (folder,) = store.glob(f"**/context/texts/{WHOLE}-*")
    columns = parquet.read_schema(folder / "tokens.parquet").names
    assert {"norm", "input_norm", "massive"} <= set(columns)

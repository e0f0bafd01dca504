"""SAEs within attention and MLP of the demo's model, one of a head, through the whole gate."""

from __future__ import annotations

import pytest
import torch

from sae_checks.demo.autoencoders import metadata
from tests.plugin.gate_run import run_gate

D_MODEL, HEADS = 128, 4
PLACES = (
    ("blocks.1.attn.hook_z", 2, "blocks.1.attn.hook_z.head_2"),
    ("blocks.2.attn.hook_k", None, "blocks.2.attn.hook_k"),
    ("blocks.0.ln2.hook_normalized", None, "blocks.0.ln2.hook_normalized"),
    ("transformer.h.3.mlp.c_proj.input", None, "transformer.h.3.mlp.c_proj.input"),
)


def save_exact_sae(folder, hook_point, head):
    """Two features for each dimension, of either sign: what is read is reconstructed."""
    from sae_lens import StandardSAE, StandardSAEConfig

    d_in = D_MODEL // HEADS if head is not None else D_MODEL
    d_in = 4 * D_MODEL if "c_proj" in hook_point else d_in
    said = metadata("blocks.0.hook_resid_pre")
    said.hook_name, said.hook_head_index = hook_point, head
    sae = StandardSAE(StandardSAEConfig(d_in=d_in, d_sae=2 * d_in, metadata=said))
    either = torch.cat([torch.eye(d_in), -torch.eye(d_in)])  # (d_sae, d_in)
    sae.W_enc.data, sae.W_dec.data = either.T.contiguous(), either
    sae.b_enc.data.zero_()
    sae.b_dec.data.zero_()
    sae.save_model(folder)


def test_exact_saes_change_nothing(tmp_path):
    for hook_point, head, name in PLACES:
        save_exact_sae(tmp_path / "saes" / name, hook_point, head)
    run = run_gate(
        tmp_path,
        *("--sae", str(tmp_path / "saes"), f"--sae-store={tmp_path / 'store'}"),
        *("--sae-tokens=8192", "--sae-task=none", "--sae-fixed", "-k", "check_delta_ce["),
    )
    assert run.exit_code == 0, run.output
    claims = {case.properties["sae"]: case for case in run.cases if case.name.endswith("-1:63]")}
    assert set(claims) == {name for _, _, name in PLACES}
    for name, case in claims.items():
        assert case.properties["hook"] == name
        assert float(case.properties["value"]) == pytest.approx(0.0, abs=1e-5)
    assert claims[PLACES[0][2]].properties["layer"] == "1"

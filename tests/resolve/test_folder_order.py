"""SAEs of a folder come in the order of their layers, not of their names' characters."""

from __future__ import annotations

from sae_checks.resolve import find


def test_layers_are_counted(tmp_path):
    for layer in (12, 3, 20):
        folder = tmp_path / f"blocks.{layer}.hook_resid_pre"
        folder.mkdir()
        (folder / "cfg.json").write_text("{}", encoding="utf-8")
        (folder / "sae_weights.safetensors").write_bytes(b"")
    layers = [entry.sae_id.split(".")[1] for entry in find(str(tmp_path)).entries]
    assert layers == ["3", "12", "20"]

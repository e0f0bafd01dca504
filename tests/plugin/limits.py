"""The bundled limits, changed, for runs on made-up measurements."""

from __future__ import annotations

import re
from pathlib import Path

from tests.plugin.gate_run import CHECKOUT

LAYER_0, LAYER_1, LAYER_2 = (f"blocks.{layer}.hook_resid_pre" for layer in range(3))


def thresholds(tmp_path: Path, extra: str = "", gate: str = "") -> str:
    """The bundled limits with accepted failures of their own, and keys of [gate] replaced."""
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    text = text.split("[[known_failure]]")[0]
    for line in gate.splitlines():
        key = line.split(" = ")[0]
        text, count = re.subn(rf"^{key} = \S+", line, text, flags=re.MULTILINE)
        assert count == 1
    path = tmp_path / "limits.toml"
    path.write_text(text + extra, encoding="utf-8")
    return f"--sae-thresholds={path}"

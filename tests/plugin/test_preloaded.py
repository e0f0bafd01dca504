"""The tests' own short cut: a process forked from a server judges as one from the beginning."""

from __future__ import annotations

import os
import re

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate
from tests.plugin.preloaded import run_preloaded


def told(run: GateRun) -> list[str]:
    """All lines, without how long it took."""
    return re.sub(r"\d+\.\d+s", "", run.output).splitlines()


def test_a_preloaded_run_tells_what_a_run_from_the_beginning_tells(tmp_path):
    folder = stored.write_measurement(tmp_path, delta_ce=stored.broken_past_context)
    one, other = (
        run_gate(tmp_path, f"--sae-measurements={folder}", preloaded=preloaded)
        for preloaded in (True, False)
    )
    assert one.exit_code == other.exit_code == 1
    assert one.cases == other.cases
    assert told(one) == told(other)


def test_a_changed_environment_takes_a_run_from_the_beginning(tmp_path, monkeypatch):
    """Else a module that shall replace an imported one would not."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "torch.py").write_text("raise SystemExit('torch was imported')\n", encoding="utf-8")
    (tmp_path / "check_torch.py").write_text("import torch\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(other), prepend=os.pathsep)
    run = run_gate(tmp_path, suite=tmp_path / "check_torch.py")
    assert "torch was imported" in run.output


def test_a_run_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(TimeoutError, match=r"^pytest --version ran for more than 0 s$"):
        run_preloaded(["--version"], tmp_path, {}, timeout=0.0)

"""docs/start.md: what it shows was printed by what it says, and its fault is found as it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sae_checks.cli import main
from tests.docs.pages import page
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

PAGE = page("start.md")
FENCED = re.findall(r"```(?:text|python)\n(.*?)```", PAGE, re.DOTALL)
TYPED = [line.strip() for line in PAGE.splitlines() if line.startswith("    ")]


def test_init_writes_what_is_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "sae-checks init mine" in TYPED
    assert main(["init", "mine"]) == 0
    printed = capsys.readouterr().out
    # Where the test is run from decides how the command is spelled.
    assert printed.replace("python -m sae_checks", "sae-checks") in FENCED
    assert (tmp_path / "mine/check_mine.py").read_text(encoding="utf-8") in FENCED


@pytest.fixture(scope="module")
def gated(tmp_path_factory) -> tuple[GateRun, Path]:
    """The fault planted by the page's own lines, and gated on few texts."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "sae_checks").symlink_to(CHECKOUT / "sae_checks")
    for line in TYPED:
        if line.startswith("cp "):
            subprocess.run(line, shell=True, cwd=folder, check=True)
    (gate,) = (
        line
        for line in TYPED
        if line.startswith("sae-checks gate broken --sae-ids") and ".md" in line
    )
    assert "--sae-ids 'blocks.[12].*' --sae-report broken.html --sae-markdown broken.md" in gate
    few = ("--sae-tokens=8192", "--sae-fixed", "--sae-task=none", "--sae-ids=blocks.[12].*")
    reports = (f"--sae-report={folder}/broken.html", f"--sae-markdown={folder}/broken.md")
    suite = str(CHECKOUT / "checks/check_reconstruction.py")
    release = (f"--sae={folder}/broken", f"--sae-store={folder}/store")
    done = run_gate(folder, *release, *few, *reports, suite=suite, full=False)
    return done, folder


def test_the_planted_fault_is_found_where_it_is(gated):
    done, _ = gated
    assert done.exit_code == 1, done.output
    assert {case.properties["sae"] for case in done.with_outcome("failed")} == {
        "blocks.2.hook_resid_pre"
    }
    assert {case.properties["sae"] for case in done.cases} > {"blocks.1.hook_resid_pre"}


def test_and_so_say_matrix_page_and_markdown(gated):
    done, folder = gated
    assert re.search(r"^2 resid_pre.* ✗ ", done.output, re.MULTILINE)
    assert re.search(r"^1 resid_pre +✓ ", done.output, re.MULTILINE)
    markdown = (folder / "broken.md").read_text(encoding="utf-8")
    (shown,) = (block for block in FENCED if block.startswith("### "))
    assert markdown.startswith(shown.partition("FAILED")[0])
    assert "FAILED: " in (folder / "broken.html").read_text(encoding="utf-8")

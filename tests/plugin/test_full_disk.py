"""A run whose files cannot grow, as on a full disk: one sentence, a JUnit file, nothing lost."""

from __future__ import annotations

import resource
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.plugin.gate_run import CHECKOUT, run_gate

ARGUMENTS = ("--sae-ids=blocks.[12].*", "--sae-task=none", "--sae-tokens=25600")
CHOSEN = ("-k", "check_l0 and 1:63")


# The words of the texts have 49,058 bytes, each table of tokens 98,000 and more.
@pytest.mark.parametrize("most", [30_000, 60_000])
def test_measuring_ends_in_one_sentence_and_goes_on_later(tmp_path: Path, most: int):
    junit, store = tmp_path / "full.xml", tmp_path / "store"
    command = [sys.executable, "-B", "-m", "pytest", "checks", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *ARGUMENTS, *CHOSEN, f"--sae-store={store}", f"--junitxml={junit}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 4
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (folder,) = (store / "measurements").iterdir()
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert said.startswith(f"ERROR: {folder} cannot be measured into ([Errno 27] ")
    assert said.endswith(
        "remove what is in the way, make room, or name another folder with --sae-store"
    )
    assert ElementTree.parse(junit).getroot().tag == "testsuites"
    run = run_gate(tmp_path, *ARGUMENTS, *CHOSEN, f"--sae-store={store}")
    assert run.exit_code == 0
    assert {case.outcome for case in run.cases} == {"passed"}
    assert len(run.cases) == 4
    assert not list(store.rglob("*.tmp"))

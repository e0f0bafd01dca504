"""A release of many SAEs takes no more memory than one of few."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tests.plugin.gate_run import CHECKOUT

D_MODEL, D_SAE = 128, 4_096  # of the demo's model; 2 · 128 · 4096 float32 are 4 MiB
HOOK_POINTS = [f"blocks.{layer}.hook_resid_pre" for layer in range(4)]
MOST = 100  # MiB beyond
GATE = (
    *("checks/", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
    *("-k", "check_l0[", "--sae-fixed", "--sae-tokens=1024", "--sae-context=64"),
    *("--sae-corpus=tales", "--sae-batch-tokens=256", "--sae-ranges=1:62"),
)

# A process's own figure begins anew with it; that of its children holds what their parent was.
RUN = """
import sys, pytest
code = pytest.main(sys.argv[1:])
print(open("/proc/self/status").read())
sys.exit(code)
"""


def release_of(saes: int, folder: Path, made: list[Path]) -> Path:
    """A folder of so many SAEs; those at one hook point have the same weights, linked."""
    for number in range(saes):
        of = made[number % len(made)]
        sae = folder / f"sae-{number:03}"
        sae.mkdir(parents=True)
        for file in of.iterdir():
            os.link(file, sae / file.name)
    return folder


def peak_of(release: Path, store: Path) -> float:
    """The most memory that a run took, in MiB."""
    arguments = [*GATE, f"--sae={release}", f"--sae-store={store}"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1), said[-3000:]
    assert "ERROR" not in said, said[-3000:]
    return float(re.findall(r"^VmHWM:\s+(\d+) kB$", said, re.MULTILINE)[-1]) / 2**10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An SAE of 4 MiB for each hook point."""
    root, folders = tmp_path_factory.mktemp("saes"), []
    for layer, hook_point in enumerate(HOOK_POINTS):
        sae = builders.sae(
            "standard", hook_point, D_MODEL, layer, d_sae=D_SAE,
            metadata={"hook_name": hook_point, "model_name": "tales", "context_size": 64},
        )  # fmt: skip
        sae.save_model(root / str(layer))
        folders.append(root / str(layer))
    return folders


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.timeout(280)
def test_two_hundred_saes_take_no_more_memory_than_twenty(tmp_path: Path, made: list[Path]):
    """All of them together are 800 MiB; few stay loaded (`KEPT_BYTES`), in either run."""
    peaks = {
        saes: peak_of(release_of(saes, tmp_path / f"of-{saes}", made), tmp_path / f"store-{saes}")
        for saes in (20, 200)
    }
    assert peaks[200] - peaks[20] < MOST, peaks

"""What a baseline is, as a pytest process: never the candidate itself, and said in the header."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sae_checks import demo
from tests import stored
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate
from tests.plugin.test_baselines import DELTA_CE, compare, layer_1_worse, refusal

SAE = "blocks.1.hook_resid_pre"
SUITE = CHECKOUT / DELTA_CE
VERY_SAME = (
    "the baseline is this very release: every difference is 0, but for what another device, "
    "library or loading changes"
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """One of the demo's SAEs, as somebody's unreleased folder."""
    folder = tmp_path / "old" / "rel"
    shutil.copytree(demo.SAES_FOLDER / SAE, folder / SAE)
    return folder


def change(release: Path) -> None:
    """Train it anew, so to speak: it is worse by far."""
    from safetensors.numpy import load_file, save_file

    path = release / SAE / "sae_weights.safetensors"
    weights = load_file(path)
    save_file({**weights, "W_dec": weights["W_dec"] * np.float32(0.5)}, path)


def gate(tmp_path: Path, release: Path, *arguments: str) -> GateRun:
    return run_gate(
        tmp_path,
        f"--sae={release}",
        f"--sae-store={tmp_path / 'store'}",
        "--sae-tokens=4096",
        "--sae-corpus=tales",
        "--sae-fixed",
        *arguments,
        suite=SUITE,
        cwd=tmp_path,
    )


AGAINST = ("--sae-baseline=rel", "-k", "check_regression")


def told_of(run: GateRun) -> list[str]:
    """What header and closing summary say of the baseline."""
    lines = [line.removeprefix("sae-checks: ") for line in run.output.splitlines()]
    return [line for line in lines if line.startswith(("baseline rel", "the baseline"))]


def test_a_release_changed_in_place_is_not_its_own_baseline(tmp_path, release):
    """It was: the first run rewrote the manifest that the second one took for the baseline."""
    measured = gate(tmp_path, release)
    assert measured.exit_code in (0, 1), measured.output
    (folder,) = (tmp_path / "store" / "measurements").iterdir()
    manifest = (folder / "manifest.json").read_bytes()
    change(release)
    first, second = (refusal(gate(tmp_path, release, *AGAINST)) for _ in range(2))
    assert (
        first
        == second
        == (
            f"--sae-baseline rel: that is {folder}, the folder that this very run writes its "
            "measurement to, so that the release would be compared with itself; while it holds the "
            f"earlier weights' tables, write them to a file, with --sae-measurements {folder} "
            "--sae-baseline NAME.json --sae-baseline-update, and name that file, or name another "
            "measurement's folder"
        )
    )
    # Neither by its folder's path; and nothing was measured meanwhile.
    assert "the folder that this very run writes" in refusal(
        gate(tmp_path, release, f"--sae-baseline={folder}", "-k", "check_regression")
    )
    assert (folder / "manifest.json").read_bytes() == manifest
    # What the sentence says to do.
    update = ("--sae-baseline=before.json", "--sae-baseline-update", "--sae-baseline-force")
    where = {"suite": SUITE, "cwd": tmp_path}
    written = run_gate(tmp_path, f"--sae-measurements={folder}", *update, **where)
    assert "baseline before.json written" in written.output, written.output
    for _ in range(2):
        run = gate(tmp_path, release, "--sae-baseline=before.json", "-k", "check_regression")
        assert run.exit_code == 1, run.output
        assert len(run.with_outcome("failed")) > 5


def test_the_old_release_in_another_folder_of_its_name_stays_the_baseline(tmp_path, release):
    """Asked twice, the answer is the same, and the header says which release it is."""
    gate(tmp_path, release)
    (old,) = (tmp_path / "store" / "measurements").iterdir()
    new = tmp_path / "new" / "rel"
    shutil.copytree(release, new)
    change(new)
    runs = [gate(tmp_path, new, *AGAINST) for _ in range(2)]
    failed = [{case.name for case in run.with_outcome("failed")} for run in runs]
    assert len(failed[0]) > 5
    assert failed[0] == failed[1]
    for run in runs:
        header, summary = told_of(run)
        assert header == summary
        assert header.startswith(f"baseline rel from measurement {old}: 1 SAE, weights ")
        assert header.endswith("; asked is regression")


def test_a_copy_of_the_baseline_is_said_to_be_it(tmp_path, release):
    """The same weights, from another folder: a pass that proves nothing is told as such."""
    gate(tmp_path, release)
    copy = tmp_path / "new" / "rel"
    shutil.copytree(release, copy)
    run = gate(tmp_path, copy, *AGAINST)
    assert run.exit_code == 0, run.output
    assert told_of(run).count(VERY_SAME) == 2  # header and summary
    values = {case.properties["value"] for case in run.cases}
    assert values == {"0"}


def test_another_release_whose_name_begins_alike_is_no_baseline(tmp_path):
    """`made-up` was never measured, `made-up-v2` was; nor is '*' a name."""
    candidate = stored.write_measurement(tmp_path, name="candidate")
    stored.write_measurement(tmp_path, name="made-up-v2")
    for name in ("made-up", "*", "made-up*"):
        told = refusal(compare(tmp_path, candidate, name, f"--sae-store={tmp_path}"))
        assert told.startswith(f"--sae-baseline {name}: there is no baselines/{name}.json, and no ")
    run = compare(tmp_path, candidate, "made-up-v2", f"--sae-store={tmp_path}")
    assert run.exit_code == 0, run.output


def test_a_stored_measurement_beside_itself_is_said_to_be_itself(tmp_path):
    folder = stored.write_measurement(tmp_path)
    run = compare(tmp_path, folder, folder)
    assert run.exit_code == 0, run.output
    assert f"sae-checks: baseline made-up from measurement {folder}: 2 SAEs" in run.output
    assert f"sae-checks: {VERY_SAME}" in run.output


def test_a_file_is_named_with_the_day_it_was_written(tmp_path):
    folder = stored.write_measurement(tmp_path / "one")
    where = {"suite": SUITE, "cwd": tmp_path}
    compare(tmp_path, folder, "v1", "--sae-baseline-update", **where)
    table = stored.sae_table(1, layer_1_worse)
    worse = stored.write_measurement(tmp_path / "two", name="made-up-2", tables={1: table})
    run = compare(tmp_path, worse, "v1", **where)
    assert run.exit_code == 1
    (header, *_) = [line for line in run.output.splitlines() if "from file" in line]
    assert header.startswith("sae-checks: baseline made-up from file baselines/v1.json: 2 SAEs, ")
    assert ", written 20" in header

"""Stored tables that were mixed up: judged never, measured again by a run that measures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

FEW = (
    "--sae-tokens=4096",
    "--sae-task=tales_long",
    "--sae-items=20",
    "--sae-ids=blocks.[01].*",
    "-k",
    "check_l0 or check_accuracy_drop",
)


def gate(tmp_path: Path, store: Path) -> GateRun:
    return run_gate(tmp_path, f"--sae-store={store}", *FEW)


def told(run: GateRun) -> list[str]:
    lines = (line.strip() for line in run.output.splitlines())
    return [line for line in lines if "set aside" in line or "sae-checks: measuring" in line]


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[Path, GateRun]:
    store = tmp_path_factory.mktemp("store")
    return store, gate(tmp_path_factory.mktemp("run"), store)


def copied(tmp_path: Path, measured: tuple[Path, GateRun]) -> tuple[Path, Path]:
    """A store of one's own, and the one measurement in it."""
    store = tmp_path / "store"
    shutil.copytree(measured[0], store)
    (folder,) = (store / "measurements").iterdir()
    return store, folder


def test_swapped_folders_are_set_aside_told_and_measured_again(tmp_path, measured):
    store, folder = copied(tmp_path, measured)
    one, other = sorted(folder.glob("context/texts/blocks.*"))
    swap(one, other)
    (items,) = folder.glob(f"tasks/*/{one.name}/items.parquet")
    items.write_bytes(items.read_bytes()[:-1])
    size = items.stat().st_size

    again = gate(tmp_path, store)
    ids = ("blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre")
    assert told(again) == [
        f"sae-checks: {one}/table.json describes another table (sae.sae_id is '{ids[1]}', not "
        f"'{ids[0]}'); set aside as {one.name}.damaged-1, and made anew",
        f"sae-checks: {other}/table.json describes another table (sae.sae_id is '{ids[0]}', not "
        f"'{ids[1]}'); set aside as {other.name}.damaged-1, and made anew",
        f"sae-checks: {items} has {size:,} bytes, where table.json says {size + 1:,} were written; "
        f"set aside as {one.name}.damaged-1, and made anew",
        "sae-checks: measuring 2 SAEs on at most 16 texts",
        "sae-checks: measuring 1 SAE on at most 20 items of tales_long",
    ]
    assert again.cases == measured[1].cases
    assert again.exit_code == measured[1].exit_code
    assert told(gate(tmp_path, store)) == []  # and now all is whole


def test_a_damaged_manifest_is_told_and_made_anew(tmp_path, measured):
    store, folder = copied(tmp_path, measured)
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_text("[]", encoding="utf-8")
    again = gate(tmp_path, store)
    assert told(again) == [
        f"sae-checks: {folder}/manifest.json holds no JSON object but []; set aside as "
        "manifest.json.damaged-1, and made anew"
    ]
    assert again.cases == measured[1].cases
    assert (folder / "manifest.json").read_bytes() == whole


def test_a_lock_that_is_a_folder_ends_the_run_in_one_sentence(tmp_path, measured):
    store, folder = copied(tmp_path, measured)
    (folder / ".lock").unlink(missing_ok=True)
    (folder / ".lock").mkdir()
    whole = gate(tmp_path, store)  # nothing has to be written, as in a store that is only read
    assert (whole.exit_code, whole.cases) == (measured[1].exit_code, measured[1].cases)
    shutil.rmtree(next(iter(folder.glob("context/texts/blocks.*"))))
    run = gate(tmp_path, store)
    assert run.exit_code == 4
    assert f"{folder} cannot be measured into (" in run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output


def test_swapped_folders_of_a_stored_measurement_are_refused(tmp_path):
    folder = stored.write_measurement(tmp_path)
    one, other = sorted(folder.glob("context/texts/blocks.*"))
    swap(one, other)
    run = run_gate(tmp_path, f"--sae-measurements={folder}")
    assert run.exit_code == 4
    assert (
        f"{one}/table.json describes another table (sae.sae_id is 'blocks.1.hook_resid_pre', not "
        "'blocks.0.hook_resid_pre'); restore it, or measure again" in run.output
    )
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
    assert one.is_dir()  # judging changes nothing

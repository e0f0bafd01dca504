"""Which stored measurement the name of a release stands for, and for which it never does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sae_checks.baseline.identity import pairing_terms_of_provenance
from sae_checks.baseline.measured_before import Asked, find_measured, refuse_own
from sae_checks.errors import BaselineError
from sae_checks.records.provenance import DEFINITIONS_VERSION
from tests import stored

FILE = Path("baselines/made-up.json")


def asked(own: Path | None = None, *, writes: bool = True, **changes: object) -> Asked:
    setting = pairing_terms_of_provenance(stored.provenance(**changes).as_dict())
    return Asked(setting, own, writes)


def refusal(store: Path, name: str, run: Asked) -> str:
    with pytest.raises(BaselineError) as caught:
        find_measured(store, name, run, FILE)
    return str(caught.value)


def moved(folder: Path, to: str, *, weights: str = "", location: str = "") -> Path:
    """A measurement under another folder's name, of other weights or another place."""
    target = folder.rename(folder.with_name(to))
    path = target / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for entry in manifest["saes"]:
        entry["ref"]["weights_key"] += weights
        entry["ref"]["location"] = f"{location}/{entry['ref']['sae_id']}"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return target


def test_a_release_of_exactly_this_name_in_this_setting(tmp_path: Path):
    folder = stored.write_measurement(tmp_path)
    stored.write_measurement(tmp_path, name="made-up-2")
    assert find_measured(tmp_path, "made-up", asked(), FILE) == folder


@pytest.mark.parametrize("name", ["made", "*", "made-?p", "made-up-", "MADE-UP"])
def test_no_prefix_and_no_glob(tmp_path: Path, name: str):
    stored.write_measurement(tmp_path, name="made-up")
    assert refusal(tmp_path, name, asked()) == (
        f"--sae-baseline {name}: there is no {FILE}, and no measurement of a release of exactly "
        f"that name in this setting in {tmp_path}; measure it first, with the same options and "
        "--sae-fixed, or write a file with --sae-baseline-update"
    )


def test_the_name_is_what_the_manifest_records(tmp_path: Path):
    """Not what the folder is called."""
    folder = moved(stored.write_measurement(tmp_path), "other-0123456789abcdef")
    assert find_measured(tmp_path, "made-up", asked(), FILE) == folder
    assert "no measurement of a release of exactly that name" in refusal(tmp_path, "other", asked())


def test_a_release_measured_in_other_settings_alone_is_not_found(tmp_path: Path):
    stored.write_measurement(tmp_path)
    assert "in this setting in " in (told := refusal(tmp_path, "made-up", asked(seed=1)))
    assert f"{tmp_path} (1 in other settings); measure it first" in told


def test_another_device_or_library_is_no_other_setting(tmp_path: Path):
    """What a newer library makes of the same weights is a question of its own."""
    folder = stored.write_measurement(tmp_path)
    assert find_measured(tmp_path, "made-up", asked(device="cuda"), FILE) == folder


def test_other_definitions_are_another_setting(tmp_path: Path):
    path = stored.write_measurement(tmp_path) / "manifest.json"
    now = f'"definitions": {DEFINITIONS_VERSION}'
    text = path.read_text(encoding="utf-8")
    assert now in text
    path.write_text(text.replace(now, '"definitions": 0'), encoding="utf-8")
    assert "(1 in other settings)" in refusal(tmp_path, "made-up", asked())


@pytest.mark.parametrize("content", ["", "{}", '{"release": "made-up"}', "[1]"])
def test_what_is_no_manifest_is_left_aside(tmp_path: Path, content: str):
    folder = stored.write_measurement(tmp_path)
    broken = tmp_path / "measurements" / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text(content, encoding="utf-8")
    assert find_measured(tmp_path, "made-up", asked(), FILE) == folder


def test_several_weights_are_refused_and_listed(tmp_path: Path):
    first = moved(stored.write_measurement(tmp_path), "made-up-1")
    second = moved(stored.write_measurement(tmp_path), "made-up-2", weights="-changed")
    told = refusal(tmp_path, "made-up", asked())
    assert told.startswith(
        "--sae-baseline made-up: 2 measurements of releases of that name have different weights: "
        f"{first} (weights "
    )
    assert f", {second} (weights " in told
    assert told.endswith("); name one of these folders")


def test_the_same_weights_measured_twice_are_one_release(tmp_path: Path):
    first = moved(stored.write_measurement(tmp_path), "made-up-1")
    moved(stored.write_measurement(tmp_path), "made-up-2")
    assert find_measured(tmp_path, "made-up", asked(), FILE) == first


@pytest.mark.parametrize(
    ("writes", "does"), [(True, "writes its measurement to"), (False, "judges")]
)
def test_a_release_is_never_its_own_baseline_by_name(tmp_path: Path, writes: bool, does: str):
    own = stored.write_measurement(tmp_path)
    told = refusal(tmp_path, "made-up", asked(own, writes=writes))
    assert told == (
        f"--sae-baseline made-up: that is {own}, the folder that this very run {does}, so that "
        "the release would be compared with itself; while it holds the earlier weights' tables, "
        f"write them to a file, with --sae-measurements {own} --sae-baseline NAME.json "
        "--sae-baseline-update, and name that file, or name another measurement's folder"
    )


def test_another_release_of_its_name_is(tmp_path: Path):
    """Whether the run's own was measured before or not, so that asking twice changes nothing."""
    other = moved(stored.write_measurement(tmp_path), "made-up-1", weights="-before")
    own = tmp_path / "measurements" / "made-up-2"
    assert find_measured(tmp_path, "made-up", asked(own), FILE) == other
    moved(stored.write_measurement(tmp_path), own.name)
    assert find_measured(tmp_path, "made-up", asked(own), FILE) == other


def test_a_folder_of_saes_is_the_release_that_was_measured_there(tmp_path: Path):
    here, there = tmp_path / "a" / "made-up", tmp_path / "b" / "made-up"
    for number, place in enumerate((here, there)):
        place.mkdir(parents=True)
        folder = stored.write_measurement(tmp_path)
        moved(folder, f"made-up-{number}", weights=f"-{number}", location=str(place))
    for number, place in enumerate((here, there)):
        found = find_measured(tmp_path, str(place), asked(), FILE)
        assert found.name == f"made-up-{number}"


def test_the_run_s_own_folder_by_its_path(tmp_path: Path):
    """Refused where the run writes to it; a measurement that is only judged stays what it is."""
    own = stored.write_measurement(tmp_path)
    with pytest.raises(BaselineError) as caught:
        refuse_own(str(own), own, asked(own))
    assert "the folder that this very run writes its measurement to" in str(caught.value)
    refuse_own(str(own), own, asked(own, writes=False))
    refuse_own(str(own), own, replace(asked(own), own=tmp_path))

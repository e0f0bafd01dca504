"""From the name of a baseline to what it is, and what is refused before anything is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sae_checks.baseline.file import write_baseline
from sae_checks.baseline.identity import Baseline, BaselineSae, pairing_terms_of_provenance
from sae_checks.baseline.measured_before import Asked
from sae_checks.baseline.source import (
    FileBaseline,
    StoredBaseline,
    baseline_file,
    find_baseline,
    refuse_baseline_options,
)
from sae_checks.errors import BaselineError
from sae_checks.options import Options
from sae_checks.session.gate import stored_baseline
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_key

EMPTY = Baseline("made-up", {}, (), {})
DELTA_CE = bundled_checks()["delta_ce"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Names are looked for where a run is started."""
    monkeypatch.chdir(tmp_path)


def options(name: object, **others: object) -> Options:
    return replace(Options(), baseline=str(name), store=Path("store"), **others)


ELSEWHERE = Asked({})
IN_THIS_SETTING = Asked(pairing_terms_of_provenance(stored.provenance().as_dict()))


def refusal(asked: Options, run: Asked = ELSEWHERE) -> str:
    with pytest.raises(BaselineError) as caught:
        find_baseline(asked, run, stored_baseline)
    return str(caught.value)


def test_a_name_is_a_file_in_the_folder_of_baselines():
    assert baseline_file("gpt2") == Path("baselines/gpt2.json")
    assert baseline_file("here/gpt2.json") == Path("here/gpt2.json")
    write_baseline(Path("baselines/gpt2.json"), EMPTY)
    for name in ("gpt2", "baselines/gpt2.json"):
        found = find_baseline(options(name), ELSEWHERE, stored_baseline)
        assert isinstance(found, FileBaseline)
        assert (found.name, found.baseline.release) == (name, "made-up")


def test_a_file_counts_for_more_than_a_folder_of_its_name():
    """Such as the folder of the release itself."""
    Path("gpt2").mkdir()
    write_baseline(Path("baselines/gpt2.json"), EMPTY)
    assert isinstance(
        find_baseline(options(Path("gpt2").resolve()), ELSEWHERE, stored_baseline), FileBaseline
    )


SAES = (BaselineSae("a", "h", "w"), BaselineSae("b", "h", "v"))


def test_a_file_says_what_it_is():
    """Of its weights a digest that no order of SAEs changes."""
    source = FileBaseline("gpt2", replace(EMPTY, saes=SAES), "baselines/gpt2.json")
    digest = source.identity.weights
    assert len(digest) == 12
    assert str(source.identity) == (
        f"made-up from file baselines/gpt2.json: 2 SAEs, weights {digest}"
    )
    turned = replace(source.baseline, saes=SAES[::-1], written="2026-12-31")
    assert str(FileBaseline("gpt2", turned, "base.json").identity) == (
        f"made-up from file base.json: 2 SAEs, weights {digest}, written 2026-12-31"
    )
    other = replace(EMPTY, saes=(SAES[0], replace(SAES[1], weights_key="u")))
    assert FileBaseline("gpt2", other).identity.weights != digest


def test_a_file_has_the_cells_that_were_written():
    cells = {cell_key(check, "a", "", ""): None for check in ("kl", "delta_ce")}
    source = FileBaseline("gpt2", replace(EMPTY, saes=(BaselineSae("a", "h", "w"),), cells=cells))
    assert source.keys(DELTA_CE) == [cell_key("delta_ce", "a", "", "")]
    assert source.saes == (BaselineSae("a", "h", "w"),)


def test_a_folder_is_a_stored_measurement():
    folder = stored.write_measurement(Path("store"))
    found = find_baseline(options(folder), ELSEWHERE, stored_baseline)
    assert isinstance(found, StoredBaseline)
    assert found.name == "made-up"
    assert str(found.identity).startswith(f"made-up from measurement {folder}: 2 SAEs, weights ")
    assert [sae.sae_id for sae in found.saes] == [stored.sae_ref(layer).sae_id for layer in (0, 1)]
    assert found.pairing_terms["provenance.seed"] == 0
    assert cell_key("delta_ce", found.saes[0].sae_id, "8:15", "") in found.keys(DELTA_CE)


def test_a_file_that_is_not_there():
    assert refusal(options("base.json")) == (
        "--sae-baseline base.json: there is no such file; write it with --sae-baseline-update"
    )


def test_a_file_counts_for_more_than_a_measurement_of_that_name():
    stored.write_measurement(Path("store"))
    write_baseline(Path("baselines/made-up.json"), EMPTY)
    assert isinstance(
        find_baseline(options("made-up"), IN_THIS_SETTING, stored_baseline), FileBaseline
    )


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        (Options(baseline_update=True), "--sae-baseline-update"),
        (Options(baseline_force=True), "--sae-baseline-force"),
        (Options(equivalence=True), "--sae-equivalence"),
        (Options(match=(("a", "b"),)), "--sae-match"),
    ],
)
def test_options_that_need_a_baseline_are_refused_alone(asked: Options, option: str):
    with pytest.raises(BaselineError) as caught:
        refuse_baseline_options(asked)
    assert str(caught.value) == f"{option} needs --sae-baseline, which names the baseline"
    refuse_baseline_options(
        replace(
            asked, baseline="base", baseline_update=asked.baseline_force or asked.baseline_update
        )
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            Options(baseline="base", baseline_force=True),
            "--sae-baseline-force changes how a run ends that writes a baseline; it needs "
            "--sae-baseline-update",
        ),
        (
            Options(baseline="base", baseline_update=True, equivalence=True),
            "--sae-equivalence says how to compare, but --sae-baseline-update writes the baseline "
            "and compares nothing; leave one of the two out",
        ),
        (
            Options(baseline="base", baseline_update=True, match=(("a", "b"),)),
            "--sae-match says how to compare, but --sae-baseline-update writes the baseline and "
            "compares nothing; leave one of the two out",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(asked: Options, said: str):
    with pytest.raises(BaselineError) as caught:
        refuse_baseline_options(asked)
    assert str(caught.value) == said


def test_an_update_writes_no_folder(tmp_path):
    with pytest.raises(BaselineError) as caught:
        refuse_baseline_options(Options(baseline=str(tmp_path), baseline_update=True))
    assert str(caught.value) == (
        f"--sae-baseline {tmp_path} is a folder; --sae-baseline-update writes a file: name one "
        "that ends in .json, or give a name, for baselines/NAME.json"
    )
    refuse_baseline_options(Options(baseline=str(tmp_path)))

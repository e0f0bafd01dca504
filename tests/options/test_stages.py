"""Which options belong to which stage of a run, and what is refused by that."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest

from sae_checks.baseline.source import refuse_baseline_options
from sae_checks.cli.selftest import add_arguments
from sae_checks.errors import BaselineError, UserError
from sae_checks.options import FLAGS, OPTIONS, STRICT, Options, Stage, given, options_of
from sae_checks.session.gate import Gate
from tests import stored
from tests.plugin.gate_run import run_gate

EVERY = (*FLAGS, *OPTIONS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("stored"))


def test_every_option_has_a_stage_and_every_stage_an_option():
    assert {option.stage for option in EVERY} == set(get_args(Stage))


def test_every_field_is_set_by_one_option():
    """But for what tells which were given; strictness is pytest's own matter."""
    targets = sorted(option.target for option in EVERY if option is not STRICT)
    assert targets == sorted(each.name for each in fields(Options) if each.name != "given")


def test_what_was_given_is_told_from_what_is_so_by_default():
    assert not options_of({"seed": None, "fixed": False}).given
    options = options_of({"seed": 0, "fixed": True, "plan": False})
    assert options.given == {"seed", "fixed"}
    assert [option.name for option in given(options, "measure")] == ["--sae-fixed", "--sae-seed"]
    assert [option.name for option in given(options, "judge", "report")] == []
    # An option that was set to another value in Python is given too.
    assert replace(Options(), seed=1).is_given("seed")
    assert not Options().is_given("seed")
    assert not Options().is_given("store")


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.stage in ("measure", "shift")])
def test_no_option_of_measuring_goes_with_a_stored_measurement(option, folder):
    """Not even where it says what is so by default."""
    options = options_of({"measurements": folder, option.target: getattr(Options(), option.target)})
    options = replace(options, given=frozenset({"measurements", option.target}))
    with pytest.raises(UserError) as error:
        Gate(options)
    assert str(error.value) == (
        f"--sae-measurements judges tables as they were measured; {option.name} cannot change "
        "that, leave it out or measure again"
    )


def test_options_of_other_stages_go_with_a_stored_measurement(folder):
    kept = options_of({"measurements": folder, "store": Path("elsewhere"), "ids": ("*",)})
    assert Gate(kept).stored is not None


def test_the_default_seed_beside_a_stored_measurement_is_refused_by_a_run(tmp_path, folder):
    run = run_gate(tmp_path, "--sae-measurements", str(folder), "--sae-seed", "0")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert (
        "--sae-measurements judges tables as they were measured; --sae-seed cannot change that, "
        "leave it out or measure again"
    ) in run.output


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"match": (("a", "b"),)}, "--sae-match needs --sae-baseline, which names the baseline"),
        ({"equivalence": True}, "--sae-equivalence needs --sae-baseline, which names the baseline"),
        (
            {"equivalence": True, "baseline_update": True},
            "--sae-baseline-update needs --sae-baseline, which names the baseline",
        ),
        (
            {"baseline": "v1", "baseline_force": True},
            "--sae-baseline-force changes how a run ends that writes a baseline; it needs "
            "--sae-baseline-update",
        ),
        (
            {"baseline": "v1", "baseline_update": True, "match": (("a", "b"),)},
            "--sae-match says how to compare, but --sae-baseline-update writes the baseline and "
            "compares nothing; leave one of the two out",
        ),
    ],
)
def test_options_of_comparing_and_of_writing_a_baseline(values, message):
    with pytest.raises(BaselineError) as error:
        refuse_baseline_options(options_of(values))
    assert str(error.value) == message
    refuse_baseline_options(options_of({"baseline": "v1"}))
    refuse_baseline_options(options_of({}))


def test_selftest_takes_what_it_does_not_choose_itself():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = vars(parser.parse_args([])).keys()
    left_out = {option.target for option in OPTIONS if option.target not in known}
    assert left_out == {
        "measurements",
        "baseline",
        "match",
        "accept",
        "ranges",
        "ablate",
        "reports",
        "figures",
        "markdown",
    }

"""Accepted failures with a day and a bound, and the entries that a run writes of its failures."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

LAYER_0, LAYER_1 = (f"blocks.{layer}.hook_resid_pre" for layer in range(2))
DELTA_CE = Path("checks") / "check_delta_ce.py"
PAST = ("16:62", "16:19", "20:23", "24:31", "32:62")  # the claim, then its ranges


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """Past its training context, layer 0 costs thirty times as much as in it."""
    folder = tmp_path_factory.mktemp("broken")
    return stored.write_measurement(folder, delta_ce=stored.broken_past_context)


def judge(tmp_path: Path, folder: Path, entries: str, *arguments: str) -> GateRun:
    """By the bundled limits, with these accepted failures."""
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    limits = tmp_path / "limits.toml"
    limits.write_text(text.split("[[known_failure]]")[0] + entries, encoding="utf-8")
    given = (f"--sae-measurements={folder}", f"--sae-thresholds={limits}", *arguments)
    return run_gate(tmp_path, *given, suite=DELTA_CE)


def accept(check: str = "delta_ce_growth", **fields: object) -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in fields.items())
    return (
        f'\n[[known_failure]]\ncheck = "{check}"\nrelease = "made-up"\nsae = "{LAYER_0}"\n'
        f'reason = "trained on 16 tokens"\n{lines}'
    )


def growth(positions: str) -> str:
    return f"check_delta_ce_growth[{LAYER_0}-{positions}]"


def test_a_day_and_a_bound_that_hold_accept(tmp_path, broken):
    """Its last day is one on which an entry accepts."""
    today = accept(expires=date.today(), bound=40)
    usable = accept("usable_context", expires=date.today() + timedelta(days=1), bound=0.5)
    run = judge(tmp_path, broken, today + usable)
    assert run.exit_code == 0, run.output
    accepted = {case.name for case in run.with_outcome("xfailed")}
    assert accepted == {*map(growth, PAST), f"check_usable_context[{LAYER_0}]"}
    assert "trained on 16 tokens" in run.named(growth("16:19")).message
    told = f"accepted: 5 cells by [[known_failure]] delta_ce_growth of made-up ({LAYER_0})"
    assert told in run.output


def test_an_entry_whose_day_has_passed_accepts_nothing(tmp_path, broken):
    yesterday = date.today() - timedelta(days=1)
    run = judge(tmp_path, broken, accept(expires=yesterday), "-k", "delta_ce_growth")
    assert run.exit_code == 1
    assert {case.name for case in run.with_outcome("failed")} == {*map(growth, PAST)}
    message = run.named(growth("16:19")).message
    assert (
        f"\nnot accepted: [[known_failure]] delta_ce_growth of made-up ({LAYER_0}) accepted this "
        f"until {yesterday}"
    ) in message
    assert "Traceback" not in run.output


def worse_from_24_on(layer: int, position: np.ndarray) -> np.ndarray:
    """As broken as before up to position 23, then worse: 50 times instead of 30."""
    broken = stored.broken_past_context(layer, position)
    return np.where((layer == 0) & (position >= 24), 5.0, broken)


def test_what_is_beyond_the_bound_fails(tmp_path):
    """It got worse since it was accepted: what was accepted was another failure."""
    worse = stored.write_measurement(tmp_path, delta_ce=worse_from_24_on)
    entries = accept(bound=40) + accept("usable_context", bound=1.25)
    run = judge(tmp_path, worse, entries)
    assert run.exit_code == 1
    assert {case.name for case in run.with_outcome("xfailed")} == {
        growth("16:19"),
        growth("20:23"),
    }
    # The usable context is held to a minimum, so that its bound is a lower one: it is 1.
    usable = f"check_usable_context[{LAYER_0}]"
    failed = {case.name for case in run.with_outcome("failed")}
    assert failed == {growth("16:62"), growth("24:31"), growth("32:62"), usable}
    entry = f"[[known_failure]] delta_ce_growth of made-up ({LAYER_0})"
    message = run.named(growth("24:31")).message
    assert f"\nnot accepted: {entry} accepts this up to 40 and no further" in message
    entry = f"[[known_failure]] usable_context of made-up ({LAYER_0})"
    assert f"\nnot accepted: {entry} accepts this up to 1.25 and no" in run.named(usable).message


def test_what_a_run_writes_of_its_failures_makes_it_pass(tmp_path, broken):
    file = tmp_path / "accepted.toml"
    run = judge(tmp_path, broken, "", f"--sae-accept={file}")
    assert run.exit_code == 1
    assert (
        f"6 failures as [[known_failure]] in {file}: review them, give each its reason, and move "
        "them to the thresholds file"
    ) in run.output
    written = file.read_text(encoding="utf-8")
    entries = tomllib.loads(written)["known_failure"]
    assert len(entries) == 6
    (first,) = (each for each in entries if each.get("positions") == "16:19")
    value = float(run.named(growth("16:19")).properties["value"])
    assert first.pop("bound") == pytest.approx(value, rel=0.1)
    assert first.pop("reason").startswith(f"to be reviewed: {value:.4g} times is above the max")
    assert first == {
        "check": "delta_ce_growth",
        "release": "made-up",
        "sae": LAYER_0,
        "positions": "16:19",
        "expires": date.today() + timedelta(days=90),
    }
    (usable,) = (each for each in entries if each["check"] == "usable_context")
    assert "positions" not in usable
    assert usable["bound"] <= 1.0
    accepted = judge(tmp_path, broken, "\n" + written, f"--sae-accept={file}")
    assert accepted.exit_code == 0, accepted.output
    assert len(accepted.with_outcome("xfailed")) == 6
    # Of a run without failures there is nothing to accept.
    assert file.read_text(encoding="utf-8") == ""
    # Entries hold the release that they were made of, and no other one.
    fewer = stored.write_measurement(tmp_path, name="other", delta_ce=stored.broken_past_context)
    assert len(judge(tmp_path, fewer, "\n" + written).with_outcome("failed")) == 6


def slightly_worse(layer: int, position: np.ndarray) -> np.ndarray:
    """ΔCE and KL both differ from the baseline's, but not by as much."""
    return stored.flat(layer, position) + 0.03 * (layer == 1)


def test_accepted_regressions_make_a_run_pass(tmp_path):
    """Each comparison has its own entry, whichever check it compares."""
    baseline = stored.write_measurement(tmp_path / "baseline")
    table = stored.sae_table(1, slightly_worse)
    table.columns["kl"] *= 1.5
    worse = stored.write_measurement(tmp_path / "worse", tables={1: table})
    arguments = (f"--sae-baseline={baseline}", "-k", "check_regression")
    file = tmp_path / "accepted.toml"
    run = judge(tmp_path, worse, "", *arguments, f"--sae-accept={file}")
    assert len(run.with_outcome("failed")) == 10
    written = file.read_text(encoding="utf-8")
    accepted = judge(tmp_path, worse, "\n" + written, *arguments)
    assert accepted.exit_code == 0, accepted.output
    assert len(accepted.with_outcome("xfailed")) == 10

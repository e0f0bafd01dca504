"""Budgets that nobody means are refused in one sentence, before anything is loaded."""

from __future__ import annotations

import argparse

import pytest

from sae_checks.options import OPTIONS
from tests.plugin.gate_run import run_gate

BY_NAME = {option.name: option for option in OPTIONS}


@pytest.mark.parametrize(
    ("option", "most"),
    [
        ("--sae-tokens", 100_000_000),
        ("--sae-items", 1_000_000),
        ("--sae-context", 1_048_576),
        ("--sae-training-context", 1_048_576),
    ],
)
def test_the_most_that_is_taken(option, most):
    parse = BY_NAME[option].parse
    assert parse(f"{most:,}") == most
    for text, message in (
        (str(most + 1), f"must be {most:,} or less, not '{most + 1}'"),
        ("0", "must be 1 or more, not '0'"),
        ("1e6", "must be a whole number, not '1e6'"),
    ):
        with pytest.raises(argparse.ArgumentTypeError) as error:
            parse(text)
        assert str(error.value) == message


def test_a_run_is_refused_at_once(tmp_path):
    run = run_gate(tmp_path, "--sae-tokens", "999999999999999999", "--sae-plan")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert (
        "error: argument --sae-tokens: must be 100,000,000 or less, not '999999999999999999'"
    ) in run.output
    assert "collected" not in run.output

"""Numbers beyond what is computed with, and texts that say nothing, are refused by line."""

from __future__ import annotations

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds_file import parse_thresholds
from tests.judge.thresholds_text import CHECKS

TABLE = '[checks.delta_ce]\nunit = "nats"\nmargin = 0.05\n'


def refusal(text: str) -> str:
    with pytest.raises(ThresholdsError) as caught:
        parse_thresholds(text, CHECKS)
    return str(caught.value)


@pytest.mark.parametrize("sign", ["", "-"])
def test_numbers_that_no_float_holds(sign: str):
    told = refusal(f"{TABLE}max = {sign}{'9' * 400}")
    assert told == (
        "thresholds.toml, line 4: max of [checks.delta_ce] must be a number, got an integer of "
        "400 digits"
    )


def test_numbers_that_python_does_not_read():
    assert refusal(f"{TABLE}max = {'9' * 5_000}").startswith(
        "thresholds.toml holds a number that cannot be read: "
    )


def test_deep_nesting():
    told = refusal("a = " + "[" * 50_000 + "]" * 50_000)
    assert told == "thresholds.toml nests tables or lists too deeply to be read"


def test_positions_of_thousands_of_digits():
    override = f'[[checks.delta_ce.override]]\npositions = "1:{"9" * 5_000}"\nmax = 1\n'
    assert "no text is as long as that" in refusal(f"{TABLE}max = 0.3\n{override}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "confidence = 0.9999999999999999",
            "confidence of [gate] must be 0.999999999 or less, which no sample can tell from 1",
        ),
        (
            "claims_error = 1e-320",
            "claims_error of [gate] must be 1e-09 or more, got 9.99989e-321; no sample shows less",
        ),
        ("tasks = " + "9" * 400, "tasks of [gate] must be 1,000 or less"),
    ],
)
def test_errors_that_no_sample_shows(line: str, told: str):
    assert refusal(f"[gate]\n{line}") == f"thresholds.toml, line 2: {told}"


def test_a_blank_reason():
    known = '[[known_failure]]\ncheck = "delta_ce"\nrelease = "x"\nreason = "  "\n'
    told = "is blank: say in a few words why"
    assert refusal(known) == f"thresholds.toml, line 4: reason of [[known_failure]] {told}"
    override = '[[checks.delta_ce.override]]\nlayer = 1\nmax = 1\nreason = " "\n'
    where = "reason of [[checks.delta_ce.override]]"
    assert (
        refusal(f"{TABLE}max = 0.3\n{override}")
        == f"thresholds.toml, line 8: {where} {told}, or leave it out"
    )


@pytest.mark.parametrize("line", ["confidence = {}", "undecided_claims = {}"])
def test_numbers_of_other_bases_may_have_any_number_of_digits(line: str):
    """Python reads them and writes out none of them."""
    assert "thousands of digits" in refusal("[gate]\n" + line.format("0x" + "f" * 5_000))

"""docs/thresholds.md says what the code takes: its example is read, its tables are compared."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import date
from fnmatch import fnmatchcase
from typing import get_args

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.evals.registry import selectors
from sae_checks.judge.thresholds import Gate, KnownFailure, Limit, Margin, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.verdict import FEWEST_UNITS, FEWEST_UNITS_TO_STOP, Status
from sae_checks.records import PositionRange
from sae_checks.session.suite import bundled_checks
from tests.docs.pages import example, in_code, page, rows
from tests.places import place, where

PAGE = page("thresholds.md")
RULES = {name: CheckRules(each.unit, each.parameters) for name, each in bundled_checks().items()}
DELTA_CE = '[checks.delta_ce]\nmax = 0.35\nmargin = 0.05\nunit = "nats"\n'
OVERRIDE = f"{DELTA_CE}[[checks.delta_ce.override]]\nlayer = 3\nmax = 0.4\n"


def read(text: str) -> Thresholds:
    return parse_thresholds(text, RULES, selectors=selectors())


def test_the_example_is_read_as_the_page_says():
    thresholds = read(example(PAGE, "toml"))
    assert thresholds.gate == Gate()  # it spells out the defaults
    late = place("gpt2-small-res-jb", "blocks.9.hook_resid_pre", 9, "hook_resid_pre")
    assert thresholds.limit("delta_ce", late) == Limit(
        "nats",
        max=0.4,
        margin=0.05,  # what an override leaves out stays as it was
        source="late layers are harder",
        regression=Margin("higher", by=0.005, share=0.05),
        equivalence=Margin("either", by=0.002, share=0.02),
    )
    assert thresholds.limit("mse", late) == Limit("activation²", report_only=True)
    assert thresholds.known_failures == (
        KnownFailure(
            "delta_ce_growth",
            where(
                release="gpt2-small-res-jb", sae="blocks.0.*", positions=PositionRange(160, 1022)
            ),
            "trained at 128 tokens; use it there",
            bound=400,
            expires=date(2027, 3, 1),
        ),
    )


def test_the_keys_of_gate_and_their_defaults():
    told = {in_code(key)[0]: default.strip('`"') for key, default, _ in rows(PAGE, "| key | def")}
    gate = {each.name: getattr(Gate(), each.name) for each in fields(Gate)}
    assert told == {key: str(value).replace("False", "false") for key, value in gate.items()}


def legal_keys(text: str) -> set[str]:
    """What a refused key's message says is legal."""
    with pytest.raises(ThresholdsError) as error:
        read(text + "nonsense = 1\n")
    return set(str(error.value).partition("legal: ")[2].split(", "))


def test_the_keys_of_a_check():
    _, section = PAGE.split("## `[checks.NAME]`")
    told = {key for row in rows(section, "| key | ") for key in in_code(row[0])}
    assert told | {"override"} == legal_keys(DELTA_CE)


def test_the_selectors_and_settings_of_an_override():
    selectors = {key for row in rows(PAGE, "| selector | ") for key in in_code(row[0])}
    _, after = PAGE.split("\nIt sets ")
    settings = {key.split(" = ")[0] for key in in_code(after.split("or a parameter")[0])}
    assert selectors | settings | {"reason"} == legal_keys(OVERRIDE)


def test_the_keys_of_a_known_failure():
    _, section = PAGE.split("## `[[known_failure]]`")
    told = {key for row in rows(section, "| key | ") for key in in_code(row[0])}
    assert told == legal_keys("[[known_failure]]\n")


def test_the_parameters_of_checks():
    _, after = PAGE.split("\nParameters are ")
    sentence = " ".join(after.split("\n\n")[0].split())
    told = {}
    for parameter, of in re.findall(r"`(\w+)` \(of ((?:`[\w*]+`(?: and )?)+)", sentence):
        told |= dict.fromkeys(in_code(of), parameter)
    assert {name: "".join(each.parameters) for name, each in RULES.items() if each.parameters} == {
        name: parameter
        for pattern, parameter in told.items()
        for name in RULES
        if fnmatchcase(name, pattern)
    }


def test_the_verdicts():
    told = [in_code(row[0])[0] for row in rows(PAGE, "| verdict | ")]
    assert sorted(told) == sorted(get_args(Status))
    assert (
        f"\nToo few are fewer than {FEWEST_UNITS}, and fewer than {FEWEST_UNITS_TO_STOP} while a "
        "sample grows." in PAGE
    )


@pytest.mark.parametrize("question", ["regression", "equivalence"])
def test_accepted_failures_of_comparisons(question):
    """Of one check, of all; and a check's own entry is none of its comparison."""
    of_one = f"{question} of delta_ce"
    assert f'"{of_one}"`' in PAGE
    covered = {}
    for check in (of_one, question, "delta_ce"):
        entry = f'[[known_failure]]\ncheck = "{check}"\nrelease = "*"\nreason = "known"\n'
        thresholds = read(DELTA_CE + entry)
        covered[check] = [
            asked
            for asked in ("delta_ce", of_one, f"{question} of l0")
            if thresholds.known_failure(asked, place("mine")) is not None
        ]
    assert covered == {
        of_one: [of_one],
        question: [of_one, f"{question} of l0"],
        "delta_ce": ["delta_ce"],
    }


@pytest.mark.parametrize("name", ["thresholds.md", "writing-a-check.md"])
def test_lines_are_wrapped(name):
    assert [line for line in page(name).splitlines() if len(line) > 100] == []

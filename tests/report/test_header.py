"""The start of a run, in three lines and in all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.judge.thresholds import Changes
from sae_checks.records import Declared, DeclaredFigure
from sae_checks.report.header import header_lines, short_header_lines
from tests.report.results import run_facts


def test_limits_that_were_changed_are_named_however_short_the_header_is():
    changes = Changes(checks=("delta_ce", "l0"), gate=("confidence",), known_failures=2)
    facts = run_facts(changes=changes, device="cpu")
    told = (
        f"sae-checks: {facts.limits} changes of the shipped limits: delta_ce, l0, confidence of "
        "[gate], 2 accepted failures"
    )
    assert told in header_lines(facts)
    assert told == short_header_lines(facts)[-1]
    assert len(short_header_lines(run_facts(device="cpu"))) == 3


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Declared(), ""),
        (Declared(dataset="a/corpus"), ""),
        (
            Declared(l0=DeclaredFigure(20.0, "its path")),
            "; nor is the declared L0 compared with what is measured",
        ),
        (
            Declared(DeclaredFigure(20.0, "its path"), DeclaredFigure(0.9, "its cfg.json")),
            "; nor is the declared L0 and explained variance compared with what is measured",
        ),
    ],
)
def test_what_is_not_compared_without_a_training_context_is_said(declared: Declared, told: str):
    facts = run_facts()
    one, *others = facts.release.saes
    without = replace(one, training_context=None, declared=declared)
    release = replace(facts.release, saes=(without, *others))
    (line,) = [each for each in header_lines(replace(facts, release=release)) if "not decl" in each]
    assert line.endswith(f"as within it, and nothing is asked past it{told}")


def test_what_is_computed_on_is_said():
    facts = run_facts(device="cuda")
    assert short_header_lines(facts)[1].endswith("; seed 0; on cuda")
    assert any(line.endswith("; on cuda") for line in header_lines(facts))

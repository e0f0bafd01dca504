"""What the README of the SmolLM2 example quotes, as far as no figure is in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sae_checks.options.declared import FLAGS, OPTIONS

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "smollm2"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def quote(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    import quote

    yield quote
    del sys.modules["quote"]


PRINTED = f"""\
==== test session starts ====
collected 3 items
sae-checks: release saes: 4 SAEs, model {CHECKOUT}/smollm2/model
sae-checks: measured in 10 s

checks/check_l0.py F.F
==== sae-checks: saes ====

FAILED: 2 claims failed
  more: pytest checks/ {"--sae-x " * 20}

FAILED l0 0.5: check…
and 71 tests more: -v lists all
==== 2 failed, 1 passed in 1.00s ====
"""


def test_what_is_quoted(quote):
    long = ("  more: pytest checks/ " + "--sae-x " * 20)[:99] + "…"
    assert quote.quoted(PRINTED) == (
        "sae-checks: release saes: 4 SAEs, model smollm2/model\n"
        "sae-checks: measured in 10 s\n"
        "…\n"
        "==== sae-checks: saes ====\n"
        "\n"
        "FAILED: 2 claims failed\n"
        f"{long}\n"
        "\n"
        "…\n"
        "==== 2 failed, 1 passed in 1.00s ====\n"
    )


def test_a_run_that_was_refused_is_not_quoted(quote):
    with pytest.raises(ValueError, match="no closing summary in what was printed: ERROR: no"):
        quote.quoted("ERROR: no such release\n")


def test_commands_have_options_that_there_are(quote):
    commands = quote.commands(README)
    assert len(commands) >= 2
    known = {option.name for option in (*OPTIONS, *FLAGS)}
    for command in commands:
        used = re.findall(r"(?<=\s)--sae[a-z-]*", command)
        assert used
        assert set(used) <= known, command


def test_the_dictionaries_are_those_that_are_trained(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    from hook_points import DICTIONARIES

    for each in DICTIONARIES:
        for name in {each.name, *each.hook_points}:
            assert f"`{name}`" in README

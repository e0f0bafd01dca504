"""Results of made-up runs, as reports are given them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import Release
from sae_checks.session.result import RunFacts, RunResult
from tests import stored

RELEASE = Release("made-up", "folder", stored.LOADING, (stored.sae_ref(0), stored.sae_ref(1)))
TODAY = date(2026, 1, 31)


def run_facts(**changes: Any) -> RunFacts:
    """Of two SAEs on a corpus."""
    facts: dict[str, Any] = {
        "release": RELEASE,
        "context": stored.CONTEXT,
        "corpus": "tales",
        "tokens": 6_400,
        "seed": 0,
        "limits": Path("thresholds.toml"),
    }
    return RunFacts(**{**facts, **changes})


def run_result(**changes: Any) -> RunResult:
    """Of a run that had no tests, but for the changes."""
    result: dict[str, Any] = {"facts": run_facts(), "thresholds": Thresholds(), "today": TODAY}
    return RunResult(**{**result, **changes})

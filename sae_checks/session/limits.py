"""The limits that a run's checks are held to: those of the file, and of decorators beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.evals.registry import selectors
from sae_checks.judge.check import Check
from sae_checks.judge.overlay import Shipped
from sae_checks.judge.thresholds import CheckLimits, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, read_table, read_thresholds
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks


def run_thresholds(file: Path | None, collected: Mapping[str, Check]) -> Thresholds:
    """The limits for the suite's checks and for those collected beside it.

    Args:
        file: of thresholds, laid over the bundled ones; these alone without it.
        collected: the checks that were met, by name.

    Raises:
        ThresholdsError: the file is malformed.
    """
    bundled = bundled_checks()
    checks = {**bundled, **collected}
    rules = {name: CheckRules(c.unit, c.parameters) for name, c in checks.items()}
    own = {
        name: check.default
        for name, check in collected.items()
        if name not in bundled and check.default is not None
    }
    shipped = None if file is None else Shipped(read_table(BUNDLED_THRESHOLDS), own)
    read = read_thresholds(file or BUNDLED_THRESHOLDS, rules, selectors(), shipped)
    # The suite's own checks have no limits but those of the file: one that is left out there must
    # be noticed, not reported without a limit.
    defaults = {name: CheckLimits(limit, by_default=True) for name, limit in own.items()}
    return replace(read, checks={**defaults, **read.checks})


def refuse_many_tasks(thresholds: Thresholds, asked: Collection[str], *, stored: bool) -> None:
    """Refuse checks on more tasks than the error of the claims is shared by.

    Args:
        thresholds: which say by how many it is shared.
        asked: names of the tasks.
        stored: whether a stored measurement is judged, whose tasks are given.

    Raises:
        UserError: there are more.
    """
    most = thresholds.gate.tasks
    if len(asked) > most:
        fewer = "choose some with -k" if stored else "ask for fewer with --sae-task"
        raise UserError(
            f"checks are asked of {len(asked)} tasks ({', '.join(sorted(asked))}), but the "
            f"limits share the error of the claims by {most} at most: {fewer}, or raise tasks "
            "in [gate]"
        )

"""How much of the budget a run's verdicts took."""

from __future__ import annotations

from sae_checks.session.result import RunResult, total


def budget_lines(result: RunResult) -> list[str]:
    """One line on the budget of an adaptive run; none where the whole of it was asked for."""
    spent, budget = total(result.passes)
    if not result.adaptive or not budget:
        return []
    return [
        f"decided with {spent / budget:.0%} of the budget: {spent:,} of {budget:,} passes of an "
        "SAE over a text or an item (--sae-fixed measures all)"
    ]

"""What checks may ask to be measured: the columns of all evaluations."""

from __future__ import annotations

from collections.abc import Set

from sae_checks.evals import context, tasks
from sae_checks.measure.evaluation import Evaluation

MEASURED: tuple[Evaluation, ...] = (context.EVALUATION, tasks.EVALUATION)


def refuse_unknown(needs: Set[str]) -> None:
    """Raise ValueError where a check needs what does not exist (a mistake in the check)."""
    unknown = sorted(needs - frozenset().union(*(each.names for each in MEASURED)))
    if unknown:
        there = ", and ".join(_told(each) for each in MEASURED)
        raise ValueError(f"no such column: {', '.join(unknown)}; there are, {there}")


def _told(evaluation: Evaluation) -> str:
    """As "per token, l0, l1 and mse"."""
    *names, last = [column.name for column in evaluation.columns if not column.hidden]
    return f"per {evaluation.each}, {', '.join(names)} and {last}"

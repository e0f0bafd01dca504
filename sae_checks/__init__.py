"""sae-checks: a pytest-style regression gate for sparse autoencoder releases.

A check of one's own needs three names, `from sae_checks import Cell, Estimate, check`; they are
loaded when asked for, since every pytest run imports this package for its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sae_checks.checking import check
    from sae_checks.evals.activity.cells import ActivityCell
    from sae_checks.evals.context.cells import Cell, ReleaseCell
    from sae_checks.evals.declared.cells import DeclaredCell
    from sae_checks.evals.positions.cells import PositionCell
    from sae_checks.evals.propagation.cells import PropagationCell, PropagationReleaseCell
    from sae_checks.evals.shift.cells import ShiftCell
    from sae_checks.evals.stack.cells import StackCell, StackedSaeCell
    from sae_checks.evals.tasks.cells import TaskCell
    from sae_checks.evals.tasks.release import TaskReleaseCell
    from sae_checks.judge.estimate import Estimate

__all__ = [
    "ActivityCell",
    "Cell",
    "DeclaredCell",
    "Estimate",
    "PositionCell",
    "PropagationCell",
    "PropagationReleaseCell",
    "ReleaseCell",
    "ShiftCell",
    "StackCell",
    "StackedSaeCell",
    "TaskCell",
    "TaskReleaseCell",
    "check",
]

_HOMES = {
    "ActivityCell": "sae_checks.evals.activity.cells",
    "Cell": "sae_checks.evals.context.cells",
    "ReleaseCell": "sae_checks.evals.context.cells",
    "PropagationCell": "sae_checks.evals.propagation.cells",
    "PropagationReleaseCell": "sae_checks.evals.propagation.cells",
    "DeclaredCell": "sae_checks.evals.declared.cells",
    "PositionCell": "sae_checks.evals.positions.cells",
    "ShiftCell": "sae_checks.evals.shift.cells",
    "Estimate": "sae_checks.judge.estimate",
    "StackCell": "sae_checks.evals.stack.cells",
    "StackedSaeCell": "sae_checks.evals.stack.cells",
    "TaskCell": "sae_checks.evals.tasks.cells",
    "TaskReleaseCell": "sae_checks.evals.tasks.release",
    "check": "sae_checks.checking",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

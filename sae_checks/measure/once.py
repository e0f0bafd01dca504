"""Measure a data set at one go, with nothing stored and nobody asked whether that is enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_checks.measure.engine import listen
from sae_checks.measure.evaluation import Measurer, Measuring
from sae_checks.records import IntArray, Table


def measure_once(
    measuring: Measuring, measurer: Measurer, units: IntArray | None = None
) -> list[Table]:
    """The tables of all interventions, complete, their rows in the order of the units.

    Args:
        measuring: the model, the SAEs, and what is measured.
        measurer: of the evaluation.
        units: only these, in the order in which they are to be read; all without it.
    """
    return measure_together([(measuring, measurer)], units)


def measure_together(
    evaluations: Sequence[tuple[Measuring, Measurer]], units: IntArray | None = None
) -> list[Table]:
    """The tables of several evaluations, which listen to the same passes over one data set.

    Args:
        evaluations: each with its measurer; at least one, all with the same model, SAEs and data.
        units: only these, in the order in which they are to be read; all without it.
    """
    measuring, _ = evaluations[0]
    dataset, model, settings = measuring.dataset, measuring.model, measuring.settings
    if units is None:
        units = np.concatenate(dataset.parts(0, dataset.size, model, settings))
    listeners = [measurer.listen(units, each.interventions) for each, measurer in evaluations]
    listen(model, measuring.saes, dataset.batches(units, model, settings), listeners)
    order = np.argsort(units, kind="stable")
    return [table.in_order(order) for listener in listeners for table in listener.tables()]

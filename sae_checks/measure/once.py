"""Measure a data set at one go, with nothing stored and nobody asked whether that is enough."""

from __future__ import annotations

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
    dataset, model, settings = measuring.dataset, measuring.model, measuring.settings
    if units is None:
        units = np.concatenate(dataset.parts(0, dataset.size, model, settings))
    listener = measurer.listen(units, measuring.interventions)
    listen(model, measuring.saes, dataset.batches(units, model, settings), [listener])
    order = np.argsort(units, kind="stable")
    return [table.in_order(order) for table in listener.tables()]

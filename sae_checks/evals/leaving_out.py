"""A measurement without some of its independent units, for statistics of unknown influences.

Texts and items are dealt out to `GROUPS` groups; what is not independent, such as the items of one
document, is of one group.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sae_checks.records import TEXTS, IntArray, Measurement


def groups_in(measurement: Measurement, dataset: str = TEXTS) -> IntArray:
    """The groups that have a unit of a data set, in rising order."""
    groups = [table.groups for key, table in measurement.tables.items() if key.dataset == dataset]
    return np.unique(np.concatenate(groups)) if groups else np.arange(0)


def without_group(measurement: Measurement, group: int) -> Measurement:
    """The measurement without the units of one group."""
    tables = {key: table.without_group(group) for key, table in measurement.tables.items()}
    return replace(measurement, tables=tables)

"""What tests of measuring share: evaluations run at one go, and names of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sae_checks.evals import activity
from sae_checks.evals.context import columns as context
from sae_checks.evals.propagation import columns as propagation
from sae_checks.evals.tasks import columns as tasks
from sae_checks.evals.tasks.ablation import Chosen, ablate
from sae_checks.evals.tasks.table import AblationTable
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Items
from sae_checks.measure.items import ItemDataset
from sae_checks.measure.loaded import SaeSource, bind_saes
from sae_checks.measure.pass_options import PassOptions
from sae_checks.records.column import Column
from sae_checks.records.dataset import DatasetRef


def names(columns: Sequence[Column], *, rows_only: bool = False) -> frozenset[str]:
    """Of columns that checks may ask for."""
    return frozenset(c.name for c in columns if not c.hidden and not (rows_only and c.side_table))


TEXT_NEEDS, TEXT_COLUMNS = names(context.COLUMNS), names(context.COLUMNS, rows_only=True)
ITEM_NEEDS, ITEM_COLUMNS = names(tasks.COLUMNS), names(tasks.COLUMNS, rows_only=True)
FEATURE_NEEDS = names(activity.COLUMNS)
PAIR_NEEDS = names(propagation.COLUMNS)
LOSS_COLUMNS = frozenset(c.name for c in context.COLUMNS if c.unembeds)
ACTIVATION_COLUMNS = TEXT_COLUMNS - LOSS_COLUMNS


def bind(model: LanguageModel, saes: Sequence[LoadedSae]) -> dict[str, str]:
    """Why SAEs do not fit the model."""
    return bind_saes(model, [sae.ref for sae in saes])


def ablated(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    items: Items,
    window: int,
    chosen: Mapping[str, Chosen],
    settings: PassOptions = PassOptions(),
) -> dict[str, AblationTable]:
    """Features ablated on all items, by SAE id."""
    dataset = ItemDataset(items, DatasetRef("made-up"), window)
    refs, units = [sae.ref for sae in saes], np.arange(dataset.size)
    return ablate(model, SaeSource.of(saes), refs, dataset, units, chosen, settings)

"""Two tables of one SAE, measured on one stretch after the other, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from sae_checks.records import FeatureTable, IntArray, PositionSums, SaeTable, TaskTable


def join_texts(first: SaeTable, second: SaeTable) -> SaeTable:
    """The texts of both."""
    return replace(
        first,
        columns={
            name: np.concatenate([values, second.columns[name]])
            for name, values in first.columns.items()
        },
        massive=np.concatenate([first.massive, second.massive]),
        position_sums=_join_sums(first.position_sums, second.position_sums),
        documents=_join_documents(first, second),
        complete=second.complete,
    )


def join_items(first: TaskTable, second: TaskTable) -> TaskTable:
    """The items of both; ablations, which were chosen by the first alone, are left out."""
    clusters = np.concatenate([_clusters(first, 0), _clusters(second, first.items)])
    return replace(
        first,
        columns={
            name: np.concatenate([values, second.columns[name]])
            for name, values in first.columns.items()
        },
        prompt_tokens=np.concatenate([first.prompt_tokens, second.prompt_tokens]),
        sources=(*first.sources, *second.sources),
        features=_join_features([t.features for t in (first, second) if t.features is not None]),
        ablations=None,
        complete=second.complete,
        clusters=clusters if len(np.unique(clusters)) < len(clusters) else None,
    )


def _join_sums(first: PositionSums | None, second: PositionSums | None) -> PositionSums | None:
    if first is None or second is None:
        return None
    names = [field.name for field in fields(PositionSums)]
    return PositionSums(**{name: getattr(first, name) + getattr(second, name) for name in names})


def _join_documents(first: SaeTable, second: SaeTable) -> NDArray[np.int32] | None:
    """None where neither tells documents apart from texts.

    Raises:
        ValueError: one of the two does, so that nobody knows whether they share any.
    """
    if first.documents is None and second.documents is None:
        return None
    if first.documents is None or second.documents is None:
        raise ValueError(f"only one of two tables of {first.sae.sae_id} knows its documents")
    return np.concatenate([first.documents, second.documents])


def _clusters(table: TaskTable, before: int) -> IntArray:
    """Each item's cluster; items without one are numbered as what they are, one of their own."""
    return np.arange(before, before + table.items) if table.clusters is None else table.clusters


def _join_features(tables: Sequence[FeatureTable]) -> FeatureTable | None:
    if not tables:
        return None
    feature = np.unique(np.concatenate([table.feature for table in tables]))
    summed = {}
    for name in (field.name for field in fields(FeatureTable) if field.name != "feature"):
        parts = [getattr(table, name) for table in tables]
        total = np.zeros((len(feature), *parts[0].shape[1:]), dtype=parts[0].dtype)
        for table, part in zip(tables, parts, strict=True):
            total[np.searchsorted(feature, table.feature)] += part
        summed[name] = total
    return FeatureTable(feature=feature, **summed)

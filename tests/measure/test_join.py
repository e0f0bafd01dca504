"""Measuring in parts and joining them is measuring at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.context.table import POSITION_SUMS, ContextTable, PositionSums
from sae_checks.evals.tasks.columns import task_plan
from sae_checks.evals.tasks.measuring import measure_items
from sae_checks.evals.tasks.table import FEATURES, FeatureTable, TaskTable
from sae_checks.load.tasks.items import Item, Items
from sae_checks.measure.pass_options import PassOptions
from sae_checks.records import GROUPS, Table
from tests import stored
from tests.builders import (
    BOS,
    VOCABULARY,
    loaded_sae,
    random_texts,
    shared_language_model,
)
from tests.measuring import ITEM_NEEDS, TEXT_NEEDS, bind

EVERYTHING = context_plan(TEXT_NEEDS)
HOOK_POINT = "blocks.1.hook_resid_pre"
# Where a part ends and the next begins.
SEAMS = [(0, 6, 12), (0, 1, 2, 12), (0, 5, 11, 12)]


def parts(seams: Sequence[int]) -> list[slice]:
    return [slice(*pair) for pair in pairwise(seams)]


@pytest.mark.parametrize("seams", SEAMS, ids=str)
@pytest.mark.parametrize("architecture", ["standard", "topk"])
def test_texts_in_parts(architecture: str, seams: tuple[int, ...]):
    """Special tokens, massive ones, ablations and position sums included."""
    texts, settings = random_texts(texts=12), PassOptions()
    texts = replace(
        texts, documents=np.cumsum(texts.special.ravel(), dtype=np.int32).reshape(12, -1)
    )
    model, sae = shared_language_model(), loaded_sae(HOOK_POINT, architecture)
    assert bind(model, [sae]) == {}
    whole = measure_texts(model, [sae], texts, EVERYTHING)[HOOK_POINT]
    # What is learnt of a hook point is learnt of all texts, whichever of them are measured.
    of_parts = (
        measure_texts(model, [sae], texts, EVERYTHING, settings, np.arange(12)[rows])[HOOK_POINT]
        for rows in parts(seams)
    )
    joined = reduce(ContextTable.join, of_parts)
    assert joined.columns.keys() == whole.columns.keys()
    for name, values in whole.columns.items():
        np.testing.assert_allclose(joined.columns[name], values, rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_array_equal(joined.massive, whole.massive)
    np.testing.assert_array_equal(joined.documents, whole.documents)
    np.testing.assert_array_equal(whole.documents == -1, np.isnan(whole.columns["norm"]))
    assert joined.texts == 12
    assert not joined.part
    for name in (field.name for field in fields(PositionSums)):
        ours, theirs = (getattr(each.position_sums, name) for each in (joined, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3, err_msg=name)


def less(table: Table, name: str) -> Any:
    """A table without a side table or label."""
    side = {key: each for key, each in table.side.items() if key != name}
    labels = {key: each for key, each in table.labels.items() if key != name}
    return replace(table, side=side, labels=labels)


def text_table(texts: int, *, complete: bool = True) -> ContextTable:
    return replace(stored.sae_table(0, texts=texts), complete=complete)


def test_the_latter_part_says_whether_all_is_there():
    for first, second in ((False, True), (False, False)):
        joined = text_table(2, complete=first).join(text_table(3, complete=second))
        assert (joined.texts, joined.complete) == (5, second)


def test_documents_of_one_part_alone_are_a_mistake():
    table = text_table(2)
    known = replace(table, labels={**table.labels, "document": np.zeros_like(table.massive, int)})
    for first, second in ((known, text_table(2)), (text_table(2), known)):
        with pytest.raises(ValueError, match=r"^only one of two tables of .* has document$"):
            first.join(second)
    assert text_table(2).join(text_table(2)).documents is None


def test_sums_of_some_texts_are_no_sums_of_all():
    """An earlier run that did not need them did not take them."""
    without = less(text_table(2), POSITION_SUMS)
    assert without.join(text_table(3)).position_sums is None
    assert text_table(2).join(without).position_sums is None


COUNT = 24
# Documents of three items in a row, two whose items lie far apart, and items of no document.
CLUSTERS = [
    "",
    "a",
    "",
    "far",
    "a",
    *(f"document {row // 3}" for row in range(15)),
    "far",
    "z",
    "",
    "z",
]
CLUSTERED = {
    "none": [""] * COUNT,
    "one_item_each": [f"document {row}" for row in range(COUNT)],
    "several_items_each": CLUSTERS,
    # Only the last part shows that items share documents at all.
    "late": [*(f"{row}" for row in range(COUNT - 2)), "x", "x"],
}


def random_items(clusters: Sequence[str]) -> Items:
    generator = np.random.default_rng(0)
    items = []
    for row, cluster in enumerate(clusters):
        prompt = generator.integers(1, VOCABULARY, generator.integers(3, 20)).tolist()
        answer = int(generator.integers(1, VOCABULARY))
        candidates = (answer, (answer + 1) % VOCABULARY)
        items.append(Item(f"row {row}", (BOS, *prompt), (answer,), candidates, cluster))
    return Items(tuple(items), frozenset({BOS}), {}, "")


def assert_same_task(joined: TaskTable, whole: TaskTable) -> None:
    assert joined.columns.keys() == whole.columns.keys()
    for name, values in whole.columns.items():
        np.testing.assert_allclose(joined.columns[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    assert joined.prompt_tokens.tolist() == whole.prompt_tokens.tolist()
    assert joined.sources == whole.sources
    assert (joined.clusters is None) == (whole.clusters is None)
    assert joined.groups.tolist() == whole.groups.tolist()
    assert joined.ablations is None
    assert joined.features is not None
    assert whole.features is not None
    for name in (field.name for field in fields(FeatureTable)):
        ours, theirs = (getattr(each.features, name) for each in (joined, whole))
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("seams", [(0, 12, 24), (0, 4, 5, 24), (0, 22, 23, 24)], ids=str)
@pytest.mark.parametrize("clusters", CLUSTERED.values(), ids=CLUSTERED)
def test_items_in_parts(clusters: list[str], seams: tuple[int, ...]):
    """Clusters keep their number across a seam, and with it items and features their group."""
    model, sae = shared_language_model(), loaded_sae(HOOK_POINT)
    assert bind(model, [sae]) == {}
    items, ref = random_items(clusters), stored.task_ref("words", ITEM_NEEDS, COUNT)
    plan = task_plan(ITEM_NEEDS, ITEM_NEEDS)

    def measured(rows: slice) -> TaskTable:
        units = np.arange(COUNT)[rows]
        return measure_items(model, [sae], ref, items, plan, units=units)[HOOK_POINT]

    joined = reduce(TaskTable.join, (measured(rows) for rows in parts(seams)))
    assert_same_task(joined, measured(slice(None)))
    labels = dict(zip(clusters, joined.groups.tolist(), strict=True))
    assert all(
        group == labels[cluster]
        for cluster, group in zip(clusters, joined.groups.tolist(), strict=True)
        if cluster
    )


def task_table(items: int) -> TaskTable:
    return stored.task_table(0, "words", items)


def with_features(items: int, features: FeatureTable) -> TaskTable:
    table = task_table(items)
    return replace(table, side={**table.side, FEATURES: features})


def test_ablations_are_left_out():
    """Of another choice of features: that of the first items alone."""
    first = task_table(10)
    assert first.ablations is not None
    joined = replace(first, complete=False).join(task_table(5))
    assert joined.ablations is None
    assert (joined.items, joined.complete) == (15, True)


def test_without_features_there_is_nothing_to_add_up():
    joined = less(task_table(10), FEATURES).join(less(task_table(5), FEATURES))
    assert joined.features is None


def features(rows: dict[int, list[int]]) -> FeatureTable:
    """Features with these scores in the groups 0, 1, ...; of as many items as points."""
    feature = np.array(sorted(rows), dtype=np.int64)
    score = np.zeros((len(rows), GROUPS), dtype=np.int64)
    for row, index in enumerate(feature):
        score[row, : len(rows[index])] = rows[index]
    items = np.abs(score)
    sums = items.sum(axis=1)
    return FeatureTable(
        feature=feature,
        items=sums,
        delta_ln_p=0.5 * score.sum(axis=1),
        score=score.sum(axis=1),
        strength=2.0 * sums,
        weighted_delta_ln_p=1.0 * score.sum(axis=1),
        weighted_score=2.0 * score.sum(axis=1),
        group_items=items,
        group_score=score,
    )


def test_features_by_hand():
    """Feature 3 is active in both parts, 1 and 7 in one each."""
    first = with_features(10, features({1: [1, 0, 2], 3: [-1, 0, 0]}))
    second = with_features(10, features({3: [0, 2, 1], 7: [-3]}))
    joined = first.join(second).features
    assert joined is not None
    expected = features({1: [1, 0, 2], 7: [-3]})
    assert joined.feature.tolist() == [1, 3, 7]
    assert joined.items[[0, 2]].tolist() == expected.items.tolist()
    assert joined.group_score[:, :3].tolist() == [[1, 0, 2], [-1, 2, 1], [-3, 0, 0]]
    assert joined.group_items[:, :3].tolist() == [[1, 0, 2], [1, 2, 1], [3, 0, 0]]
    assert joined.score.tolist() == [3, 2, -3]
    assert joined.items.tolist() == [3, 4, 3]
    assert joined.delta_ln_p.tolist() == [1.5, 1.0, -1.5]
    assert joined.strength.tolist() == [6.0, 8.0, 6.0]


scores = st.dictionaries(
    st.integers(0, 9), st.lists(st.integers(-3, 3), max_size=GROUPS), max_size=6
)


@given(scores, scores, scores)
def test_it_does_not_matter_which_parts_are_joined_first(one, two, three):
    a, b, c = (with_features(4, features(rows)) for rows in (one, two, three))
    left, right = a.join(b).join(c), a.join(b.join(c))
    assert left.features is not None
    assert right.features is not None
    for name in (field.name for field in fields(FeatureTable)):
        np.testing.assert_array_equal(getattr(left.features, name), getattr(right.features, name))


def test_a_dead_sae_stays_dead():
    nothing = features({})
    joined = with_features(4, nothing).join(with_features(4, nothing)).features
    assert joined is not None
    assert joined.feature.shape == (0,)
    assert joined.group_score.shape == (0, GROUPS)

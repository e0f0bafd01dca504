"""Counts of active features against plain loops over all tokens, whole and in parts."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch

from sae_checks.evals.activity import COLUMNS
from sae_checks.evals.activity.cells import ActivityCell
from sae_checks.evals.activity.measuring import ActivityMeasurer
from sae_checks.evals.activity.table import ActiveFeatures, ActivityTable
from sae_checks.faults import CATALOGUE, sample_of
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset
from sae_checks.records import Intervention
from tests.builders import (
    CONTEXT,
    loaded_sae,
    random_texts,
    shared_language_model,
    texts_of,
)
from tests.measuring import FEATURE_NEEDS, bind
from tests.places import place

HOOK_POINT = "blocks.1.hook_resid_pre"
TRAINING_CONTEXT = 16  # of the builders' SAEs; texts are twice as long
ARCHITECTURES = ("standard", "gated", "jumprelu", "topk", "abstopk", "temporal")
MODEL = shared_language_model()


def measured(
    sae: LoadedSae, texts: Texts, units: np.ndarray | None = None, batch_tokens: int | None = None
) -> ActivityTable:
    assert bind(MODEL, [sae]) == {}
    measuring = Measuring(
        MODEL,
        SaeSource.of([sae]),
        TextDataset(texts),
        [Intervention((sae.ref,))],
        Plan.of(COLUMNS, FEATURE_NEEDS),
        PassOptions(batch_tokens=batch_tokens),
    )
    (table,) = measure_once(measuring, ActivityMeasurer(measuring), units)
    assert isinstance(table, ActivityTable)
    return table


def cell_of(table: ActivityTable) -> ActivityCell:
    return ActivityCell(place("made-up"), table, "alive_features", Thresholds(), FIXED)


def shared_documents(texts: int = 12) -> Texts:
    """Documents that begin at every special token, and go on in the texts that follow."""
    made = random_texts(texts=texts)
    special = made.special.copy()
    special[1::3, 0] = False  # every third text goes on with the document before it
    documents = np.cumsum(special.ravel(), dtype=np.int32).reshape(texts, -1)
    return replace(made, documents=documents)


def by_hand(sae: LoadedSae, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
    """(d_sae,) tokens and documents that each feature is active on, token by token."""
    tokens = np.zeros(sae.ref.d_sae, dtype=int)
    documents: list[set[int]] = [set() for _ in range(sae.ref.d_sae)]
    for row in range(len(texts.tokens)):
        text = torch.from_numpy(texts.tokens[row : row + 1])
        features = sae.encode(MODEL.clean(text, [HOOK_POINT]).taps[HOOK_POINT])[0]
        for position in range(1, TRAINING_CONTEXT):
            if texts.special[row, position]:
                continue
            for feature in features[position].nonzero().ravel().tolist():
                tokens[feature] += 1
                documents[feature].add(int(texts.documents[row, position]))
    return tokens, np.array([len(each) for each in documents])


def assert_same(found: ActivityTable, expected: ActivityTable) -> None:
    np.testing.assert_array_equal(found.counted, expected.counted)
    for name, values in expected.labels.items():
        np.testing.assert_array_equal(found.labels[name], values, err_msg=name)
    assert found.active is not None
    assert expected.active is not None
    for each in fields(ActiveFeatures):
        ours, theirs = (getattr(side, each.name) for side in (found.active, expected.active))
        np.testing.assert_array_equal(ours, theirs, err_msg=each.name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_counts_are_those_of_a_loop_over_all_tokens(architecture: str):
    texts, sae = shared_documents(), loaded_sae(HOOK_POINT, architecture)
    cell = cell_of(measured(sae, texts))
    tokens, documents = by_hand(sae, texts)
    np.testing.assert_array_equal(cell.tokens, tokens)
    np.testing.assert_array_equal(cell.documents, documents)
    assert cell.token_count == (~texts.special[:, 1:TRAINING_CONTEXT]).sum()
    assert cell.table.unit_count < 12  # or no document would lie in two texts
    assert documents.max() == cell.table.unit_count


@pytest.mark.parametrize("seams", [(0, 6, 12), (0, 1, 2, 12), (0, 5, 11, 12)], ids=str)
def test_parts_joined_are_the_whole(seams: tuple[int, ...]):
    """Though the seams cut documents in two."""
    texts, sae = shared_documents(), loaded_sae(HOOK_POINT)
    whole = measured(sae, texts)
    parts = [measured(sae, texts, np.arange(*pair)) for pair in pairwise(seams)]
    assert_same(reduce(ActivityTable.join, parts), whole)
    # Another order of writing changes the rows of texts, not what is counted.
    turned = cell_of(reduce(ActivityTable.join, reversed(parts)))
    np.testing.assert_array_equal(turned.documents, cell_of(whole).documents)
    for pair in pairwise(seams):
        assert_same(whole.keep(slice(*pair)), measured(sae, texts, np.arange(*pair)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_neither_batches_nor_pieces_matter(architecture: str, monkeypatch):
    texts, sae = shared_documents(), loaded_sae(HOOK_POINT, architecture)
    whole = measured(sae, texts, batch_tokens=12 * CONTEXT)
    assert_same(measured(sae, texts, batch_tokens=1), whole)
    assert_same(measured(sae, texts, batch_tokens=5 * CONTEXT), whole)
    monkeypatch.setattr("sae_checks.measure.texts.tokens_at_once", lambda width: 7)
    assert_same(measured(sae, texts, batch_tokens=12 * CONTEXT), whole)


def test_the_order_of_texts_matters_to_nothing_that_is_counted():
    texts, sae = random_texts(texts=12), loaded_sae(HOOK_POINT)
    order = np.random.default_rng(3).permutation(12)
    ours, theirs = (cell_of(measured(sae, each)) for each in (texts, texts_of(texts.tokens[order])))
    np.testing.assert_array_equal(ours.tokens, theirs.tokens)
    np.testing.assert_array_equal(ours.documents, theirs.documents)


def test_features_permuted_with_their_decoder_change_no_share():
    texts, sae = shared_documents(), loaded_sae(HOOK_POINT)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    permuted = loaded_sae(HOOK_POINT)
    permuted.sae.W_enc.data, permuted.sae.b_enc.data = (
        sae.sae.W_enc.data[:, order],
        sae.sae.b_enc.data[order],
    )
    sae.sae.W_dec.data[5] = sae.sae.W_dec.data[9]
    permuted.sae.W_dec.data = sae.sae.W_dec.data[order]
    ours, theirs = (cell_of(measured(each, texts)) for each in (permuted, sae))
    np.testing.assert_array_equal(ours.tokens, theirs.tokens[order])
    assert ours.share_alive(0.5) == theirs.share_alive(0.5)
    assert ours.share_dense(0.1) == theirs.share_dense(0.1)
    assert ours.share_duplicate() == theirs.share_duplicate()
    assert dict(ours.share_duplicate().notes) == {"duplicate_features": 2}


def test_features_that_are_not_finite_leave_nothing_to_judge():
    texts, sae = random_texts(), loaded_sae(HOOK_POINT)
    sae.sae.b_enc.data[3] = torch.nan
    cell = cell_of(measured(sae, texts))
    told = f"features are not finite on {cell.token_count} tokens of 6 texts"
    for estimate in (cell.share_alive(0.5), cell.share_dense(0.1), cell.share_duplicate()):
        assert np.isnan(estimate.value)
        assert estimate.reason == told


@pytest.mark.parametrize(
    ("fault", "strength"),
    [("half of the features dead", 0.5), ("features removed at random", 0.1)],
)
def test_planted_silence_is_counted(fault: str, strength: float):
    texts, sae = random_texts(texts=12), loaded_sae(HOOK_POINT)
    assert bind(MODEL, [sae]) == {}
    x = MODEL.clean(torch.from_numpy(texts.tokens), [HOOK_POINT]).taps[HOOK_POINT]
    position = torch.arange(CONTEXT).repeat(12)
    (planted,) = (each for each in CATALOGUE if each.name == fault)
    damaged = planted.into(sae, strength, sample_of(sae, x.flatten(end_dim=1), position))
    good, bad = (cell_of(measured(each, texts)).documents for each in (sae, damaged))
    silenced = (damaged.sae.W_enc == 0).all(dim=0).numpy()
    assert silenced.sum() == round(strength * 64)
    assert (good[silenced] > 0).any()
    np.testing.assert_array_equal(bad, np.where(silenced, 0, good))

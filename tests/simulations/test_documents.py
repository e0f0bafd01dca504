"""How often intervals hold the true mean on texts packed from documents whose tokens are alike.

Packing and drawing are those of the gate. Each document has a deviation of its own, shared by its
tokens: `correlation` is that of two tokens of one document.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.table import ContextTable
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.load.packing import STRETCH, Packed, draw_evenly, pack, stack
from sae_checks.records import FloatArray, IntArray, PositionRange
from tests.places import cell_on_texts
from tests.stored import sae_ref
from tests.tables import changed

CONTEXT, BOS, RUNS = 64, 0, 1500
THRESHOLDS = Thresholds(checks={"delta_ce": CheckLimits(Limit("nats", max=0.5))})
# Tokens of documents: many of less than a text, some of eight texts, as in real corpora.
LENGTHS = {
    "short": lambda rng, count: rng.integers(10, 60, count),
    "unequal": lambda rng, count: np.exp(rng.normal(4.5, 1.0, count)).astype(np.int64) + 1,
    "long": lambda rng, count: rng.integers(4 * CONTEXT, 12 * CONTEXT, count),
}


def corpus(lengths: IntArray, texts: int, seed: int) -> Packed:
    """Texts drawn from the documents, of which there are as many as these lengths."""
    sequences = [torch.ones(int(length), dtype=torch.long) for length in lengths]
    packed = pack(sequences, CONTEXT, begin_text=BOS, separator=BOS, concatenate=True)
    drawn, _ = draw_evenly(packed, texts, np.random.default_rng(seed))
    return stack(drawn)


def measured(rng: np.random.Generator, texts: Packed, correlation: float) -> ContextTable:
    """A loss on each token whose mean is 1; its spread 1."""
    shape = texts.tokens.shape
    shared = rng.normal(size=int(texts.documents.max()) + 1)[texts.documents]
    loss = 1 + np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.normal(size=shape)
    there = texts.tokens != BOS
    columns = {name: np.where(there, values, np.nan) for name, values in
               {"norm": np.ones(shape), "kl": loss}.items()}  # fmt: skip
    documents = np.where(there, texts.documents, np.int32(-1))
    return ContextTable.of(
        sae_ref(0), columns, np.zeros(shape, dtype=np.bool_), documents=documents
    )


def coverages(name: str, correlation: float, documents: int, texts: int) -> tuple[FloatArray, int]:
    """How often the interval held the mean by documents, and by texts; and the fewest documents."""
    rng, held, fewest = np.random.default_rng(0), np.zeros(2), documents
    positions = PositionRange(1, CONTEXT - 2)
    packed = [corpus(LENGTHS[name](rng, documents), texts, seed) for seed in range(10)]
    for run in range(RUNS):
        by_document = measured(rng, packed[run % len(packed)], correlation)
        for row, table in enumerate((by_document, changed(by_document, documents=None))):
            cell = cell_on_texts("made-up", table, "sae", positions, "delta_ce", THRESHOLDS)
            estimate = cell.mean("kl")
            held[row] += estimate.low <= 1 <= estimate.high
        fewest = min(fewest, by_document.units.count)
    return held / RUNS, fewest


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(
    ("name", "documents", "texts"), [("short", 400, 48), ("unequal", 120, 64), ("long", 40, 160)]
)
def test_means_over_documents(name, documents, texts, correlation):
    (by_document, by_text), fewest = coverages(name, correlation, documents, texts)
    print(
        f"\n{name} documents, correlation {correlation}: {by_document:.1%} by documents "
        f"({fewest} or more), {by_text:.1%} by texts"
    )
    assert fewest >= 30
    assert by_document >= 0.94
    if name == "long" and correlation:
        assert by_text < 0.85  # what was told before documents were


def test_spacing_texts_out_reaches_more_documents():
    """Of a corpus of long documents: five times as many as the first texts in a row hold."""
    rng = np.random.default_rng(0)
    lengths = LENGTHS["long"](rng, 200)
    sequences = [torch.ones(int(length), dtype=torch.long) for length in lengths]
    whole = stack(pack(sequences, CONTEXT, begin_text=BOS, separator=BOS, concatenate=True))
    assert len(whole.tokens) >= STRETCH * 50
    spaced = len(np.unique(corpus(lengths, 50, 0).documents))
    in_a_row = len(np.unique(whole.documents[:50]))
    print(f"\n50 texts hold {spaced} documents; in a row {in_a_row}")
    assert spaced >= 5 * in_a_row

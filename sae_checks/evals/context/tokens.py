"""The tokens of a cell, and one quantity on each of them.

A token belongs to a cell when it lies in its positions and was measured there (its norm is not
NaN) and, for losses, has a next token. A figure of such a token that is NaN or infinite is a
finding about the SAE, not a gap: it is counted, and the estimate made of it is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sae_checks.errors import UserError
from sae_checks.evals.context.table import ContextTable
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.records import BoolArray, FloatArray, PositionRange


@dataclass(frozen=True)
class Derived:
    """A figure of each token that follows from columns.

    Attributes:
        name: what it is, for messages.
        columns: that it is made of.
        of: their values, (texts, positions) each, to its own; NaN or infinite where undefined.
    """

    name: str
    columns: tuple[str, ...]
    of: Callable[..., FloatArray]


# One column, or two whose difference first - second is taken on every token.
Quantity = str | tuple[str, str]
# The same, or a figure that follows from several.
TokenQuantity = Quantity | Derived

LOSS_COLUMNS = frozenset({"ce_clean", "ce_sae", "kl", "ce_zero", "ce_mean", "kl_zero", "kl_mean"})


@dataclass(frozen=True)
class Tokens:
    """One quantity, summed over the tokens that each document has in a cell.

    The arrays have an entry for every document of the table, 0 where it has no token here: those
    of other cells, and of other SAEs on the same texts, stand in the same order.
    """

    sums: FloatArray  # (documents,)
    counts: FloatArray  # (documents,), tokens
    in_texts: BoolArray  # (texts,) which of them have a token in the cell
    broken: str = ""  # "" or "ce_sae is not finite on 12 tokens of 4 texts"

    def kept(self) -> Tokens:
        """The same, in arrays that cannot be written into."""
        for values in (self.sums, self.counts, self.in_texts):
            values.setflags(write=False)
        return self

    @property
    def texts(self) -> int:
        """Texts that have a token in the cell."""
        return int(np.count_nonzero(self.in_texts))

    @property
    def total(self) -> int:
        """Tokens of all texts."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Over all tokens; NaN where there are none."""
        return float(self.sums.sum()) / self.total if self.total else math.nan


@dataclass(frozen=True)
class _Counted:
    """The tokens on which a quantity counts."""

    mask: BoolArray  # (texts, positions)
    tokens: Tokens  # with their counts in place of sums


def span(positions: PositionRange) -> slice:
    """The positions as an index."""
    return slice(positions.first, positions.last + 1)


def column(table: ContextTable, name: str) -> FloatArray:
    """(texts, C), float64."""
    if name not in table.columns:
        raise UserError(
            f"{name} was not measured for {table.sae.sae_id}: name it in the check's needs; "
            f"measured were {', '.join(sorted(table.columns))}"
        )
    return np.asarray(table.columns[name], dtype=np.float64)


def token_mask(
    table: ContextTable,
    positions: PositionRange,
    quantity: TokenQuantity = "norm",
    massive: bool = True,
) -> BoolArray:
    """(texts, positions): the tokens on which the quantity counts, with massive ones or without."""
    here = span(positions)
    mask: BoolArray = ~np.isnan(column(table, "norm")[:, here])
    if LOSS_COLUMNS.intersection(columns_of(quantity)):
        mask[:, table.context - 1 - here.start :] = False
    return mask if massive else mask & ~table.massive[:, here]


def tokens_of(
    table: ContextTable, positions: PositionRange, quantity: TokenQuantity, massive: bool = True
) -> Tokens:
    """The quantity summed per document in float64, and whether it was finite throughout.

    Many cells ask for the same sums, such as all ranges for those of the training context, which
    they are compared with: they are made once, and nobody may write into them.
    """
    if not isinstance(quantity, str | Derived):
        minuend, subtrahend = quantity  # a check of somebody's may say a difference as a list
        quantity = (minuend, subtrahend)
    key = ("tokens", positions, quantity, massive)
    return table.once(key, lambda: _tokens_of(table, positions, quantity, massive).kept())


def _tokens_of(
    table: ContextTable, positions: PositionRange, quantity: TokenQuantity, massive: bool
) -> Tokens:
    counted, here = _counted(table, positions, quantity, massive), span(positions)
    mask, tokens = counted.mask, counted.tokens
    if isinstance(quantity, Derived):
        return _derived(table, quantity, mask, here, tokens)
    sums = np.zeros(table.units.count)
    for sign, name in zip((1.0, -1.0), columns_of(quantity), strict=False):
        values = column(table, name)[:, here]
        if not _finite_throughout(table, name):
            broken = mask & ~np.isfinite(values)
            if broken.any():
                nothing = np.full_like(sums, np.nan)
                return replace(tokens, sums=nothing, broken=_not_finite(name, broken))
        sums += sign * table.units.sums(np.where(mask, values, 0.0), here)
    return replace(tokens, sums=sums)


def _counted(
    table: ContextTable, positions: PositionRange, quantity: TokenQuantity, massive: bool
) -> _Counted:
    """The tokens on which the quantity counts; many quantities count on the same."""
    losses = not LOSS_COLUMNS.isdisjoint(columns_of(quantity))

    def count() -> _Counted:
        mask = token_mask(table, positions, quantity, massive)
        counts = table.units.sums(mask, span(positions))
        return _Counted(mask, Tokens(counts, counts, texts_with(mask)))

    return table.once(("counted", positions, losses, massive), count)


def _finite_throughout(table: ContextTable, name: str) -> bool:
    """Whether a column is finite wherever its tokens were measured."""

    def look() -> bool:
        everywhere = PositionRange(0, column(table, name).shape[1] - 1)
        mask = _counted(table, everywhere, name, massive=True).mask
        return bool(np.isfinite(column(table, name))[mask].all())

    return table.once(("finite", name), look)


def _derived(
    table: ContextTable, quantity: Derived, mask: BoolArray, here: slice, tokens: Tokens
) -> Tokens:
    """A figure that follows from columns, summed per document; `tokens` has the counts."""
    values = [np.where(mask, column(table, name)[:, here], 0.0) for name in quantity.columns]
    with np.errstate(all="ignore"):  # what comes of it is looked at below
        figures = quantity.of(*values)
    for name, each in zip((*quantity.columns, quantity.name), (*values, figures), strict=True):
        broken = mask & ~np.isfinite(each)
        if broken.any():
            nothing = np.full_like(tokens.counts, np.nan)
            return replace(tokens, sums=nothing, broken=_not_finite(name, broken))
    return replace(tokens, sums=table.units.sums(np.where(mask, figures, 0.0), here))


def texts_with(mask: BoolArray) -> BoolArray:
    """(texts,) which of them have a token in the mask (texts, positions)."""
    return np.asarray(mask.any(axis=1))


def undefined_on(tokens: Tokens) -> Estimate:
    """The estimate of a figure that is not finite on some of these tokens."""
    return undefined(tokens.broken, tokens.texts, tokens.total)


def of_texts(estimate: Estimate, in_texts: BoolArray) -> Estimate:
    """An estimate of documents, as one of the texts (texts,) that have tokens in the cell."""
    texts = int(np.count_nonzero(in_texts))
    documents = None if estimate.texts == texts else estimate.texts
    return estimate.changed(texts=texts, clusters=documents)


def mean_square_offset(
    table: ContextTable, positions: PositionRange, massive: bool, expected_tokens: int
) -> float:
    """‖m‖² for m = Σ(x - c)/n over the n tokens of the cell; 0 where it has none.

    Of a part of the texts, μ is taken to be that of all that were measured.
    """
    sums = table.position_sums
    if sums is None:
        raise UserError(
            f"position_sums was not measured for {table.sae.sae_id}: name it in the check's needs"
        )
    here = span(positions)
    offset = sums.ordinary_sums[here].sum(axis=0, dtype=np.float64)
    tokens = float(sums.ordinary_counts[here].sum())
    if massive:
        offset = offset + sums.massive_sums[here].sum(axis=0, dtype=np.float64)
        tokens += float(sums.massive_counts[here].sum())
    if not table.part and round(tokens) != expected_tokens:
        raise ValueError(
            f"position_sums hold {tokens:g} tokens of {table.sae.sae_id} in {positions} where the "
            f"columns hold {expected_tokens}"
        )
    return float(np.square(offset / tokens).sum()) if tokens else 0.0


def columns_of(quantity: TokenQuantity) -> tuple[str, ...]:
    """The columns that a quantity is made of."""
    if isinstance(quantity, Derived):
        return quantity.columns
    return (quantity,) if isinstance(quantity, str) else quantity


def _not_finite(name: str, broken: BoolArray) -> str:
    tokens, texts = int(broken.sum()), int(broken.any(axis=1).sum())
    return (
        f"{name} is not finite on {tokens} token{'s' * (tokens != 1)} of "
        f"{texts} text{'s' * (texts != 1)}"
    )

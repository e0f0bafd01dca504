"""Counts, per text and document, the tokens on which each feature of an SAE is active."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sae_checks.evals.activity.table import ActiveFeatures
from sae_checks.records import IntArray


class ActivityTally:
    """Counts of one SAE over some texts, piece by piece; only what is active takes memory.

    Args:
        numbers: (texts,) of the texts in the data set.
        documents: (texts, C) of each token.
        features: d_sae.
    """

    def __init__(self, numbers: IntArray, documents: NDArray[np.int32], features: int) -> None:
        text = np.repeat(np.arange(len(numbers)), documents.shape[1])
        pairs, index = np.unique(np.stack([text, documents.ravel()]), axis=1, return_inverse=True)
        self._numbers, self._features, self._pairs = numbers, features, pairs
        # (texts, C): which text and document, as a column of `pairs`, a token is of.
        self._index = index.reshape(documents.shape).astype(np.int64)
        self._keys: list[IntArray] = []
        self._tokens: list[IntArray] = []

    def add(self, rows: slice, columns: slice, features: Tensor, counts: Tensor) -> None:
        """Count the tokens of some texts at some positions.

        Args:
            rows: of the texts.
            columns: the positions.
            features: (b, t, d_sae).
            counts: (b, t) which of the tokens count.
        """
        token, feature = _active(features)
        here = self._index[rows, columns].ravel()[token]
        keys = (here * self._features + feature)[counts.cpu().numpy().ravel()[token]]
        found, tokens = np.unique(keys, return_counts=True)
        self._keys.append(found)
        self._tokens.append(tokens)

    def table(self) -> ActiveFeatures:
        """All that was counted, by text, document and feature."""
        keys = np.concatenate([np.zeros(0, dtype=np.int64), *self._keys])
        tokens = np.concatenate([np.zeros(0, dtype=np.int64), *self._tokens])
        found, place = np.unique(keys, return_inverse=True)
        total = np.zeros(len(found), dtype=np.int64)
        np.add.at(total, place, tokens)
        text, document = self._pairs[:, found // self._features]
        number = self._numbers[text]
        # Texts were numbered as they come, which need not be in rising order.
        order = np.lexsort([found, number])
        columns = number, document, found % self._features, total
        return ActiveFeatures(*(each[order].astype(np.int32) for each in columns))


def _active(features: Tensor) -> tuple[IntArray, IntArray]:
    """Token and feature, (n,) each, where feature activations (b, t, d_sae) are not 0."""
    active = (features != 0).reshape(-1, features.shape[-1])
    if active.device.type != "cpu":
        token, feature = active.nonzero(as_tuple=True)
        return token.cpu().numpy(), feature.cpu().numpy()
    # Of booleans that are mostly false NumPy finds the true ones 15 times as fast as torch.
    places = np.flatnonzero(active.numpy())
    return np.divmod(places, features.shape[-1])

"""How reconstructions differ from activations as a whole: too short, off to one side.

With ‖x‖, ‖x̂‖ and ‖x − x̂‖² stored of each token, x·x̂ = (‖x‖² + ‖x̂‖² − ‖x − x̂‖²)/2 follows; with
distances from the centre c in the place of norms, (x − c)·(x̂ − c) does.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sae_checks.evals.context.table import ERROR_PROJECTION, ContextTable
from sae_checks.evals.context.tokens import (
    Derived,
    TokenQuantity,
    Tokens,
    of_texts,
    tokens_of,
    undefined_on,
)
from sae_checks.evals.context.variance import variance_by_document
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import linearised, ratio_of_sums
from sae_checks.records import FloatArray, PositionRange

# sae_lens divides by a norm below this as if it were 1.
_SMALL = 1e-4
# In the names of architectures that choose which features are active, not how strongly, by their
# sparsity penalty or by a number: what they reconstruct with is fitted to the squared error alone.
_NOT_SHRUNK = ("topk", "jumprelu", "gated", "matching_pursuit")


def is_shrunk(architecture: str) -> bool:
    """Whether training may have made features smaller, as an L1 penalty does by its coefficient."""
    return not any(part in architecture for part in _NOT_SHRUNK)


def _ratio(x: FloatArray, rebuilt: FloatArray) -> FloatArray:
    return np.asarray(rebuilt / np.where(x < _SMALL, 1.0, x))


def _product(x: FloatArray, rebuilt: FloatArray, error: FloatArray) -> FloatArray:
    return (x**2 + rebuilt**2 - error) / 2


def _cosine(x: FloatArray, rebuilt: FloatArray, error: FloatArray) -> FloatArray:
    lengths = x * rebuilt
    # Where nothing is active and there is no bias, nothing points anywhere.
    return np.asarray(_product(x, rebuilt, error) / np.where(lengths == 0, np.inf, lengths))


def _square(rebuilt: FloatArray) -> FloatArray:
    return rebuilt**2


def _about_centre(x: FloatArray, rebuilt: FloatArray, error: FloatArray) -> FloatArray:
    return (x + rebuilt - error) / 2


_NORMS = ("norm", "reconstruction_norm")
_DISTANCE = "reconstruction_squared_distance"
L2_RATIO = Derived("‖x̂‖/‖x‖", _NORMS, _ratio)
COSINE = Derived("the cosine of x and x̂", (*_NORMS, "mse"), _cosine)
PRODUCT = Derived("x·x̂", (*_NORMS, "mse"), _product)
SQUARE = Derived("‖x̂‖²", ("reconstruction_norm",), _square)
ABOUT_CENTRE = Derived("(x − c)·(x̂ − c)", ("squared_distance", _DISTANCE, "mse"), _about_centre)


class Reconstructed:
    """Estimates of a cell that compare reconstructions with activations."""

    table: ContextTable
    positions: PositionRange
    coverage: Coverage

    def l2_ratio(self, *, massive: bool = True) -> Estimate:
        """Mean ‖x̂‖/‖x‖: below 1, reconstructions are shorter than activations."""
        return self._mean(L2_RATIO, massive)

    def cosine_similarity(self, *, massive: bool = True) -> Estimate:
        """Mean x·x̂ / (‖x‖ ‖x̂‖)."""
        return self._mean(COSINE, massive)

    def relative_reconstruction_bias(self, *, massive: bool = True) -> Estimate:
        """Σ‖x̂‖² / Σ x·x̂: below 1, x̂ times a number above 1 would be nearer to x.

        The γ of Rajamanoharan et al. (2024), "Improving Dictionary Learning with Gated Sparse
        Autoencoders", equation 10: argmin over γ of Σ‖x̂/γ - x‖².
        """
        square, product = self._tokens(SQUARE, massive), self._tokens(PRODUCT, massive)
        for tokens in (square, product):
            if tokens.broken:
                return undefined_on(tokens)
        if product.total and not product.sums.sum() > 0:
            return undefined("reconstructions do not point where the activations point")
        bias = ratio_of_sums(square.sums, product.sums, square.counts, self.coverage)
        return of_texts(bias, square.in_texts)

    def best_scale(self, *, massive: bool = True) -> Estimate:
        """Σ(x - c)·(x̂ - c) / Σ‖x̂ - c‖²: the a at which c + a (x̂ - c) is nearest to x.

        c is the centre, near the mean activation: what is rescaled is how x̂ varies, not the mean.
        Above 1, reconstructions vary too little (shrinkage); below 1, too much.
        """
        product, square = self._tokens(ABOUT_CENTRE, massive), self._tokens(_DISTANCE, massive)
        for tokens in (product, square):
            if tokens.broken:
                return undefined_on(tokens)
        scale = ratio_of_sums(product.sums, square.sums, square.counts, self.coverage)
        return of_texts(scale, square.in_texts)

    def rescaling_gain(self, *, massive: bool = True) -> Estimate:
        """How much more variance c + a (x̂ - c) would explain than x̂ does, at the best a.

        With P = Σ(x - c)·(x̂ - c), Q = Σ‖x̂ - c‖² and V = Σ‖x - μ‖², as in explained variance, it
        is G = (P - Q)² / (Q V). Influence of a document whose sums are p, q and v:

            2 (P - Q)/(Q V) · (p - q) - G · (q/Q + v/V)
        """
        product, square = self._tokens(ABOUT_CENTRE, massive), self._tokens(_DISTANCE, massive)
        spread = self._tokens("squared_distance", massive)
        for tokens in (product, square, spread):
            if tokens.broken:
                return undefined_on(tokens)
        if not spread.total:
            return undefined("no tokens were measured")
        variance, parts = variance_by_document(self.table, self.positions, massive, spread)
        whole, rebuilt = float(variance.sum()), float(square.sums.sum())
        # What is left of two nearly equal sums is rounding, not variance.
        if whole <= 1e-9 * spread.sums.sum():
            return inapplicable("the activations do not vary", spread.texts, spread.total)
        if rebuilt == 0:
            return undefined("every reconstruction is the mean", spread.texts, spread.total)
        excess = product.sums - square.sums  # (documents,)
        over = float(excess.sum()) / (rebuilt * whole)
        gain = over * float(excess.sum())
        influence = 2 * over * excess - gain * (square.sums / rebuilt + parts / whole)
        return self._estimate(gain, influence, spread, lowest=0.0, highest=math.inf)

    def constant_error(self, *, massive: bool = True) -> Estimate:
        """The share of Σ‖x - x̂‖² that is one constant vector: A²/B, A the mean of ê·(x - x̂).

        B is the mean of ‖x - x̂‖². An SAE with a decoder bias that has been trained has nearly 0.
        Where A is below 0, there is no such vector along ê, and the share counts as negative.
        Influence of a document of n tokens with sums a and b, of N tokens:

            2 |A|/B · (a - A n)/N - A |A|/B² · (b - B n)/N
        """
        along, error = self._tokens(ERROR_PROJECTION, massive), self._tokens("mse", massive)
        for tokens in (along, error):
            if tokens.broken:
                return undefined_on(tokens)
        if not error.total:
            return undefined("no tokens were measured")
        mean, square = along.sums.sum() / error.total, error.sums.sum() / error.total
        if square == 0:
            return inapplicable("there is no error", error.texts, error.total)
        share = float(mean * abs(mean) / square)
        influence = 2 * abs(mean) / square * (along.sums - mean * along.counts) / error.total
        influence -= share / square * (error.sums - square * error.counts) / error.total
        return self._estimate(share, influence, error, lowest=-1.0, highest=1.0)

    def _tokens(self, quantity: TokenQuantity, massive: bool) -> Tokens:
        return tokens_of(self.table, self.positions, quantity, massive)

    def _mean(self, quantity: TokenQuantity, massive: bool) -> Estimate:
        tokens = self._tokens(quantity, massive)
        if tokens.broken:
            return undefined_on(tokens)
        mean = ratio_of_sums(tokens.sums, tokens.counts, tokens.counts, self.coverage)
        return of_texts(mean, tokens.in_texts)

    def _estimate(
        self,
        value: float,
        influence: FloatArray,
        tokens: Tokens,
        *,
        lowest: float,
        highest: float,
    ) -> Estimate:
        units = int((tokens.counts > 0).sum())
        made = linearised(value, influence, self.coverage, lowest, highest, units)
        return of_texts(replace(made, tokens=tokens.total), tokens.in_texts)

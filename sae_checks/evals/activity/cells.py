"""What a check is given to see of the features of one SAE on texts, in its training context."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sae_checks.errors import UserError
from sae_checks.evals.activity.histogram import density_histogram
from sae_checks.evals.activity.table import ActivityTable, DocumentCounts
from sae_checks.evals.limited import LimitedCell
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.silence import most_at_rate, silence
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import FloatArray, IntArray
from sae_checks.records.place import Place


@dataclass(frozen=True)
class ActivityCell(LimitedCell):
    """The features of one SAE, on the tokens within its training context."""

    place: Place
    table: ActivityTable
    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    coverage: Coverage = FIXED

    @property
    def features(self) -> int:
        """d_sae."""
        return self.table.sae.d_sae

    @cached_property
    def tokens(self) -> IntArray:
        """(d_sae,) tokens that each feature is active on."""
        counts = self._counts
        return self._sum(counts.feature, counts.tokens).astype(np.int64)

    @cached_property
    def documents(self) -> IntArray:
        """(d_sae,) documents that each feature is active on."""
        return self._sum(self._counts.feature).astype(np.int64)

    @property
    def density(self) -> FloatArray:
        """(d_sae,) share of the tokens that each feature is active on; NaN where there are none."""
        total = self.token_count
        return self.tokens / total if total else np.full(self.features, np.nan)

    @property
    def token_count(self) -> int:
        """Tokens that count."""
        return int((~np.isnan(self.table.counted)).sum())

    def share_alive(self, rate: float) -> Estimate:
        """Features that are active on any document / features.

        What was seen active is alive, whatever else the sample holds: that is the interval's low
        end, and has no error. Its high end is how many there may be that are active on a share
        `rate` of the documents or more (`judge/silence.py`); features that are active more rarely
        count only where they were seen.
        """
        if reason := self._broken():
            return self._undefined(reason)
        seen, units = int((self.documents > 0).sum()), self.table.unit_count
        error = (1 - self.coverage.confidence) / 2
        most = min(most_at_rate(seen, rate, units, error), self.features)
        estimate = self._share(seen, seen, most, self.features)
        return estimate.with_notes(
            features=self.features,
            active_features=seen,
            silent_features=self.features - seen,
            seen_at_rate=1 - silence(rate, units),
        )

    def share_silent(self) -> Estimate:
        """Features that are active on no document / features; comparable feature by feature.

        Not even one that is dead is known to be: the low end is 0.
        """
        if reason := self._broken():
            return self._undefined(reason)
        silent = int((self.documents == 0).sum())
        return replace(self._share(silent, 0, silent, self.features), seen=self.documents)

    def share_dense(self, density: float) -> Estimate:
        """Features that are active on more than a share `density` of the tokens / features.

        Each feature's density has an interval by document. The share's low end counts the features
        whose interval lies above, its high end those whose interval reaches above. Features within
        a factor of two of `density` share the error, so that all of theirs hold at once.
        """
        if reason := self._broken():
            return self._undefined(reason)
        found = self.density
        if self.table.unit_count < 2:
            return self._share(int((found > density).sum()), 0, self.features, self.features)
        near = int(((found > density / 2) & (found < 2 * density)).sum())
        units = self.table.unit_count
        width = self.coverage.shared_by(near).reach(units - 1, units) * self._density_error(found)
        dense, sure, possible = (
            int((each > density).sum()) for each in (found, found - width, found + width)
        )
        estimate = self._share(dense, sure, possible, self.features)
        return estimate.with_notes(
            dense_features=dense,
            densest=float(found.max(initial=0.0)),
            densities=density_histogram(found),
        )

    def share_duplicate(self) -> Estimate:
        """Active features of which another active one has the same decoder direction / active ones.

        A property of the weights, as far as features were seen active: it has no sampling error.
        """
        if reason := self._broken():
            return self._undefined(reason)
        found = self.table.duplicates
        if found is None:
            raise self._unmeasured("duplicates")
        alive = self.documents > 0
        if not alive.any():
            return self._undefined("no feature is active on any document")
        both = alive[found.feature] & alive[found.nearest]
        same = len(np.unique(found.feature[both]))
        estimate = self._share(same, same, same, int(alive.sum()))
        return estimate.with_notes(duplicate_features=same)

    def _density_error(self, found: FloatArray) -> FloatArray:
        """(d_sae,) standard errors of densities r by document: c_d of t_d tokens are active.

        sqrt( n/(n−1) · Σ (c_d − r t_d)² ) / Σ t_d, where most c_d are 0.
        """
        n = self.table.unit_count
        counts, each = self._counts, self.table.document_tokens
        squares = self._sum(counts.feature, np.square(counts.tokens))
        crossed = self._sum(counts.feature, counts.tokens * each[counts.unit])
        total = squares - 2 * found * crossed + np.square(found) * np.square(each).sum()
        error: FloatArray = np.sqrt(n / (n - 1) * np.maximum(total, 0)) / each.sum()
        return error

    @property
    def _counts(self) -> DocumentCounts:
        if self.table.active is None:
            raise self._unmeasured("active_features")
        return self.table.by_document

    def _sum(self, feature: IntArray, values: FloatArray | None = None) -> FloatArray:
        """(d_sae,) sums of values (n,) over each feature, in float64; without, how many."""
        sums = np.bincount(feature, weights=values, minlength=self.features)
        return sums.astype(np.float64)

    def _unmeasured(self, name: str) -> UserError:
        return UserError(
            f"{name} was not measured for {self.table.sae.sae_id}: name it in the check's needs"
        )

    def _broken(self) -> str:
        """Why nothing can be counted, or ""."""
        broken = np.isinf(self.table.counted)
        if broken.any():
            texts = int(broken.any(axis=1).sum())
            return (
                f"features are not finite on {int(broken.sum())} "
                f"token{'s' * (int(broken.sum()) != 1)} of {texts} text{'s' * (texts != 1)}"
            )
        return "" if self.token_count else "no tokens were measured"

    def _undefined(self, reason: str) -> Estimate:
        texts = int((~np.isnan(self.table.counted)).any(axis=1).sum())
        return undefined(reason, texts, self.token_count)

    def _share(self, value: float, low: float, high: float, of: int) -> Estimate:
        """A share of features, with an interval that comes from no standard error."""
        texts = int((~np.isnan(self.table.counted)).any(axis=1).sum())
        documents = self.table.unit_count
        return Estimate(
            value / of,
            low / of,
            high / of,
            math.nan,
            texts,
            self.token_count,
            clusters=None if documents == texts else documents,
        )

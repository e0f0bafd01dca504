"""An SAE over its training context, beside the figure that its release declares."""

from __future__ import annotations

from dataclasses import dataclass, field

from sae_checks.evals.context.cells import Cell
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.records import DeclaredFigure


@dataclass(frozen=True)
class DeclaredCell(Cell):
    """One SAE in its training context.

    Attributes:
        figure: what is declared of it.
        corpus: on which it was measured.
    """

    figure: DeclaredFigure = field(kw_only=True)
    corpus: str = field(kw_only=True)

    def ratio_to_declared(self, measured: Estimate) -> Estimate:
        """Measured / declared: 1 is as declared.

        The declared figure is taken for exact, so that the interval is the measured one's.
        """
        declared = self.figure.value
        if not declared > 0:
            return undefined(
                f"{self.figure.told} declares {declared:g}, which nothing is a multiple of",
                measured.texts,
                measured.tokens,
            )
        return self._noted(measured, measured.affine(1 / declared))

    def difference_to_declared(self, measured: Estimate) -> Estimate:
        """Measured - declared: 0 is as declared."""
        return self._noted(measured, measured.affine(1, -self.figure.value))

    def _noted(self, measured: Estimate, compared: Estimate) -> Estimate:
        return compared.with_notes(
            measured=measured.value,
            declared=self.figure.value,
            declared_by=self.figure.told,
            corpus=self._corpus(),
        )

    def _corpus(self) -> str:
        """On what was measured, and whether it is what the release was trained on."""
        declared = self.table.sae.declared.dataset
        if declared is None:
            return f"{self.corpus}; the release declares none"
        return self.corpus if declared == self.corpus else f"{self.corpus}, not {declared}"

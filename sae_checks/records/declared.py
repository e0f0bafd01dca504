"""What a release declares of its SAEs: figures that a measurement can be held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DeclaredFigure:
    """One figure that a release declares.

    Attributes:
        value: in the unit of the quantity.
        source: which of its texts declares it: "its cfg.json", "sae_lens's directory", "its path".
        target: whether it is what training aimed at, such as k, and not what was measured.
    """

    value: float
    source: str
    target: bool = False

    @property
    def told(self) -> str:
        """Where it stands and what it is, as a note says it."""
        return f"{self.source}, as a target" if self.target else self.source


@dataclass(frozen=True)
class Declared:
    """What a release declares of an SAE; None where it does not say.

    Attributes:
        l0: features active per token.
        explained_variance: fraction, by whichever definition.
        dataset: on what it was trained.
        training_architecture: of which kind it was trained, which may be saved as another.
    """

    l0: DeclaredFigure | None = None
    explained_variance: DeclaredFigure | None = None
    dataset: str | None = None
    training_architecture: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Declared:
        """What was written as JSON."""
        figures = {
            name: DeclaredFigure(**content[name])
            for name in ("l0", "explained_variance")
            if content.get(name) is not None
        }
        return cls(
            **figures,
            dataset=content.get("dataset"),
            training_architecture=content.get("training_architecture"),
        )

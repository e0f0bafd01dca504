"""How to measure, as far as it changes figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sae_checks.measure.pieces import batch_tokens

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel


@dataclass(frozen=True)
class PassOptions:
    """How to measure.

    Attributes:
        replace_special: whether BOS and its like are replaced by their reconstruction too (the
            study did so) or left alone (as sae_lens's evals do). They are in no mean either way.
        batch_tokens: tokens per forward pass; changes no figure beyond rounding.
    """

    replace_special: bool = False
    batch_tokens: int | None = None

    def tokens_at_once(self, model: LanguageModel) -> int:
        """Tokens per forward pass of this model."""
        return self.batch_tokens or batch_tokens(model.device, model.width)

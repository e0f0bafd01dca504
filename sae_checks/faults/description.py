"""What an SAE says of itself, changed: functions of what is known of it and of a strength."""

from __future__ import annotations

from dataclasses import replace

from sae_checks.errors import UserError
from sae_checks.records import SaeRef
from sae_checks.records.declared import DeclaredFigure

_DECLARED = DeclaredFigure(0.99, "the self-test")


def shorten_context(sae: SaeRef, share: float) -> SaeRef:
    """A share of the training context that it declares.

    Raises:
        UserError: it declares none.
    """
    if sae.training_context is None:
        raise UserError(f"SAE {sae.sae_id!r} declares no training context to shorten")
    return replace(sae, training_context=max(4, int(share * sae.training_context)))


def without_penalty(sae: SaeRef, strength: float) -> SaeRef:
    """An architecture that is trained without a penalty on how strong features are."""
    return replace(
        sae,
        architecture="topk",
        declared=replace(sae.declared, training_architecture="topk"),
    )


def declare_nearly_all(sae: SaeRef, strength: float) -> SaeRef:
    """An explained variance of 0.99 declared."""
    return replace(sae, declared=replace(sae.declared, explained_variance=_DECLARED))

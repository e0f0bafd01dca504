"""What can be measured, by name: the columns of an evaluation, and what computing each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

# What a figure of a token is computed from: the activation x (..., d); the features f
# (..., d_sae); or x and its reconstruction, both (..., d).
Of = Literal["activation", "features", "reconstruction"]


@dataclass(frozen=True)
class Column:
    """One quantity per token or item, or a side table that is asked for like one.

    Attributes:
        name: as checks name it in their needs.
        of: what a figure of each token is computed from, where that is all it takes.
        metric: computes it, (...): a function of tensors, or its name in `measure/metrics`.
        encodes: whether the SAE has to be run on the activations.
        splices: whether its reconstructions have to be put back into the model.
        unembeds: whether the model's predictions are looked at.
        at_last_position: whether it is defined at a text's last position, which predicts nothing.
        side_table: whether it is a table of its own, of other rows.
        at_the_end: whether it is measured once all rows are there.
        always: whether it is measured even where no check needs it.
        hidden: whether checks cannot ask for it.
        shown_only: whether nothing is judged by it: a stored table that lacks it does all the same.
        brings: names of columns without which it tells less, measured with it.
    """

    name: str
    of: Of | None = None
    metric: Callable[..., Any] | str = ""
    encodes: bool = False
    splices: bool = False
    unembeds: bool = False
    at_last_position: bool = True
    side_table: bool = False
    at_the_end: bool = False
    always: bool = False
    hidden: bool = False
    shown_only: bool = False
    brings: tuple[str, ...] = ()

    @property
    def needs_features(self) -> bool:
        """Whether the SAE has to be run at all."""
        return self.encodes or self.splices or self.of in ("features", "reconstruction")

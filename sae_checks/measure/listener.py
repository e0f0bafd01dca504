"""What listens to the passes of a loop: one evaluation, on one part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from sae_checks.measure.dataset import Batch
from sae_checks.records import Intervention, SaeRef, Table

if TYPE_CHECKING:
    from sae_checks.load.language_model import CleanPass


class Seen(NamedTuple):
    """At whose hook point activations are seen, and with what spliced in."""

    intervention: Intervention
    sae: SaeRef


class Listener:
    """Told what goes by, in this order, for every batch of a part.

        begin(batch, clean)
          for each intervention:  activations, features (piece by piece), reconstruction, resumed,
                                  and the first three again for each SAE observed downstream;
                                  of several SAEs, the first three for each, then prefix
          after a few of them:    unembed
        tables()

    An evaluation overrides what it listens to; shapes are (B, T, d) unless said.

    Attributes:
        interventions: which it listens to.
        encodes: whether it needs features or reconstructions.
        splices: whether it needs the pass resumed with the reconstructions.
        prefixes: whether of several SAEs it needs a pass after each, with no later one spliced in.
    """

    interventions: Sequence[Intervention] = ()
    encodes: bool = False
    splices: bool = False
    prefixes: bool = False

    def observed(self, intervention: Intervention) -> Sequence[SaeRef]:
        """SAEs further down the model to run on what the spliced model makes of their inputs."""
        return ()

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """A batch has passed through the model as it is."""

    def activations(self, seen: Seen, x: Tensor) -> None:
        """What arrives at an SAE's hook point."""

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Feature activations (..., d_sae) of a piece of the batch, by its index pair."""

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """What the SAE makes of it."""

    def prefix(self, seen: Seen, final: Tensor) -> None:
        """The final hidden states with the SAEs of an intervention spliced in up to this one."""

    def resumed(self, intervention: Intervention, final: Tensor) -> None:
        """The final hidden states (B, T, d_model) of the spliced model."""

    def unembed(self, interventions: Sequence[Intervention]) -> None:
        """These interventions' passes are over: nothing of them needs to be held any longer."""

    def tables(self) -> list[Table]:
        """All that was recorded, a row per unit of the part, in its order."""
        raise NotImplementedError

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
    """At whose hook point activations are seen, and with what spliced in.

    `direct`: what the residual stream alone carries there (`Listener.carried`).
    """

    intervention: Intervention
    sae: SaeRef
    direct: bool = False


class Listener:
    """Told what goes by, in this order, for every batch of a part.

        begin(batch, clean)
          for each intervention:  inputs (of a transcoder), activations, features (piece by piece),
                                  reconstruction, resumed; of several SAEs, all but the last for
                                  each, then prefix
          after a few of them:    unembed
          at any time after that intervention's: all but the last for an SAE observed downstream
        tables()

    An evaluation overrides what it listens to; shapes are (B, T, d) unless said.

    Attributes:
        interventions: which it listens to.
        encodes: whether it needs features or reconstructions.
        splices: whether it needs the pass resumed with the reconstructions.
        observed_positions: of SAEs observed downstream it is shown so many first positions of each
            unit, (B, T, d) with T no more than that; None: all.
        prefixes: whether of several SAEs it needs a pass after each, with no later one spliced in.
    """

    interventions: Sequence[Intervention] = ()
    encodes: bool = False
    splices: bool = False
    observed_positions: int | None = None
    prefixes: bool = False

    def observed(self, intervention: Intervention) -> Sequence[SaeRef]:
        """SAEs further down the model to run on what the spliced model makes of their inputs."""
        return ()

    def carried(self, intervention: Intervention) -> Sequence[SaeRef]:
        """Those of them to run, too, on what the residual stream alone carries to them.

        Blocks after the one SAE that is spliced in then write what they write without it.
        """
        return ()

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """A batch has passed through the model as it is."""

    def inputs(self, seen: Seen, x: Tensor) -> None:
        """What arrives where a transcoder reads, (B, T, d_in); what it stands for comes next."""

    def activations(self, seen: Seen, x: Tensor) -> None:
        """What arrives at an SAE's hook point; at a transcoder's, what it stands for: its output.

        (B, T, d_out): the activation where it writes, which its reconstruction is held against.
        """

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Feature activations (..., d_sae) of a piece of the batch, by its index pair."""

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """What stands where the SAE writes, as in `activations`, and what the SAE puts there."""

    def prefix(self, seen: Seen, final: Tensor) -> None:
        """The final hidden states with the SAEs of an intervention spliced in up to this one."""

    def resumed(self, intervention: Intervention, final: Tensor) -> None:
        """The final hidden states (B, T, d_model) of the spliced model."""

    def unembed(self, interventions: Sequence[Intervention]) -> None:
        """These interventions' passes are over: nothing of them needs to be held any longer."""

    def tables(self) -> list[Table]:
        """All that was recorded, a row per unit of the part, in its order."""
        raise NotImplementedError

"""Positions: a first-layer SAE that reads tokens without the positional vectors beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sae_checks.evals.context.table import ContextTable
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring
from sae_checks.records import Intervention, SaeRef, SideTable
from sae_checks.records.column import Column

# Where token and positional vectors arrive and nothing else: the only place to tell them apart.
HOOK_POINT = "blocks.0.hook_resid_pre"
# Whether the model adds positional vectors, 1 or 0 on every measured token.
ADDED = "positions_added"
TOKEN_PART, MEAN_POSITION = "ce_token_part", "ce_mean_position"
COLUMNS = (
    Column(ADDED, always=True, hidden=True),
    Column(TOKEN_PART, splices=True, unembeds=True, at_last_position=False),
    Column(MEAN_POSITION, splices=True, unembeds=True, at_last_position=False),
)


@dataclass(frozen=True)
class PositionTable(ContextTable):
    """A row per text, of the SAE that reads what is left without positional vectors."""

    EVALUATION: ClassVar[str] = "positions"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {}


def at_first_layer(saes: Sequence[SaeRef]) -> list[SaeRef]:
    """The SAEs that read what enters the first block."""
    return [sae for sae in saes if sae.hook_point == sae.writes == HOOK_POINT]


def _interventions(saes: Sequence[SaeRef]) -> list[Intervention]:
    return [Intervention((sae,)) for sae in at_first_layer(saes)]


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.positions.measuring import PositionMeasurer

    return PositionMeasurer(measuring)


EVALUATION = Evaluation(
    PositionTable, COLUMNS, "text", "token of a first-layer SAE", _measurer, _interventions
)

"""The columns of the context evaluation: a figure per token (docs/quantities.md defines each)."""

from __future__ import annotations

from collections.abc import Set

from sae_checks.evals.context.table import ERROR_PROJECTION, POSITION_SUMS, WRITTEN
from sae_checks.measure.plan import Plan
from sae_checks.records.column import Column
from sae_checks.records.octaves import OFFSET_PROJECTION

COLUMNS = (
    Column("l0", of="features", metric="l0"),
    Column("l1", of="features", metric="l1"),
    Column("mse", of="reconstruction", metric="squared_distance"),
    Column("norm", always=True),
    Column("reconstruction_norm", of="reconstruction", metric="norm_of_reconstruction"),
    # ‖x̂ − c‖², and ê·(x − x̂): the recorder knows the centre c and the direction ê.
    Column("reconstruction_squared_distance", encodes=True),
    Column(ERROR_PROJECTION, encodes=True),
    # What active features write, in the training context: `written.py`.
    *(Column(name, encodes=True) for name in WRITTEN),
    Column("squared_distance"),
    Column("ce_clean", unembeds=True, at_last_position=False),
    Column("ce_sae", splices=True, unembeds=True, at_last_position=False),
    Column("kl", splices=True, unembeds=True, at_last_position=False),
    Column("ce_zero", unembeds=True, at_last_position=False),
    Column("ce_mean", unembeds=True, at_last_position=False),
    Column("kl_zero", unembeds=True, at_last_position=False),
    Column("kl_mean", unembeds=True, at_last_position=False),
    Column(OFFSET_PROJECTION, hidden=True),
    # Σ(x − c) per position; without the projections they tell no standard error.
    Column(POSITION_SUMS, side_table=True, brings=(OFFSET_PROJECTION,)),
)
# Names of those that checks may ask for.
NEEDS = frozenset(column.name for column in COLUMNS if not column.hidden)
# The ablations that recovered loss is measured against.
FLOORS = ("ce_zero", "ce_mean")
KL_FLOORS = {"ce_zero": "kl_zero", "ce_mean": "kl_mean"}
WITHOUT_LAST_POSITION = frozenset(c.name for c in COLUMNS if not c.at_last_position)


def context_plan(needs: Set[str]) -> Plan:
    """The plan for what checks need of texts."""
    return Plan.of(COLUMNS, needs)

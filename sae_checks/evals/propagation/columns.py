"""The columns of the propagation evaluation: those of texts, of a later SAE with one spliced in.

They have the names of the columns that the context evaluation has of the same SAE without the
splice, so that the one is divided by the other. `direct_*` are of what the residual stream alone
carries from the SAE that is spliced in (docs/quantities.md).
"""

from __future__ import annotations

from dataclasses import replace

from sae_checks.evals.context import columns as of_context
from sae_checks.evals.context.table import POSITION_SUMS
from sae_checks.records.column import Column
from sae_checks.records.octaves import OFFSET_PROJECTION

# Figures are of the first so many positions of each text, whatever its length.
MEASURED_POSITIONS = 128
# What a name of `DIRECT` begins with.
DIRECT_PREFIX = "direct_"

_TAKEN = ("l0", "mse", "norm", "squared_distance", OFFSET_PROJECTION, POSITION_SUMS)
_OF_LATER = tuple(replace(c, splices=True) for c in of_context.COLUMNS if c.name in _TAKEN)
DIRECT = (
    Column(f"{DIRECT_PREFIX}l0", of="features", metric="l0", splices=True),
    Column(f"{DIRECT_PREFIX}mse", of="reconstruction", metric="squared_distance", splices=True),
    Column(f"{DIRECT_PREFIX}norm", of="activation", metric="norm", splices=True),
)
COLUMNS = (*_OF_LATER, *DIRECT)
# Names of those that checks may ask for.
NEEDS = frozenset(column.name for column in COLUMNS if not column.hidden)

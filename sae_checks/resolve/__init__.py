"""Resolve: from what `--sae` says to a `Release`, without loading weights and without torch.

`find` lists what a name stands for (no network); `describe` reads each SAE's own configuration
(disk or hub) and refuses what cannot be measured together.
"""

from sae_checks.resolve.describe import describe
from sae_checks.resolve.listing import Entry, Listing, choose, find

__all__ = ["Entry", "Listing", "choose", "describe", "find"]

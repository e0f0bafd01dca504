"""Store: tables as Parquet beside a manifest of all that determined their numbers; no torch."""

from sae_checks.store.provenance import Provenance
from sae_checks.store.store import Store, Stored, read_measurement

__all__ = ["Provenance", "Store", "Stored", "read_measurement"]

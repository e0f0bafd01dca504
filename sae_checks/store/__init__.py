"""Store: tables as Parquet beside a manifest of all that determined their numbers; no torch."""

from sae_checks.records.provenance import Provenance
from sae_checks.store.measurement import read_measurement
from sae_checks.store.parts import StoredTable
from sae_checks.store.recorded import MeasuredDataset
from sae_checks.store.store import Store

__all__ = [
    "MeasuredDataset",
    "Provenance",
    "Store",
    "StoredTable",
    "read_measurement",
]

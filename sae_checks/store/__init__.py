"""Store: tables as Parquet beside a manifest of all that determined their numbers; no torch."""

from sae_checks.store.files import Stored, task_columns
from sae_checks.store.measurement import read_measurement, task_refs
from sae_checks.store.provenance import Provenance
from sae_checks.store.store import MeasuredTask, Store

__all__ = [
    "MeasuredTask",
    "Provenance",
    "Store",
    "Stored",
    "read_measurement",
    "task_columns",
    "task_refs",
]

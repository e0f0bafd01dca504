"""The words of what a run measured, for reports: read once a report asks, since few do."""

from __future__ import annotations

from sae_checks.errors import StoreError
from sae_checks.records.words import TokenWords
from sae_checks.session.result import RunResult
from sae_checks.store.words import read_words


def words_of(result: RunResult, dataset: str) -> TokenWords | None:
    """Those of a data set's tokens; None where they were not kept, or are damaged.

    Args:
        result: of the run.
        dataset: its name.
    """
    folder = result.facts.stored[0] if result.facts.stored else result.facts.tables
    if folder is None or result.measurement is None:
        return None
    for entry in result.measurement.manifest.datasets:
        if entry.ref.name == dataset:
            try:
                return read_words(folder, entry.ref, str(entry.description.get("fingerprint", "")))
            except StoreError:
                return None  # nothing is judged by words
    return None

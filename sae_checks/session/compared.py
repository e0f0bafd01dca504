"""The baseline that a run compares with: found, and refused where it cannot be paired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.identity import match, pairing_terms_of_provenance, refuse_unpaired
from sae_checks.baseline.measured_before import Asked
from sae_checks.baseline.source import StoredBaseline, find_baseline
from sae_checks.options import Options
from sae_checks.session.setup import ResolvedRun


def run_comparison(
    run: ResolvedRun, options: Options, stored: Callable[[Path], StoredBaseline]
) -> Comparison | None:
    """With the baseline that is asked for; None where none is, or it is being written.

    Args:
        run: which release, and on what.
        options: of the run; they name the baseline.
        stored: the baseline that a stored measurement makes, by its folder.

    Raises:
        BaselineError: there is no such baseline, or SAEs are matched that do not exist.
    """
    if options.baseline is None or options.baseline_update:
        return None
    asked = _asked(run, options)
    source = find_baseline(options, asked, stored)
    if run.stored is None:  # told before anything is measured in vain
        refuse_unpaired(asked.pairing_terms, source.name, source.pairing_terms)
    matches = match(run.release.saes, source.saes, dict(options.match))
    return Comparison(source, matches, options.question)


def _asked(run: ResolvedRun, options: Options) -> Asked:
    """What a baseline has to fit, as far as it is known before anything is measured."""
    store = run.store(options)
    if run.provenance is not None and store is not None:
        known = pairing_terms_of_provenance(run.provenance.as_dict())
        return Asked(known, store.folder, writes=True)
    assert run.stored is not None, "what is not to be measured is stored"
    known = pairing_terms_of_provenance(run.stored.manifest.provenance)
    return Asked(known, options.measurements)

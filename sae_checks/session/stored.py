"""The stored measurement that a run judges, in place of measuring anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.evals.registry import tables
from sae_checks.options import Options, given
from sae_checks.records import Measurement
from sae_checks.resolve.listing import matching
from sae_checks.store import read_measurement


def read_stored(options: Options, folder: Path) -> Measurement:
    """The stored measurement that a run judges.

    Raises:
        UserError: it cannot be read, is of another release, or options say how to measure.
    """
    _refuse_measuring_options(options)
    stored = _choose_stored(read_measurement(folder, tables()), options.ids)
    if options.release not in (None, stored.release.name):
        raise UserError(
            f"--sae {options.release} is not what --sae-measurements "
            f"{folder} holds, which is {stored.release.name}; leave --sae out"
        )
    return stored


def _refuse_measuring_options(options: Options) -> None:
    """What was measured is past changing: an option that says how to measure is a mistake."""
    names = [option.name for option in given(options, "measure", "shift", "ablate")]
    if names:
        raise UserError(
            f"--sae-measurements judges tables as they were measured; {', '.join(names)} cannot "
            "change that, leave it out or measure again"
        )


def _choose_stored(measurement: Measurement, globs: tuple[str, ...]) -> Measurement:
    release = measurement.release
    ids = [sae.sae_id for sae in release.saes]
    chosen = matching(ids, globs, "the stored measurement")
    saes = tuple(sae for sae in release.saes if sae.sae_id in chosen)
    return replace(measurement, release=replace(release, saes=saes))

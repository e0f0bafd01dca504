"""From options to a setting: what will be measured and on what, with nothing loaded yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sae_checks.errors import CorpusError, ReleaseError, UserError
from sae_checks.evals.registry import tables
from sae_checks.options import DEFAULT_CONTEXT, Options
from sae_checks.records import Measurement, Release
from sae_checks.store import Provenance, read_measurement


@dataclass(frozen=True)
class Setting:
    """A release as it will be measured: resolved and described, nothing loaded."""

    release: Release
    context: int
    provenance: Provenance


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
    how = ["model", "corpus", "tokens", "context", "training_context", "seed", "packing", "task"]
    how += [
        "special_tokens",
        "device",
        "dtype",
        "items",
        "answer",
        "feature_window",
        "ablate",
        "fixed",
        "batch_tokens",
    ]
    given = [
        f"--sae-{n.replace('_', '-')}" for n in how if getattr(options, n) != getattr(Options(), n)
    ]
    if given:
        raise UserError(
            f"--sae-measurements judges tables as they were measured; {', '.join(given)} cannot "
            "change that, leave it out or measure again"
        )


def resolve_setting(options: Options) -> Setting:
    from sae_checks import resolve
    from sae_checks.load.documents import default_packing
    from sae_checks.resolve.model_config import read_model_config

    whole = resolve.find(options.release)
    listing = resolve.choose(whole, options.ids)
    release = replace(
        resolve.describe(listing, model=options.model, training_context=options.training_context),
        whole=len(whole.entries),
    )
    model = read_model_config(release.loading)
    context = _context(options.context, model.context)
    corpus = options.corpus or _own_dataset(release)
    provenance = Provenance(
        loading=release.loading,
        model_version=model.version,
        corpus=corpus,
        corpus_version=_corpus_version(corpus, options),
        packing=options.packing or default_packing(corpus),
        seed=options.seed,
        tokens=options.tokens,
        context=context,
        replace_special=options.special_tokens == "replace",
        device=options.device,
        dtype=options.dtype,
    )
    return Setting(release, context, provenance)


def _context(asked: int | None, of_model: int | None) -> int:
    if asked is None:
        return min(of_model or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    if asked < 4:
        raise UserError(
            f"--sae-context {asked} is too short to measure anything; give 4 tokens or more"
        )
    if of_model is not None and asked > of_model:
        raise UserError(
            f"--sae-context {asked:,} is beyond the model's context of {of_model:,} tokens; "
            f"give {of_model:,} or less"
        )
    return asked


def _own_dataset(release: Release) -> str:
    names = sorted({sae.dataset for sae in release.saes if sae.dataset})
    if len(names) == 1:
        return names[0]
    said = (
        f"name {len(names)} data sets ({', '.join(names)})"
        if names
        else "do not say on what they were trained"
    )
    raise ReleaseError(f"the SAEs of {release.name!r} {said}; choose one with --sae-corpus")


def _corpus_version(corpus: str, options: Options) -> str:
    from sae_checks.load.documents import corpus_version, is_local

    if is_local(corpus):
        return corpus_version(corpus)
    instead = "name a local .parquet, .jsonl or .txt file, or pydoc, with --sae-corpus"
    return dataset_commit(corpus, options, instead)


def dataset_commit(name: str, options: Options, instead: str) -> str:
    """The commit of a data set on the hub, or without a network the one remembered.

    Raises:
        CorpusError: there is no such data set, or neither network nor memory; `instead` is what
            else a user can do.
    """
    from sae_checks.resolve import hub

    remembered = options.store / "revisions" / name.replace("/", "--")
    try:
        return hub.HubRepo(name, "dataset", instead).commit(remembered)
    except ReleaseError as error:
        raise CorpusError(str(error)) from error


def _choose_stored(measurement: Measurement, globs: tuple[str, ...]) -> Measurement:
    from fnmatch import fnmatchcase

    if not globs:
        return measurement
    saes = measurement.release.saes
    chosen = tuple(s for s in saes if any(fnmatchcase(s.sae_id, glob) for glob in globs))
    if not chosen:
        raise ReleaseError(
            f"--sae-ids {','.join(globs)} matches no SAE of the stored measurement; it has "
            f"{', '.join(s.sae_id for s in saes)}"
        )
    return replace(measurement, release=replace(measurement.release, saes=chosen))

"""From options to what is gated, and on what: resolved and described, with nothing loaded yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sae_checks.errors import CorpusError, ReleaseError, UserError
from sae_checks.options import DEFAULT_CONTEXT, Options
from sae_checks.records import CorpusRef, Measurement, Release
from sae_checks.session.stored import read_stored
from sae_checks.store import Provenance, Store


@dataclass(frozen=True)
class ResolvedRun:
    """A release as it will be measured, or was: resolved and described, nothing loaded.

    Attributes:
        release: which one.
        context: tokens of a text.
        provenance: all that determines what will be measured; None where a stored one is judged.
        stored: the measurement that is judged, in place of a new one.
        second: the corpus that is measured on beside, if any.
    """

    release: Release
    context: int
    provenance: Provenance | None = None
    stored: Measurement | None = None
    second: CorpusRef | None = None

    @property
    def corpus(self) -> str:
        """The name of the corpus measured on."""
        if self.provenance is not None:
            return self.provenance.corpus
        texts = self.stored.manifest.texts if self.stored else {}
        return str(texts.get("corpus", "unknown"))

    @property
    def device(self) -> str:
        """What is computed on; "" where a stored measurement is judged."""
        return "" if self.provenance is None else self.provenance.device

    @property
    def shift(self) -> str:
        """The name of the second corpus; "" where there is none."""
        if self.stored is not None:
            return self.stored.manifest.shift_corpus
        return "" if self.second is None else self.second.told

    def store(self, options: Options) -> Store | None:
        """Where measurements are kept; None where a stored one is judged."""
        if self.provenance is None:
            return None
        return Store(options.store, self.release, self.provenance)


def resolve_run(options: Options) -> ResolvedRun:
    """What a run gates.

    Raises:
        UserError: the release, the model, the corpus or the stored measurement cannot be made out.
    """
    if options.measurements is not None:
        stored = read_stored(options, options.measurements)
        return ResolvedRun(stored.release, stored.context, stored=stored)
    return _to_measure(options)


def _to_measure(options: Options) -> ResolvedRun:
    from sae_checks import resolve
    from sae_checks.load.device import AUTO, best_device
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
        device=best_device() if options.device == AUTO else options.device,
        dtype=options.dtype,
    )
    return ResolvedRun(release, context, provenance, second=_second_corpus(provenance, options))


def _second_corpus(provenance: Provenance, options: Options) -> CorpusRef | None:
    from sae_checks.load.documents import default_packing

    name = options.shift
    if name is None:
        return None
    version = _corpus_version(name, options, "--sae-shift")
    if version == provenance.corpus_version:
        raise CorpusError(
            f"--sae-shift {name!r} is the run's own corpus, from which nothing is shifted; name "
            "another one"
        )
    return CorpusRef(name, version, options.packing or default_packing(name))


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


def _corpus_version(corpus: str, options: Options, option: str = "--sae-corpus") -> str:
    from sae_checks.load.documents import corpus_version, is_local

    if is_local(corpus):
        return corpus_version(corpus, option)
    instead = f"name a local .parquet, .jsonl or .txt file, or pydoc, with {option}"
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

"""Measure a release: load what is not stored yet, run the engine, store the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sae_checks.errors import SaeError
from sae_checks.load.third_party import ignored_warnings
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.records import Measurement, Release, SaeRef, SaeTable
from sae_checks.store import Provenance, Store
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.sae import LoadedSae
    from sae_checks.options import Options


def measure_release(
    release: Release,
    saes: tuple[SaeRef, ...],
    needs: frozenset[str],
    provenance: Provenance,
    store: Store,
    options: Options,
    progress: Progress,
) -> Measurement:
    """The measurement of some SAEs of a release, from the store as far as it is there.

    An SAE that cannot be measured does not keep the others from it: its reason is among the
    measurement's failures.

    Raises:
        UserError: the model, the device or the corpus is not to be had.
    """
    plan = Plan.of(needs)
    with store.lock():
        tables, stored_columns = _read_stored(store, saes, plan)
        missing = tuple(sae for sae in saes if sae.sae_id not in tables)
        failures: dict[str, str] = {}
        texts: dict[str, object] = {}
        if missing:
            # What was stored for fewer columns is measured again with both.
            stored = (stored_columns.get(sae.sae_id, frozenset()) for sae in missing)
            wider = Plan.of(plan.columns.union(*stored))
            with ignored_warnings():
                measured, failures, texts = _measure(
                    release, missing, wider, provenance, options, progress
                )
            for sae_id, table in measured.items():
                store.write(table, wider.columns)
                tables[sae_id] = table
        manifest = store.write_manifest(texts, failures)
    return Measurement(release, provenance.context, tables, failures, manifest)


def _read_stored(
    store: Store, saes: tuple[SaeRef, ...], plan: Plan
) -> tuple[dict[str, SaeTable], dict[str, frozenset[str]]]:
    """Stored tables that hold all that is needed, and what columns the others hold."""
    tables: dict[str, SaeTable] = {}
    columns: dict[str, frozenset[str]] = {}
    for sae in saes:
        stored = store.read(sae)
        if stored is not None:
            columns[sae.sae_id] = stored.columns
            if Plan(stored.columns).covers(plan):
                tables[sae.sae_id] = stored.table
    return tables, columns


def _measure(
    release: Release,
    saes: tuple[SaeRef, ...],
    plan: Plan,
    provenance: Provenance,
    options: Options,
    progress: Progress,
) -> tuple[dict[str, SaeTable], dict[str, str], dict[str, object]]:
    """Load model, SAEs and texts, and run the engine: tables, failures, and what the texts are."""
    progress.phase("loading torch and sae_lens")
    from sae_checks.load.documents import CorpusRequest
    from sae_checks.load.model import load_model, torch_device
    from sae_checks.load.texts import load_texts
    from sae_checks.measure.engine import Settings, bind_saes, measure

    torch_device(options.device)
    progress.phase(f"loading {counted(len(saes), 'SAE')}")
    loaded, failures = _load_saes(release, saes, options)
    if not loaded:
        return {}, failures, {}
    progress.phase(f"loading model {release.loading.model_name}")
    model = load_model(
        release.loading,
        revision=provenance.model_revision,
        device=options.device,
        dtype=options.dtype,
    )
    failures |= bind_saes(model, loaded)
    loaded = [sae for sae in loaded if sae.ref.sae_id not in failures]
    if not loaded:
        return {}, failures, {}
    progress.phase(f"reading corpus {provenance.corpus}")
    request = CorpusRequest.of(provenance)
    texts = load_texts(request, model.tokenizer, prepend_bos=release.loading.prepend_bos)
    count = len(texts.tokens)
    progress.start(
        f"measuring {counted(len(loaded), 'SAE')} on {counted(count, 'text')}", len(loaded) * count
    )
    settings = Settings(provenance.replace_special, options.batch_tokens)
    tables = measure(model, loaded, texts, plan, settings, progress.advance)
    return tables, failures, {**texts.description, "fingerprint": texts.fingerprint}


def _load_saes(
    release: Release, saes: tuple[SaeRef, ...], options: Options
) -> tuple[list[LoadedSae], dict[str, str]]:
    from sae_checks.load.sae import load_sae

    loaded: list[LoadedSae] = []
    failures: dict[str, str] = {}
    for ref in saes:
        try:
            loaded.append(load_sae(release, ref, device=options.device, dtype=options.dtype))
        except SaeError as error:
            failures[ref.sae_id] = str(error)
    return loaded, failures

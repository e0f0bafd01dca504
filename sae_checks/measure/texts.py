"""Measure SAEs on texts, as far as their tables are not stored or do not decide enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sae_checks.evals.context.table import ContextTable
from sae_checks.measure.blocks import FIRST_TEXTS, Blocks
from sae_checks.measure.join import join_texts
from sae_checks.measure.loaded import LoadedModels
from sae_checks.measure.plan import POSITION_SUMS, Plan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.records import SaeRef
from sae_checks.wording import counted, texts_of_documents

if TYPE_CHECKING:
    from sae_checks.load.sae import LoadedSae


@dataclass(frozen=True)
class TextWork:
    """What is to be measured on texts: the tables that are there, and the SAEs that need more."""

    tables: dict[str, ContextTable]
    missing: tuple[SaeRef, ...]
    plan: Plan  # for those that need more


def plan_texts(request: Request, progress: Progress) -> TextWork:
    """What is stored, and for which SAEs that does not do; what is damaged is set aside."""
    plan = Plan.of(request.needs)
    tables: dict[str, ContextTable] = {}
    partial: set[str] = set()
    columns: frozenset[str] = plan.columns
    for sae in request.text_saes:
        stored = request.store.find(sae, progress.note)
        if stored is None:
            continue
        if Plan(stored.columns).covers(plan):
            tables[sae.sae_id] = stored.table
            if not stored.table.complete:
                partial.add(sae.sae_id)
                columns |= stored.columns  # it goes on with what it has
        else:  # what was stored for fewer columns is measured again with both
            columns |= stored.columns
    if partial:
        budget = request.provenance.tokens // request.provenance.context
        partial &= request.stopping.unsettled(request.so_far(tables, {}), None, budget)
    missing = tuple(
        sae for sae in request.text_saes if sae.sae_id not in tables or sae.sae_id in partial
    )
    return TextWork(tables, missing, Plan(columns))


def measure_texts(
    request: Request, loaded: LoadedModels, work: TextWork, progress: Progress
) -> dict[str, object]:
    """Measure and store what is missing; what the texts are, or nothing if none were read."""
    saes = loaded.of(work.missing)
    if loaded.model is None or not saes:
        return {}
    from sae_checks.load.documents import CorpusRequest
    from sae_checks.load.texts import load_texts
    from sae_checks.measure.engine import measure, prepare

    model, corpus = loaded.model, CorpusRequest.of(request.provenance)
    progress.phase(f"reading corpus {corpus.name}")
    prepend_bos = request.release.loading.prepend_bos
    texts = load_texts(corpus, model.tokenizer, prepend_bos=prepend_bos)
    count = len(texts.tokens)
    prepared = prepare(model, saes, texts, work.plan, loaded.settings)

    def measure_part(some: Sequence[LoadedSae], rows: slice) -> dict[str, ContextTable]:
        part = texts.part(rows)
        found = measure(model, some, part, work.plan, loaded.settings, progress.advance, prepared)
        return {name: replace(table, complete=rows.stop == count) for name, table in found.items()}

    for sae in saes:  # a table with fewer columns than are measured now begins anew
        if not _covers(work.tables.get(sae.ref.sae_id), work.plan):
            work.tables.pop(sae.ref.sae_id, None)
    there = sum(work.tables[s.ref.sae_id].texts for s in saes if s.ref.sae_id in work.tables)
    most = "at most " if request.adaptive else ""
    drawn = texts_of_documents(count, texts.documents_drawn)
    progress.start(
        f"measuring {counted(len(saes), 'SAE')} on {most}{drawn}",
        len(saes) * count - there,
    )
    Blocks(
        size=count,
        first=FIRST_TEXTS if request.adaptive else count,
        length=lambda table: table.texts,
        measure=measure_part,
        join=join_texts,
        unsettled=lambda: request.stopping.unsettled(request.so_far(work.tables, {}), None, count),
        progress=progress.advance,
    ).grow(work.tables, saes)
    description = {**texts.description, "fingerprint": texts.fingerprint}
    for sae in saes:
        request.store.write(work.tables[sae.ref.sae_id], work.plan.columns, description)
    return description


def _covers(table: ContextTable | None, plan: Plan) -> bool:
    """Whether a table has all the columns of a plan."""
    if table is None:
        return False
    has_sums = {POSITION_SUMS} if table.position_sums is not None else set()
    return plan.columns <= table.columns.keys() | has_sums

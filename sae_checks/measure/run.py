"""Measure a release: load what is not stored yet, run the engines, store the tables."""

from __future__ import annotations

from dataclasses import dataclass

from sae_checks.load.third_party import ignored_warnings
from sae_checks.measure.bench import Bench, load_bench
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.measure.tasks.run import measure_task, plan_tasks
from sae_checks.records import Measurement, SaeRef, SaeTable
from sae_checks.store import MeasuredTask
from sae_checks.wording import counted


def measure_release(request: Request, progress: Progress) -> Measurement:
    """The measurement that a request asks for, from the store as far as it is there.

    An SAE that cannot be measured does not keep the others from it, nor a task: the reasons are
    among the measurement's failures.

    Raises:
        UserError: the model, the device or the corpus is not to be had.
    """
    store = request.store
    with store.lock():
        texts, tasks = _plan_texts(request), plan_tasks(request)
        missing = {sae.sae_id: sae for sae in texts.missing}
        missing |= {sae.sae_id: sae for work in tasks for sae in work.missing}
        described: dict[str, object] = {}
        measured_tasks = [MeasuredTask(work.ref, {}) for work in tasks]
        failures: dict[str, str] = {}
        if missing:
            with ignored_warnings():
                bench = load_bench(request, tuple(missing.values()), progress)
                failures = bench.failures
                described = _measure_texts(request, bench, texts, progress)
                measured_tasks = [measure_task(request, bench, work, progress) for work in tasks]
        manifest = store.write_manifest(described, failures, measured_tasks)
    return Measurement(
        request.release,
        request.provenance.context,
        texts.tables,
        failures,
        manifest,
        tasks={work.ref.name: work.tables for work in tasks},
        task_failures={t.ref.name: t.failure for t in measured_tasks if t.failure is not None},
    )


@dataclass(frozen=True)
class TextWork:
    """What is to be measured on texts: the tables that are there, and the SAEs that lack one."""

    tables: dict[str, SaeTable]
    missing: tuple[SaeRef, ...]
    plan: Plan  # for those that lack one


def _plan_texts(request: Request) -> TextWork:
    plan = Plan.of(request.needs)
    tables: dict[str, SaeTable] = {}
    columns: frozenset[str] = plan.columns
    for sae in request.text_saes:
        stored = request.store.read(sae)
        if stored is not None and Plan(stored.columns).covers(plan):
            tables[sae.sae_id] = stored.table
        elif stored is not None:  # what was stored for fewer columns is measured again with both
            columns |= stored.columns
    missing = tuple(sae for sae in request.text_saes if sae.sae_id not in tables)
    return TextWork(tables, missing, Plan(columns))


def _measure_texts(
    request: Request, bench: Bench, work: TextWork, progress: Progress
) -> dict[str, object]:
    """Measure and store what is missing; what the texts are, or nothing if none were read."""
    saes = bench.of(work.missing)
    if bench.model is None or not saes:
        return {}
    from sae_checks.load.documents import CorpusRequest
    from sae_checks.load.texts import load_texts
    from sae_checks.measure.engine import measure

    corpus, loading = CorpusRequest.of(request.provenance), request.release.loading
    progress.phase(f"reading corpus {corpus.name}")
    texts = load_texts(corpus, bench.model.tokenizer, prepend_bos=loading.prepend_bos)
    count = len(texts.tokens)
    progress.start(
        f"measuring {counted(len(saes), 'SAE')} on {counted(count, 'text')}", len(saes) * count
    )
    measured = measure(bench.model, saes, texts, work.plan, bench.settings, progress.advance)
    for sae_id, table in measured.items():
        request.store.write(table, work.plan.columns)
        work.tables[sae_id] = table
    return {**texts.description, "fingerprint": texts.fingerprint}

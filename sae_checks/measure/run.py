"""Measure a release: load what is not stored yet, run the engines, store the tables."""

from __future__ import annotations

from sae_checks.evals.tasks.run import measure_task, plan_tasks
from sae_checks.load.third_party import ignored_warnings
from sae_checks.measure.loaded import load_models
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.measure.texts import measure_texts, plan_texts
from sae_checks.records import Measurement
from sae_checks.store import MeasuredTask


def measure_release(request: Request, progress: Progress) -> Measurement:
    """The measurement that a request asks for, from the store as far as it is there.

    An SAE that cannot be measured does not keep the others from it, nor a task: the reasons are
    among the measurement's failures.

    Raises:
        UserError: the model, the device or the corpus is not to be had.
    """
    store = request.store
    with store.lock():
        store.find_manifest(progress.note)  # a damaged one gives way to this run's
        texts = plan_texts(request, progress)
        tasks = plan_tasks(request, texts.tables, progress)
        missing = {sae.sae_id: sae for sae in texts.missing}
        missing |= {sae.sae_id: sae for work in tasks for sae in work.missing}
        described: dict[str, object] = {}
        measured_tasks = [MeasuredTask(work.ref, {}) for work in tasks]
        failures: dict[str, str] = {}
        if missing:
            with ignored_warnings():
                loaded = load_models(request, tuple(missing.values()), progress)
                failures = loaded.failures
                described = measure_texts(request, loaded, texts, progress)
                measured_tasks = [
                    measure_task(request, loaded, work, texts.tables, progress) for work in tasks
                ]
        manifest = store.write_manifest(
            described, failures, measured_tasks, adaptive=request.adaptive
        )
    return Measurement(
        request.release,
        request.provenance.context,
        texts.tables,
        failures,
        manifest,
        tasks={work.ref.name: work.tables for work in tasks},
        task_failures={t.ref.name: t.failure for t in measured_tasks if t.failure is not None},
    )

"""Measure a release: what is not stored yet, data set by data set, each in one loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from sae_checks.errors import SaeError, TaskError
from sae_checks.measure.dataset import Dataset
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.jobs import Job, follow_up_of, plan_jobs
from sae_checks.measure.loaded import LoadedModels, load_models
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.measure.work import Growing, Work
from sae_checks.records import Intervention, Measurement, SaeRef, Table, by_key
from sae_checks.store import MeasuredDataset
from sae_checks.third_party import ignored_warnings
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel


def measure_release(request: Request, progress: Progress) -> Measurement:
    """The measurement that a request asks for, from the store as far as it is there.

    An SAE that cannot be measured does not keep the others from it, nor a data set: the reasons are
    among the measurement's failures.

    Raises:
        UserError: the model, the device or the corpus is not available.
    """
    request.store.find_manifest(progress.note)  # a damaged one gives way to this run's
    jobs = plan_jobs(request, progress)
    missing = dict.fromkeys(sae for job in jobs for sae in job.saes)
    failures: dict[str, str] = {}
    measured = [job.as_measured({}) for job in jobs]
    if missing:
        with ignored_warnings():
            loaded = load_models(request, tuple(missing), progress)
            with closing(loaded.saes):  # none is read where warnings are heeded again
                measured = [_measure(request, loaded, job, jobs, progress) for job in jobs]
            failures = {**loaded.failures, **loaded.saes.failures}
    for job in jobs:  # what a run left in parts that was killed, too
        _compact(request, job)
    every = [each for of_job in measured for each in of_job]
    manifest = request.store.write_manifest(every, failures, adaptive=request.adaptive)
    return Measurement(
        request.release,
        request.provenance.context,
        by_key([table for job in jobs for table in job.judged(failures)]),
        failures,
        manifest,
        {each.ref.name: each.failure for each in every if each.failure is not None},
    )


def _measure(
    request: Request,
    loaded: LoadedModels,
    job: Job,
    jobs: Sequence[Job],
    progress: Progress,
) -> list[MeasuredDataset]:
    """Measure and store what is missing of a data set; one without units is told, not raised."""
    saes, wanted = loaded.of(job.saes), job.wanted
    if loaded.model is None or not saes:
        return job.as_measured({})
    progress.phase(f"reading {wanted.title}")
    try:
        dataset = wanted.load(loaded.model)
    except TaskError as error:
        return job.as_measured({}, str(error))
    _keep_words(request, loaded.model, dataset, progress)
    others = [t for other in jobs if other is not job for t in other.tables]
    _grow(request, loaded, job, dataset, saes, others, progress)
    for work, interventions in zip(job.works, job.to_follow, strict=True):
        _follow(request, loaded, work, interventions, dataset, progress)
    return job.as_measured(dataset.description)


def _keep_words(
    request: Request, model: LanguageModel, dataset: Dataset, progress: Progress
) -> None:
    """What the measured tokens read as, which reports show beside figures."""
    from sae_checks.load.words import token_words

    fingerprint = str(dataset.description["fingerprint"])
    if request.store.has_words(dataset.ref, fingerprint):
        return
    try:
        words = token_words(dataset.tokens, model.tokenizer)
    except Exception as error:  # whatever a tokenizer raises: nothing is judged by words
        told = f"{type(error).__name__}: {error}"
        progress.note(f"reports show no tokens of {dataset.ref.name}, which do not decode ({told})")
        return
    request.store.write_words(dataset.ref, fingerprint, words)


def _grow(
    request: Request,
    loaded: LoadedModels,
    job: Job,
    dataset: Dataset,
    saes: tuple[SaeRef, ...],
    others: Sequence[Table],
    progress: Progress,
) -> None:
    for work in job.works:
        work.leave_out_all_but(saes)
    works = [work for work in job.works if work.missing]
    others = [*others, *(t for work in job.works if not work.missing for t in work.tables)]
    for work in works:  # a table with fewer columns than are measured now begins anew
        for intervention in work.missing:
            there = (one.table for one in work.growing[intervention] if one.table is not None)
            if not all(work.plan.grown <= table.measured for table in there):
                work.begin_anew(intervention)
    measurers = [
        work.evaluation.measurer(_measuring(loaded, work, list(work.missing), dataset))
        for work in works
    ]
    from sae_checks.measure.growth import Growth

    growth = Growth(
        request, job.wanted, dataset, loaded, works, measurers, saes, others, progress.advance
    )
    some = {sae for work in works for i in growth.interventions(work) for sae in i.saes}
    if some:
        most = "at most " if request.adaptive else ""
        said = f"measuring {counted(len(some), 'SAE')} on {most}{dataset.told}"
        progress.start(said, growth.left(), dataset.ref.name, "measuring")
        growth.run()


def _measuring(
    loaded: LoadedModels, work: Work, interventions: Sequence[Intervention], dataset: Dataset
) -> Measuring:
    assert loaded.model is not None, "something is measured"
    fitting = [i for i in interventions if len(loaded.of(i.saes)) == len(i.saes)]
    observed = {i: work.observed(i) for i in fitting}
    return Measuring(
        loaded.model, loaded.saes, dataset, fitting, work.plan, loaded.settings, observed
    )


def _follow(
    request: Request,
    loaded: LoadedModels,
    work: Work,
    interventions: Sequence[Intervention],
    dataset: Dataset,
    progress: Progress,
) -> None:
    """Measure what is measured in the end, of the tables as far as they grew."""
    follow_up, done = follow_up_of(request, work), dict[str, Table]()
    there: dict[str, Growing] = {}
    while follow_up is not None:
        failed = len(loaded.saes.failures)
        measuring = _measuring(loaded, work, interventions, dataset)
        there = _grown(work, measuring.interventions)
        tables = {name: one.table for name, one in there.items() if one.table is not None}
        try:
            done = dict(follow_up.measure(measuring, tables, progress)) if tables else {}
            break
        except SaeError:  # without those that cannot be read any more
            if len(loaded.saes.failures) == failed:
                raise
    for name, table in done.items():
        one = there[name]
        stored = request.store.read(one.ref)
        if stored is None or one.has(stored.units):  # another run may have measured more meanwhile
            request.store.write(one.ref, table, one.units, dataset.description)
        one.table, one.in_parts = table, False


def _grown(work: Work, interventions: Sequence[Intervention]) -> dict[str, Growing]:
    """By their names, the tables of interventions that are of the SAEs spliced in."""
    return {
        i.name: one
        for i in interventions
        for one in work.growing[i]
        if one.table is not None and one.ref.observed is None
    }


def _compact(request: Request, job: Job) -> None:
    """One part a table, now that nothing more is added by this run."""
    for work in job.works:
        for one in (one for of in work.growing.values() for one in of):
            if one.in_parts:
                request.store.compact(one.ref)
                one.in_parts = False

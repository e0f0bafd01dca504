"""Measure a release: what is not stored yet, data set by data set, each in one loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from sae_checks.errors import TaskError
from sae_checks.measure.blocks import schedule
from sae_checks.measure.dataset import Dataset
from sae_checks.measure.evaluation import Evaluation, FollowUp, Measuring
from sae_checks.measure.loaded import LoadedModels, load_models
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request, WantedDataset
from sae_checks.measure.work import Growing, Work
from sae_checks.records import Intervention, Measurement, SaeRef, Table, by_key
from sae_checks.store import MeasuredDataset
from sae_checks.third_party import ignored_warnings
from sae_checks.wording import counted


def measure_release(request: Request, progress: Progress) -> Measurement:
    """The measurement that a request asks for, from the store as far as it is there.

    An SAE that cannot be measured does not keep the others from it, nor a data set: the reasons are
    among the measurement's failures.

    Raises:
        UserError: the model, the device or the corpus is not available.
    """
    request.store.find_manifest(progress.note)  # a damaged one gives way to this run's
    jobs: list[_Job] = []
    for wanted in request.datasets:
        jobs.append(_plan(request, wanted, jobs, progress))
    missing = dict.fromkeys(sae for job in jobs for sae in job.saes)
    failures: dict[str, str] = {}
    measured = [job.as_measured({}) for job in jobs]
    if missing:
        with ignored_warnings():
            loaded = load_models(request, tuple(missing), progress)
            failures = loaded.failures
            with closing(loaded.saes):  # none is read where warnings are heeded again
                measured = [_measure(request, loaded, job, jobs, progress) for job in jobs]
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


@dataclass(frozen=True)
class _Job:
    """One data set: what each evaluation has of it, and what is missing."""

    wanted: WantedDataset
    works: tuple[Work, ...]
    # By evaluation, the interventions that lack what is measured in the end.
    to_follow: tuple[tuple[Intervention, ...], ...] = field(default=())

    def as_measured(
        self, description: Mapping[str, object], failure: str | None = None
    ) -> list[MeasuredDataset]:
        """What the manifest records of it: of each evaluation, on what it was measured."""
        ref = self.wanted.ref
        names = [work.evaluation.name for work in self.works]
        return [MeasuredDataset(ref, name, description, failure) for name in names]

    @property
    def tables(self) -> list[Table]:
        """All that is there."""
        return [table for work in self.works for table in work.tables]

    @property
    def looked_at(self) -> list[Table]:
        """What the stopping rule may look at before anything is measured."""
        looks = schedule(self.wanted.budget, self.wanted.first)
        return [table for work in self.works for table in work.as_looked_at(looks)]

    def judged(self, failures: Mapping[str, str]) -> list[Table]:
        """The tables that a run may judge: none of which it wanted more and could not have it."""
        return [
            one.table
            for work in self.works
            for intervention, growing in work.growing.items()
            for one in growing
            if one.table is not None
            and not (
                intervention in work.missing
                and any(sae.sae_id in failures for sae in intervention.saes)
            )
        ]

    @property
    def saes(self) -> list[SaeRef]:
        """Those that something is to be done with."""
        missing = [i for work in self.works for i in work.growing if i in work.missing]
        missing += [i for of_work in self.to_follow for i in of_work]
        spliced = [sae for each in missing for sae in each.saes]
        return list(dict.fromkeys([*spliced, *self._observed(missing)]))

    def _observed(self, missing: Sequence[Intervention]) -> list[SaeRef]:
        return [sae for work in self.works for i in missing for sae in work.observed(i)]


def _plan(
    request: Request, wanted: WantedDataset, before: Sequence[_Job], progress: Progress
) -> _Job:
    """What is stored of a data set, and what that does not do for; the damaged is set aside."""
    others = [table for job in before for table in job.looked_at]
    looks = schedule(wanted.budget, wanted.first)
    works: list[Work] = []
    for evaluation in wanted.evaluations:
        works.append(_plan_evaluation(request, wanted, evaluation, others, progress))
        others += works[-1].as_looked_at(looks)
    to_follow = []
    for work in works:
        follow_up = _follow_up(request, work)
        to_follow.append(tuple(i for i in work.growing if follow_up and _lacks(follow_up, work, i)))
    return _Job(wanted, tuple(works), tuple(to_follow))


def _lacks(follow_up: FollowUp, work: Work, intervention: Intervention) -> bool:
    """Whether something is left to be measured of an intervention in the end."""
    if intervention in work.missing:
        return True
    tables = (one.table for one in work.growing[intervention])
    return any(table is None or follow_up.missing(table, work.plan) for table in tables)


def _follow_up(request: Request, work: Work) -> FollowUp | None:
    """What is measured in the end, where the plan has it."""
    if work.plan.names == work.plan.grown:
        return None
    return work.evaluation.follow_up(request.options.ablate)


def _plan_evaluation(
    request: Request,
    wanted: WantedDataset,
    evaluation: Evaluation,
    others: Sequence[Table],
    progress: Progress,
) -> Work:
    needed = Plan.of(evaluation.columns, request.needs, wanted.offered)
    growing: dict[Intervention, list[Growing]] = {}
    partial: set[Intervention] = set()
    names = needed.names
    for intervention in evaluation.interventions(wanted.saes):
        growing[intervention] = []
        for ref in evaluation.table_refs(wanted.ref, intervention, wanted.saes):
            stored = request.store.find(ref, progress.note, needed.grown)
            covers = stored is not None and needed.grown <= stored.table.measured
            growing[intervention].append(Growing.of(ref, stored if covers else None))
            if stored is not None and not (covers and stored.table.complete):
                # What is measured on, or again, keeps the columns that it has.
                names |= stored.table.measured
            if covers and stored is not None and not stored.table.complete:
                partial.add(intervention)
    work = Work(evaluation, Plan.of(evaluation.columns, names, names), growing, frozenset())
    missing = {i for i in growing if any(one.table is None for one in growing[i])}
    missing |= _unsettled(request, wanted, work, partial, others)
    return replace(work, missing=frozenset(missing))


def _unsettled(
    request: Request,
    wanted: WantedDataset,
    work: Work,
    partial: set[Intervention],
    others: Sequence[Table],
) -> set[Intervention]:
    """The interventions whose stored tables do not decide enough.

    One that was stopped within a block is not looked at there: it goes on to the block's end.
    """
    looks = schedule(wanted.budget, wanted.first)
    within = {i for i in partial if work.within(i, looks)}
    if not partial - within:
        return within
    so_far = request.so_far([*others, *work.as_looked_at(looks)])
    unsettled = request.stopping.unsettled(so_far, wanted.ref.name, wanted.budget)
    return within | {i for i in partial if any(sae.sae_id in unsettled for sae in i.saes)}


def _measure(
    request: Request,
    loaded: LoadedModels,
    job: _Job,
    jobs: Sequence[_Job],
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
    others = [t for other in jobs if other is not job for t in other.tables]
    _grow(request, loaded, job, dataset, saes, others, progress)
    for work, interventions in zip(job.works, job.to_follow, strict=True):
        _follow(request, loaded, work, interventions, dataset, progress)
    return job.as_measured(dataset.description)


def _grow(
    request: Request,
    loaded: LoadedModels,
    job: _Job,
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
    follow_up = _follow_up(request, work)
    measuring = _measuring(loaded, work, interventions, dataset)
    there = {
        i.name: one
        for i in measuring.interventions
        for one in work.growing[i]
        if one.table is not None and one.ref.observed is None
    }
    if follow_up is None or not there:
        return
    tables = {name: one.table for name, one in there.items() if one.table is not None}
    for name, table in follow_up.measure(measuring, tables, progress).items():
        one = there[name]
        stored = request.store.read(one.ref)
        if stored is None or one.has(stored.units):  # another run may have measured more meanwhile
            request.store.write(one.ref, table, one.units, dataset.description)
        one.table, one.in_parts = table, False


def _compact(request: Request, job: _Job) -> None:
    """One part a table, now that nothing more is added by this run."""
    for work in job.works:
        for one in (one for of in work.growing.values() for one in of):
            if one.in_parts:
                request.store.compact(one.ref)
                one.in_parts = False

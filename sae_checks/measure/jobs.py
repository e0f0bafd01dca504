"""What is to be done of one data set: what is stored of it, and what that does not do for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from sae_checks.measure.blocks import schedule
from sae_checks.measure.evaluation import Evaluation, FollowUp
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request, WantedDataset
from sae_checks.measure.work import Growing, Work
from sae_checks.records import Intervention, Measurement, Release, SaeRef, Table, TableRef
from sae_checks.store import MeasuredDataset


@dataclass(frozen=True)
class Job:
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

    def judged(self, failures: Mapping[str, str]) -> list[Table]:
        """The tables that a run may judge: none of which it wanted more and could not have it."""
        return [
            one.table
            for work in self.works
            for intervention, growing in work.growing.items()
            for one in growing
            if one.table is not None
            and not (intervention in work.missing and _saes(one.ref) & failures.keys())
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


def _saes(ref: TableRef) -> set[str]:
    """Ids of the SAEs that measuring a table takes."""
    observed = () if ref.observed is None else (ref.observed,)
    return {sae.sae_id for sae in (*ref.intervention.saes, *observed)}


def plan_jobs(request: Request, progress: Progress) -> list[Job]:
    """What is stored of each data set, and what that does not do for; the damaged is set aside.

    Whether verdicts need more of a table is asked once all that is stored has been found: a cell
    may rest on tables of several data sets.
    """
    found = [
        (wanted, [_find(request, wanted, each, progress) for each in wanted.evaluations])
        for wanted in request.datasets
    ]
    looked_at = [
        table
        for wanted, works in found
        for work in works
        for table in work.as_looked_at(schedule(wanted.budget, wanted.first))
    ]
    so_far = request.so_far(looked_at)
    jobs = []
    for wanted, works in found:
        settled = _with_unsettled(request, wanted, works, so_far)
        jobs.append(Job(wanted, settled, tuple(_to_follow(request, w) for w in settled)))
    return jobs


def _to_follow(request: Request, work: Work) -> tuple[Intervention, ...]:
    follow_up = follow_up_of(request, work)
    if follow_up is None:
        return ()
    return tuple(each for each in work.growing if _lacks(follow_up, work, each))


def _lacks(follow_up: FollowUp, work: Work, intervention: Intervention) -> bool:
    """Whether something is left to be measured of an intervention in the end."""
    if intervention in work.missing:
        return True
    tables = (one.table for one in work.growing[intervention])
    return any(table is None or follow_up.missing(table, work.plan) for table in tables)


def follow_up_of(request: Request, work: Work) -> FollowUp | None:
    """What is measured in the end, where the plan has it."""
    if work.plan.names == work.plan.grown:
        return None
    return work.evaluation.follow_up(request.options.ablate)


def _find(
    request: Request, wanted: WantedDataset, evaluation: Evaluation, progress: Progress
) -> Work:
    """The tables of an evaluation that are stored; those that are not are missing."""
    needed = Plan.of(evaluation.columns, request.needs, wanted.offered)
    growing: dict[Intervention, list[Growing]] = {}
    # What is measured on, or again, keeps the columns that it has, and what is shown only is not
    # worth measuring it again.
    keeps, lacks = frozenset[str](), frozenset[str]()
    for intervention, refs in _asked_tables(request.release, wanted, evaluation).items():
        growing[intervention] = []
        for ref in refs:
            stored = request.store.find(ref, progress.note, needed.judged)
            covers = stored is not None and needed.judged <= stored.table.measured
            growing[intervention].append(Growing.of(ref, stored if covers else None))
            if stored is not None and not (covers and stored.table.complete):
                keeps |= stored.table.measured
                lacks |= needed.grown - stored.table.measured if covers else frozenset()
    missing = frozenset(i for i in growing if any(one.table is None for one in growing[i]))
    names = (needed.names - lacks) | keeps
    return Work(evaluation, Plan.of(evaluation.columns, names, names), growing, missing)


def _asked_tables(
    release: Release, wanted: WantedDataset, evaluation: Evaluation
) -> dict[Intervention, list[TableRef]]:
    """By intervention the tables that are wanted.

    Which there are is decided by the whole release, such as which SAEs are pairs; measured are
    those whose SAEs are all wanted.
    """
    some, found = frozenset(wanted.saes), dict[Intervention, list[TableRef]]()
    for intervention in evaluation.interventions(release.saes):
        if some.issuperset(intervention.saes):
            refs = evaluation.table_refs(wanted.ref, intervention, release.saes)
            found[intervention] = [r for r in refs if r.observed is None or r.observed in some]
    return {intervention: refs for intervention, refs in found.items() if refs}


def _with_unsettled(
    request: Request, wanted: WantedDataset, works: Sequence[Work], so_far: Measurement
) -> tuple[Work, ...]:
    """The works of a data set, missing what their stored tables do not decide enough of.

    A table that was stopped within a block is not looked at there: it goes on to the block's end.
    The stopping rule is asked once for all works, and only if a table might be gone on with.
    """
    looks = schedule(wanted.budget, wanted.first)
    partial = [_partial(work) for work in works]
    within = [
        {i for i in some if work.within(i, looks)}
        for work, some in zip(works, partial, strict=True)
    ]
    unsettled: Set[str] = frozenset()
    if any(some - at for some, at in zip(partial, within, strict=True)):
        unsettled = request.stopping.unsettled(so_far, wanted.ref.name, wanted.budget)
    return tuple(
        replace(
            work,
            missing=work.missing
            | at
            | {i for i in some if any(sae.sae_id in unsettled for sae in i.saes)},
        )
        for work, some, at in zip(works, partial, within, strict=True)
    )


def _partial(work: Work) -> set[Intervention]:
    """The interventions of which a table is stored that has not the whole budget."""
    return {
        i
        for i, tables in work.growing.items()
        if any(one.table is not None and not one.table.complete for one in tables)
    }

"""The gate: from options to verdicts, stage by stage; no pytest, and no torch before measuring."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.identity import match, refuse_unpaired, setting_of_provenance
from sae_checks.baseline.measured_before import Asked
from sae_checks.baseline.source import StoredBaseline, find_baseline, refuse_baseline_options
from sae_checks.errors import UnmeasuredError, UserError
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.registry import selectors
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import CheckLimits, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import Measurement, PositionRange, Release, SaeRef, TaskRef
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges, place_ranges, position_ranges
from sae_checks.session.datasets import asked_evaluations, reads, wanted_task, wanted_texts
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.setup import read_stored, resolve_setting
from sae_checks.session.stopping import Adaptive, FirstBlock
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from sae_checks.store import Provenance, Store

if TYPE_CHECKING:
    from sae_checks.load.tasks.task import Task
    from sae_checks.measure.request import Request, StoppingRule


class Gate:
    """One run of the suite on one release.

    Args:
        options: what the run is asked to do.

    Raises:
        UserError: the release, the model or the corpus cannot be made out, or the thresholds are
            malformed; nothing has been loaded then.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stored: Measurement | None = None
        self.measurement: Measurement | None = None
        refuse_baseline_options(options)
        self._collected: dict[str, Check] = {}  # whose limits were read, beside the suite's own
        self._provenance: Provenance | None = None
        if options.measurements is not None:
            self.stored = read_stored(options, options.measurements)
            self.release, self.context = self.stored.release, self.stored.context
        else:
            setting = resolve_setting(options)
            self.release, self.context = setting.release, setting.context
            self._provenance = setting.provenance

    @cached_property
    def ranges(self) -> dict[str, PositionRanges]:
        """The position ranges of each SAE."""
        made: dict[str, PositionRanges] = {}
        for sae in self.release.saes:
            if self.options.ranges:
                made[sae.sae_id] = place_ranges(
                    self.options.ranges, sae.training_context, self.context
                )
            else:
                made[sae.sae_id] = position_ranges(sae.training_context, self.context)
        for positions in self.options.ranges:
            if not any(_meets(positions, ranges) for ranges in made.values()):
                raise UserError(
                    f"--sae-ranges {positions} holds no position that is measured: they are 1 to "
                    f"{self.context - 2} at a context of {self.context:,} tokens"
                )
        return made

    @cached_property
    def tasks(self) -> tuple[TaskRef, ...]:
        """The tasks of the run."""
        if self.stored is not None:
            return tuple(entry.task for entry in self.stored.manifest.tasks)
        return tuple(ref for _, ref in self._tasks)

    @cached_property
    def _tasks(self) -> tuple[tuple[Task, TaskRef], ...]:
        """The tasks to measure; looked up when a check first asks, as the hub may have to be."""
        from sae_checks.session.task_setup import find_tasks

        assert self._provenance is not None, "what is not stored has a provenance"
        return find_tasks(self.options, self._provenance)

    def cells(self, check: Check) -> list[CellRef]:
        """The cells a check is asked about, one test each."""
        # Only checks of tasks ask which there are.
        tasks = self.tasks if reads(check, "item") else ()
        ablated = frozenset(task.name for task in tasks if self._ablates(task.name))
        return CellCollector(self.release, self.context, self.ranges, tasks, ablated).cells(check)

    def refuse_many_tasks(self, thresholds: Thresholds, asked: Collection[str]) -> None:
        """Refuse checks on more tasks than the error of the claims is shared by.

        Raises:
            UserError: there are more.
        """
        most = thresholds.gate.tasks
        if len(asked) > most:
            fewer = "choose some with -k" if self.stored else "ask for fewer with --sae-task"
            raise UserError(
                f"checks are asked of {len(asked)} tasks ({', '.join(sorted(asked))}), but the "
                f"limits share the error of the claims by {most} at most: {fewer}, or raise tasks "
                "in [gate]"
            )

    @cached_property
    def _family_ranges(self) -> dict[str, PositionRanges]:
        """The ranges that share an error: the default ones, or those asked for where they are more.

        So that a range that is asked for by itself is judged as it is beside others.
        """
        found = {}
        for sae in self.release.saes:
            default = position_ranges(sae.training_context, self.context)
            asked = self.ranges[sae.sae_id]
            found[sae.sae_id] = PositionRanges(
                max(default.in_context, asked.in_context, key=len),
                max(default.past_context, asked.past_context, key=len),
            )
        return found

    @cached_property
    def comparison(self) -> Comparison | None:
        """With the baseline that is asked for; None where none is, or it is being written.

        Raises:
            BaselineError: there is no such baseline, or SAEs are matched that do not exist.
        """
        if self.options.baseline is None or self.options.baseline_update:
            return None
        asked = self._asked()
        source = find_baseline(
            self.options, asked, partial(stored_baseline, ranges=self.options.ranges)
        )
        if self.stored is None:  # told before anything is measured in vain
            refuse_unpaired(asked.setting, source.name, source.setting)
        matches = match(self.release.saes, source.saes, dict(self.options.match))
        return Comparison(source, matches, self.options.question)

    def _asked(self) -> Asked:
        """What a baseline has to fit, as far as it is known before anything is measured."""
        if self._provenance is not None and self.store is not None:
            known = setting_of_provenance(self._provenance.as_dict())
            return Asked(known, self.store.folder, writes=True)
        assert self.stored is not None, "what is not to be measured is stored"
        setting = setting_of_provenance(self.stored.manifest.provenance)
        return Asked(setting, self.options.measurements)

    def regressions(self, check: Check) -> list[CellRef]:
        """The comparisons of a check's cells with the baseline; none without one."""
        if self.comparison is None:
            return []
        options = self.options
        return self.comparison.cells(
            check,
            self.cells(check),
            self.release.name,
            narrowed=bool(options.ids or options.ranges),
            tasks=None if options.task is None else {task.name for task in self.tasks},
        )

    def cells_of(self, release: Release, checks: Iterable[Check]) -> list[tuple[Check, CellRef]]:
        """The cells that checks would have on another description of the release."""
        ranges = {
            sae.sae_id: position_ranges(sae.training_context, self.context) for sae in release.saes
        }
        field = CellCollector(release, self.context, ranges, self.tasks, frozenset())
        return [(check, ref) for check in checks for ref in field.cells(check)]

    def _ablates(self, task: str) -> bool:
        """Whether features are ablated on a task, or were on any SAE of what is stored."""
        if self.stored is None:
            return self.options.ablate > 0
        tables = self.stored.of(TaskTable, task).values()
        return any(table.ablations is not None for table in tables)

    def read_thresholds(self, collected: Iterable[Check]) -> Thresholds:
        """The limits for the suite's checks and for those collected beside it."""
        bundled, own = bundled_checks(), {check.name: check for check in collected}
        checks = {**bundled, **own}
        self._collected = own
        rules = {name: CheckRules(c.unit, c.parameters) for name, c in checks.items()}
        read = read_thresholds(self.options.thresholds or BUNDLED_THRESHOLDS, rules, selectors())
        # The suite's own checks have no limits but those of the file: one that is left out there
        # must be noticed, not reported without a limit.
        defaults = {
            name: CheckLimits(check.default, by_default=True)
            for name, check in own.items()
            if name not in bundled and check.default is not None
        }
        return replace(read, checks={**defaults, **read.checks})

    @property
    def corpus(self) -> str:
        """The name of the corpus measured on."""
        if self._provenance is not None:
            return self._provenance.corpus
        texts = self.stored.manifest.texts if self.stored else {}
        return str(texts.get("corpus", "unknown"))

    @property
    def store(self) -> Store | None:
        """Where this run's measurements are kept; None when it judges stored ones."""
        if self._provenance is None:
            return None
        return Store(self.options.store, self.release, self._provenance)

    @property
    def adaptive(self) -> bool:
        """Whether measuring stops, or did, where verdicts are clear.

        A comparison needs the baseline's own texts, so that nothing stops before them.
        """
        if self.stored is not None:
            return self.stored.manifest.adaptive or not self.stored.complete
        return not (self.options.fixed or self.options.baseline)

    def measure(
        self,
        wanted: Iterable[tuple[Check, CellRef]],
        thresholds: Thresholds,
        progress: Progress,
    ) -> None:
        """Measure what checks need on their cells, as far as verdicts need it and none is stored.

        Raises:
            UserError: the model, the device or the corpus is not to be had.
        """
        wanted = list(wanted)
        if self.comparison is not None:  # told before anything is measured in vain
            self.comparison.refuse_other_terms(thresholds, wanted)
        if self.stored is not None:
            self.measurement = self.stored
        else:
            from sae_checks.measure.run import measure_release

            self.measurement = measure_release(self.request(wanted, thresholds), progress)
        if self.comparison is not None and not self.options.plan:
            self.comparison.prepare(self.measurement, thresholds, wanted)

    def request(self, wanted: list[tuple[Check, CellRef]], thresholds: Thresholds) -> Request:
        """What measuring these checks on these cells takes."""
        from sae_checks.measure.request import Request

        assert self._provenance is not None, "what is not stored has a provenance"
        assert self.store is not None, "what is not stored has a store"
        loading, datasets = self.release.loading, []
        on_texts = [cell for check, cell in wanted if reads(check, "text")]
        if on_texts:
            evaluations = asked_evaluations((check for check, _ in wanted), "text")
            saes = self._saes_of(on_texts)
            datasets.append(wanted_texts(self._provenance, loading, saes, evaluations))
        on_tasks = [cell for check, cell in wanted if reads(check, "item")]
        names = {cell.task for cell in on_tasks}
        for task, ref in self._tasks if on_tasks else ():
            if ref.name in names:
                evaluations = asked_evaluations((check for check, _ in wanted), "item")
                saes, ablates = self._saes_of(on_tasks), self.options.ablate > 0
                datasets.append(wanted_task(task, ref, loading, saes, evaluations, ablates=ablates))
        return Request(
            release=self.release,
            provenance=self._provenance,
            store=self.store,
            options=self.options,
            needs=frozenset().union(*(check.needs for check, _ in wanted)),
            datasets=tuple(datasets),
            stopping=self._stopping_rule(wanted, thresholds),
        )

    def _stopping_rule(
        self, wanted: list[tuple[Check, CellRef]], thresholds: Thresholds
    ) -> StoppingRule:
        from sae_checks.measure.request import WholeBudget

        if self.options.plan:
            return FirstBlock()
        return Adaptive(self.rule(thresholds), wanted) if self.adaptive else WholeBudget()

    def _saes_of(self, cells: list[CellRef]) -> tuple[SaeRef, ...]:
        """The SAEs that cells are about; all of them if one is about the whole release."""
        ids = {sae.sae_id for cell in cells for sae in cell.saes}
        whole = any(cell.kind.whole_release or cell.absent is not None for cell in cells)
        return tuple(sae for sae in self.release.saes if whole or sae.sae_id in ids)

    def verdict(self, check: Check, ref: CellRef, thresholds: Thresholds) -> Verdict:
        """Judge one cell.

        Raises:
            UnmeasuredError: the cell's SAE (any SAE, for a cell of the whole release) or its task
                could not be measured.
        """
        if self.measurement is None:
            raise UnmeasuredError("nothing has been measured yet")
        return self.rule(thresholds).verdict(self.measurement, check, ref)

    def rule(self, thresholds: Thresholds) -> DecisionRule:
        """By which the run's cells are judged."""
        checks = {**self._collected, **bundled_checks()}
        family = Family(thresholds, checks, self.release.size, self._family_ranges)
        return DecisionRule(thresholds, family, self.adaptive, self.comparison)


def stored_baseline(folder: Path, ranges: tuple[PositionRange, ...] = ()) -> StoredBaseline:
    """The baseline that a stored measurement makes; in these ranges, else in the default ones.

    Raises:
        UserError: it cannot be read, or is not whole.
    """
    gate = Gate(Options(measurements=folder, ranges=ranges))
    assert gate.stored is not None, "a stored measurement"
    return StoredBaseline(folder, gate.stored, gate.cells)


def _meets(positions: PositionRange, ranges: PositionRanges) -> bool:
    """Whether any of an SAE's ranges was cut from the one that was asked for."""
    cut = (*ranges.in_context, *ranges.past_context)
    return any(positions.first <= each.first and each.last <= positions.last for each in cut)

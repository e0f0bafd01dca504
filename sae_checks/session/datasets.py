"""The data sets that a run measures on: the texts of its corpus, and the items of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sae_checks.evals.kind import evaluations_of
from sae_checks.evals.registry import evaluations
from sae_checks.evals.tasks.table import ABLATIONS
from sae_checks.judge.check import Check
from sae_checks.measure.blocks import FIRST_ITEMS, FIRST_TEXTS
from sae_checks.measure.evaluation import Evaluation, Units
from sae_checks.measure.plan import Plan
from sae_checks.measure.request import WantedDataset
from sae_checks.records import TEXTS, CorpusRef, ModelLoading, SaeRef, TaskRef
from sae_checks.records.dataset import DatasetRef
from sae_checks.store import Provenance

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.tasks.task import Task
    from sae_checks.measure.dataset import Dataset


def asked_evaluations(checks: Iterable[Check], units: Units) -> tuple[Evaluation, ...]:
    """The evaluations that checks need, of those that read texts, or items."""
    names = frozenset().union(*(evaluations_of(check) for check in checks))
    return tuple(each for each in evaluations() if each.reads == units and each.name in names)


def reads(check: Check, units: Units) -> bool:
    """Whether texts, or items, have to be measured on for a check."""
    return bool(asked_evaluations([check], units))


def wanted_texts(
    provenance: Provenance,
    loading: ModelLoading,
    saes: tuple[SaeRef, ...],
    listening: Sequence[Evaluation],
) -> WantedDataset:
    """The texts of the run's corpus."""

    def load(model: LanguageModel) -> Dataset:
        from sae_checks.load.documents import CorpusRequest
        from sae_checks.load.texts import load_texts
        from sae_checks.measure.texts import TextDataset

        corpus = CorpusRequest.of(provenance)
        return TextDataset(load_texts(corpus, model.tokenizer, prepend_bos=loading.prepend_bos))

    return WantedDataset(
        ref=DatasetRef(TEXTS),
        title=f"corpus {provenance.corpus}",
        budget=provenance.tokens // provenance.context,
        first=FIRST_TEXTS,
        offered=None,
        saes=saes,
        evaluations=tuple(listening),
        load=load,
    )


def wanted_shift(
    provenance: Provenance,
    second: CorpusRef,
    loading: ModelLoading,
    saes: tuple[SaeRef, ...],
    asking: Sequence[Check],
) -> WantedDataset:
    """The texts of a second corpus, with the columns of the checks that ask about it alone."""
    ref, evaluations = DatasetRef.of_shift(second), asked_evaluations(asking, "text")
    needs = frozenset().union(*(check.needs for check in asking))

    def load(model: LanguageModel) -> Dataset:
        from sae_checks.load.documents import CorpusRequest
        from sae_checks.load.texts import load_texts
        from sae_checks.measure.texts import TextDataset

        corpus = CorpusRequest.of_second(provenance, second)
        texts = load_texts(corpus, model.tokenizer, prepend_bos=loading.prepend_bos)
        return TextDataset(texts, ref)

    return WantedDataset(
        ref=ref,
        title=f"second corpus {second.name}",
        budget=provenance.tokens // provenance.context,
        first=FIRST_TEXTS,
        offered=frozenset().union(*(Plan.of(e.columns, needs).names for e in evaluations)),
        saes=saes,
        evaluations=evaluations,
        load=load,
    )


def wanted_task(
    task: Task,
    ref: TaskRef,
    loading: ModelLoading,
    saes: tuple[SaeRef, ...],
    listening: Sequence[Evaluation],
    *,
    ablates: bool,
) -> WantedDataset:
    """The items of a task."""
    dataset = DatasetRef.of_task(ref)

    def load(model: LanguageModel) -> Dataset:
        from sae_checks.load.tasks.items import load_items
        from sae_checks.measure.items import ItemDataset

        items = load_items(
            task,
            ref,
            model.tokenizer,
            revision=ref.version if task.hub else None,
            context=model.context,
            prepend_bos=loading.prepend_bos,
        )
        return ItemDataset(items, dataset, ref.feature_window)

    return WantedDataset(
        ref=dataset,
        title=f"task {ref.name}",
        budget=ref.items,
        first=FIRST_ITEMS,
        offered=ref.columns | ({ABLATIONS} if ablates else set()),
        saes=saes,
        evaluations=tuple(listening),
        load=load,
    )

"""Small random models and SAEs, all pairs of which are measured; what tests of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.propagation import EVALUATION
from sae_checks.evals.propagation.cells import PropagationCell
from sae_checks.evals.propagation.pairs import PAIR, Pair
from sae_checks.evals.propagation.table import PropagationTable, first_positions
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset
from sae_checks.records import SaeRef
from sae_checks.records.place import Place
from sae_checks.resolve.hook_point import parse_hook_point
from tests.builders import IdentitySae, language_model, loaded_sae, sae_ref
from tests.measuring import PAIR_NEEDS, bind

CHECK = "made_up"


def small_sae(hook_point: str, architecture: str = "standard", seed: int = 0) -> LoadedSae:
    """A random one that says where it lies."""
    layer, site = parse_hook_point(hook_point)
    made = loaded_sae(hook_point, architecture, seed=seed)
    ref = sae_ref(hook_point, made.sae.cfg.d_in, layer=layer, site=site, architecture=architecture)
    return LoadedSae(ref, made.sae)


def identity(hook_point: str) -> LoadedSae:
    """One whose reconstructions are perfect."""
    layer, site = parse_hook_point(hook_point)
    return LoadedSae(sae_ref(hook_point, layer=layer, site=site), IdentitySae())


def measured(
    saes: Sequence[LoadedSae],
    texts: Texts,
    model: LanguageModel | None = None,
    settings: PassOptions = PassOptions(),
    needs: frozenset[str] = PAIR_NEEDS,
    source: SaeSource | None = None,
) -> dict[str, PropagationTable]:
    """All pairs, by name."""
    model = model or language_model()
    assert bind(model, saes) == {}
    refs, plan = [sae.ref for sae in saes], Plan.of(EVALUATION.columns, needs)
    observed = {i: EVALUATION.observed(i, refs) for i in EVALUATION.interventions(refs)}
    measuring = Measuring(
        model,
        source or SaeSource.of(saes),
        TextDataset(texts),
        list(observed),
        plan,
        settings,
        observed,
    )
    tables = measure_once(measuring, EVALUATION.measurer(measuring))
    return {
        f"{table.intervention.name}->{table.sae.sae_id}": table
        for table in tables
        if isinstance(table, PropagationTable)
    }


def cells(
    saes: Sequence[LoadedSae], texts: Texts, model: LanguageModel | None = None
) -> Mapping[str, PropagationCell]:
    """The same beside the context evaluation's tables, as checks see them."""
    model = model or language_model()
    tables = measured(saes, texts, model)
    clean = measure_texts(model, saes, texts, context_plan(PAIR_NEEDS))
    return {
        pair: PropagationCell(
            place(*table.saes),
            table,
            first_positions(clean[table.sae.sae_id], table.context),
            CHECK,
            limits(),
        )
        for pair, table in tables.items()
    }


def place(spliced: SaeRef, observed: SaeRef) -> Place:
    return Place.of_release("small-release").at(PAIR, Pair.of(spliced, observed))


def limits(last_position: float = 100, **more: Limit) -> Thresholds:
    limit = Limit("fraction", max=1.0, margin=0.1, parameters=(("last_position", last_position),))
    return Thresholds(checks={CHECK: CheckLimits(limit)})


def column(table: PropagationTable, name: str) -> np.ndarray:
    return np.asarray(table.columns[name])

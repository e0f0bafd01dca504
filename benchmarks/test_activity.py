"""What counting active features costs, of the run that it is part of.

    pytest benchmarks/test_activity.py -s

Three SAEs of 24,576 features, at the inputs of blocks of a model of gpt2-small's shape, on one text
of 1024 tokens, all of them within the training context; some 50 features are active per token. The
context evaluation measures all its columns beside. Both listen to the same passes, and the clock
runs in what the activity evaluation is told: what it adds, and the whole, are of one run. Comparing
decoder directions is done once per SAE, however much is measured, and told by itself. Time is
printed and never asserted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.shapes import (
    BOS,
    CONTEXT,
    VOCABULARY,
    MeasuredSeconds,
    gpt2_small,
    loaded,
    make_saes,
)
from tests.measuring import bind

SAES = 3
BUDGET_TEXTS = 97  # of a default run at this context


class Clock:
    """Seconds spent in some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def within(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - started

        return within


def main() -> None:
    from sae_checks.evals.activity import COLUMNS
    from sae_checks.evals.activity.directions import near_duplicates
    from sae_checks.evals.activity.measuring import ActivityMeasurer
    from sae_checks.evals.context.columns import NEEDS, context_plan
    from sae_checks.evals.context.measuring import ContextMeasurer
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae
    from sae_checks.measure.engine import listen
    from sae_checks.measure.evaluation import Measuring
    from sae_checks.measure.loaded import SaeSource
    from sae_checks.measure.pass_options import PassOptions
    from sae_checks.measure.plan import Plan
    from sae_checks.measure.texts import TextDataset
    from sae_checks.records import Intervention
    from tests.builders import texts_of

    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (1, CONTEXT))
    tokens[:, 0] = BOS
    model, dataset, settings = gpt2_small(), TextDataset(texts_of(tokens)), PassOptions()
    made = loaded(make_saes(model, torch.from_numpy(tokens[:, :64])))[:SAES]
    saes = [LoadedSae(replace(each.ref, training_context=CONTEXT), each.sae) for each in made]
    language_model = LanguageModel(model, None)
    assert not bind(language_model, saes)
    source, every = SaeSource.of(saes), [Intervention((sae.ref,)) for sae in saes]
    plans = context_plan(NEEDS), Plan.of(COLUMNS, {"active_features"})
    of_context, of_activity = (
        Measuring(language_model, source, dataset, every, plan, settings) for plan in plans
    )
    units, clock = np.arange(dataset.size), Clock()
    context = ContextMeasurer(of_context).listen(units, every)
    activity = ActivityMeasurer(of_activity).listen(units, every)
    for name in ("features", "reconstruction", "tables"):
        setattr(activity, name, clock.timed(getattr(activity, name)))
    batches = dataset.batches(units, language_model, settings)
    started = time.perf_counter()
    listen(language_model, source, batches, [context, activity])
    active = sum(len(each.active.text) for each in activity.tables())
    whole = time.perf_counter() - started
    started = time.perf_counter()
    near_duplicates(saes[0].sae.W_dec)
    directions = time.perf_counter() - started
    answer = {"seconds": whole, "counting": clock.seconds, "directions": directions}
    print(json.dumps(answer | {"rows": active}))


measured_seconds = MeasuredSeconds()


@pytest.mark.timeout(3600)
@pytest.mark.benchmark(group="3 SAEs on 1,024 tokens", timer=measured_seconds)
def test_counting_active_features(benchmark):
    answer = benchmark.pedantic(measured_seconds.side, args=(__file__,), rounds=1)
    whole, counting = answer["seconds"], answer["counting"]
    of_budget = answer["directions"] * SAES / (BUDGET_TEXTS * whole)
    print(
        f"\nrun: {whole:.1f} s, of which counting {counting:.2f} s ({counting / whole:.1%}), "
        f"{answer['rows']:,} rows of text and feature; comparing the directions of an SAE once: "
        f"{answer['directions']:.1f} s, {of_budget:.1%} of a run of {BUDGET_TEXTS} texts"
    )


if __name__ == "__main__":
    main()

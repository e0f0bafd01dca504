"""Answers with a whole stack spliced in equal those of hooks on the Hugging Face model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.stack import TASK_COLUMNS
from sae_checks.evals.stack.tasks.measuring import TaskStackMeasurer
from sae_checks.evals.tasks.columns import task_plan
from sae_checks.evals.tasks.measuring import measure_items
from sae_checks.load.tasks.items import Item, Items
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.items import ItemDataset
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.records import Intervention, TaskRef
from sae_checks.records.dataset import DatasetRef
from tests.builders import (
    BOS,
    VOCABULARY,
    loaded_sae,
    shared_language_model,
)
from tests.evals.stack.test_measuring import RESIDUAL, SITES, identity, spliced
from tests.load.plain_hooks import PlainHooks
from tests.measuring import ITEM_NEEDS, bind

PLAN = Plan.of(TASK_COLUMNS, frozenset())


def made_items(count: int = 12) -> Items:
    generator = np.random.default_rng(0)
    items = []
    for row in range(count):
        prompt = generator.integers(1, VOCABULARY, generator.integers(3, 25))
        if row % 4 == 0:
            prompt[len(prompt) // 2] = BOS
        answer = tuple(generator.integers(1, VOCABULARY, 2).tolist())
        items.append(Item(f"row {row}", (BOS, *prompt.tolist()), answer, ()))
    return Items(tuple(items), frozenset({BOS}), {}, "")


def measured(saes, items):
    model, dataset = shared_language_model(), ItemDataset(items, DatasetRef("made-up"), 8)
    assert bind(model, saes) == {}
    interventions = [Intervention(tuple(sae.ref for sae in saes))]
    measuring = Measuring(model, SaeSource.of(saes), dataset, interventions, PLAN, PassOptions())
    (table,) = measure_once(measuring, TaskStackMeasurer(measuring))
    assert (table.intervention, table.observed) == (interventions[0], None)
    return table


def test_answers_equal_those_of_plain_hooks():
    items, saes = made_items(), [loaded_sae(site, seed=n) for n, site in enumerate(SITES)]
    table, plain = measured(saes, items), PlainHooks("gpt2")
    for row, item in enumerate(items.items):
        tokens = torch.tensor([[*item.prompt, *item.answer[:-1]]])
        hooks = {sae.ref.hook_point: spliced(sae, tokens == BOS) for sae in saes}
        for side, change in (("clean", {}), ("sae", hooks)):
            log_p = plain.run(tokens, change)[0].double().log_softmax(dim=-1)
            places = range(len(item.prompt) - 1, tokens.shape[1])
            own = [log_p[p, token] for p, token in zip(places, item.answer, strict=True)]
            found = table.columns[f"{side}_ln_p"][row]
            assert found == pytest.approx(float(sum(own)), rel=1e-3, abs=2e-3)
            rank = max(int((log_p[p] >= v).sum()) for p, v in zip(places, own, strict=True))
            assert abs(table.columns[f"{side}_rank"][row] - rank) <= 1  # near ties round


@pytest.mark.parametrize("site", SITES)
def test_a_stack_of_one_equals_the_single_splice_to_the_bit(site):
    items, sae = made_items(), loaded_sae(site)
    found, model = measured([sae], items), shared_language_model()
    bind(model, [sae])
    ref = TaskRef("made-up", ITEM_NEEDS, "", 12, 0, "whole")
    plan = task_plan(frozenset(), ITEM_NEEDS)
    expected = measure_items(model, [sae], ref, items, plan)[site]
    assert found.columns.keys() == PLAN.names
    for name, values in found.columns.items():
        np.testing.assert_array_equal(values, expected.columns[name], err_msg=name)


def test_perfect_saes_lose_no_answer():
    columns = measured([identity(site) for site in RESIDUAL], made_items()).columns
    np.testing.assert_array_equal(columns["sae_ln_p"], columns["clean_ln_p"])
    np.testing.assert_array_equal(columns["sae_rank"], columns["clean_rank"])

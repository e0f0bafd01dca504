"""Every Δ ln p, class, score and ablation of a task, against what is known in closed form."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from sae_checks.evals.tasks.ablation import Chosen
from sae_checks.evals.tasks.columns import task_plan
from sae_checks.evals.tasks.measuring import measure_items
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.load.tasks.items import Item, Items
from sae_checks.records import FEATURE_WINDOW, TaskRef
from tests.evals.tasks.closed_form import TOKENS, D, ln_p, logit_table, model_of, rank, sae_of
from tests.measuring import ITEM_NEEDS, ablated, bind

TABLE = logit_table(seed=2)  # tokens that are taken for each other have other answers
TABLE[0] -= 20  # BOS is never the answer
CONFUSION = {1: 2, 2: 1, 3: 5}  # tokens 4, 5, 6 and 7 are reconstructed as they are
REF = TaskRef("made-up", ITEM_NEEDS, "", 100, 0, "first_token")


def taken_for(token: int) -> int:
    return CONFUSION.get(token, token)


def make_items() -> list[Item]:
    """Prompts of 3 to 40 tokens; the longest reach back beyond the feature window."""
    generator = np.random.default_rng(3)
    items = []
    for row in range(45):
        prompt = generator.integers(1, 7, 2 + row % 7 if row < 40 else 39).tolist()
        # In turn what the clean model answers, what the spliced one does, and anything.
        clean, spliced = TABLE[:, prompt[-1]].argmax(), TABLE[:, taken_for(prompt[-1])].argmax()
        answer = int((clean, spliced, generator.integers(1, D))[row % 3])
        other = answer % TOKENS + 1
        items.append(Item(f"row {row}", (0, *prompt), (answer,), (answer, other)))
    # Token 7 stands only where no window reaches.
    far = (0, 7, 7, *([4] * FEATURE_WINDOW))
    return [*items, Item("far", far, (1,), (1, 2))]


ITEMS = make_items()


@pytest.fixture(scope="module")
def table() -> TaskTable:
    model, sae = model_of(TABLE), sae_of(CONFUSION)
    assert not bind(model, [sae])
    items = Items(tuple(ITEMS), frozenset({0}), {}, "")
    plan = task_plan(ITEM_NEEDS, ITEM_NEEDS)
    return measure_items(model, [sae], REF, items, plan)[sae.ref.sae_id]


def test_answers(table: TaskTable):
    for row, item in enumerate(ITEMS):
        answer, other, last = *item.candidates, item.prompt[-1]
        for side, read in (("clean", last), ("sae", taken_for(last))):
            found = {name: table.columns[f"{side}_{name}"][row] for name in ("ln_p", "rank")}
            assert found["ln_p"] == pytest.approx(ln_p(TABLE, answer, read), abs=1e-5)
            assert found["rank"] == rank(TABLE, answer, read)
            difference = ln_p(TABLE, answer, read) - ln_p(TABLE, other, read)
            got = table.columns[f"{side}_logit_difference"][row]
            assert got == pytest.approx(difference, abs=1e-5)
            assert table.columns[f"{side}_candidate_right"][row] == (difference > 0)


def test_prompt_means(table: TaskTable):
    for row, item in enumerate(ITEMS):
        tokens = item.prompt[1:]
        wrong = [16.0 if taken_for(token) != token else 0.0 for token in tokens]
        expected = {"l0": 1.0, "l1": 1.0, "norm": math.sqrt(D), "mse": np.mean(wrong)}
        pairs = list(pairwise(tokens))
        expected["ce_clean"] = np.mean([-ln_p(TABLE, b, a) for a, b in pairs])
        expected["ce_sae"] = np.mean([-ln_p(TABLE, b, taken_for(a)) for a, b in pairs])
        for name, value in expected.items():
            assert table.columns[f"prompt_{name}"][row] == pytest.approx(value, abs=1e-5), name


def test_features(table: TaskTable):
    features = table.features
    assert features is not None
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    windows = [item.prompt[1:][-FEATURE_WINDOW:] for item in ITEMS]
    assert features.feature.tolist() == sorted({token for window in windows for token in window})
    assert 7 not in features.feature  # it is active in a prompt, but in no window
    for row, feature in enumerate(features.feature):
        on = [i for i, window in enumerate(windows) if feature in window]
        strength = np.array([windows[i].count(feature) / len(windows[i]) for i in on])
        signs = np.where(delta[on] >= 0, 1, -1)
        assert features.items[row] == len(on)
        assert features.score[row] == signs.sum()
        assert features.delta_ln_p[row] == pytest.approx(delta[on].sum(), abs=1e-5)
        assert features.strength[row] == pytest.approx(strength.sum(), abs=1e-5)
        weighted = (strength * delta[on]).sum()
        assert features.weighted_delta_ln_p[row] == pytest.approx(weighted, abs=1e-5)
        assert features.weighted_score[row] == pytest.approx((strength * signs).sum(), abs=1e-5)
        for group in range(features.group_items.shape[1]):
            of_group = [k for k, i in enumerate(on) if table.groups[i] == group]
            assert features.group_items[row, group] == len(of_group)
            assert features.group_score[row, group] == signs[of_group].sum()


def test_ablation(table: TaskTable):
    """Without its one feature, the last token is read as nothing: every token is as likely."""
    model, sae = model_of(TABLE), sae_of(CONFUSION)
    assert not bind(model, [sae])
    items = Items(tuple(ITEMS), frozenset({0}), {}, "")
    chosen = Chosen((1, 4), (7,), table.columns["sae_ln_p"])
    found = ablated(model, [sae], items, FEATURE_WINDOW, {sae.ref.sae_id: chosen})[sae.ref.sae_id]
    # Feature 7 is active in no window: it has no row.
    assert set(found.feature.tolist()) == {1, 4}
    assert found.best.all()
    for feature, row, delta in zip(found.feature, found.item, found.delta_ln_p, strict=True):
        prompt = ITEMS[row].prompt
        assert feature in prompt[-FEATURE_WINDOW:]
        nothing = -math.log(D) - ln_p(TABLE, ITEMS[row].answer[0], taken_for(prompt[-1]))
        expected = nothing if prompt[-1] == feature else 0.0
        assert delta == pytest.approx(expected, abs=1e-5)
    on = sum(feature in item.prompt[1:][-FEATURE_WINDOW:] for item in ITEMS for feature in (1, 4))
    assert len(found.item) == on


def test_all_classes_are_there(table: TaskTable):
    clean, spliced = table.columns["clean_rank"] == 1, table.columns["sae_rank"] == 1
    assert len(set(zip(clean.tolist(), spliced.tolist(), strict=True))) == 4

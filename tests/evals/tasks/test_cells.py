from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kruskal, spearmanr

from sae_checks.errors import UserError
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.table import AblationTable, TaskTable
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import CheckLimits, Limit, Override, Thresholds
from sae_checks.judge.verdict import judge
from sae_checks.report.sentence import sentence
from tests.places import cell_on_items, where
from tests.stored import TRAINING_CONTEXT, ablation_table, feature_table, task_table
from tests.tables import changed

THRESHOLDS = Thresholds(
    checks={
        "accuracy_drop": CheckLimits(
            Limit("points", max=5.0, parameters=(("share", 0.9),)),
            (
                Override(where(task="cbt-*"), max=9.0),
                Override(where(task="cbt-*", layer=(7,)), max=7.0),
            ),
        )
    }
)
DELTA = ("sae_ln_p", "clean_ln_p")


def cell(table: TaskTable | None = None, **columns) -> TaskCell:
    """An SAE on made-up items, or with these columns."""
    if table is None:
        arrays = {name: np.array(values, dtype=float) for name, values in columns.items()}
        size = {len(values) for values in arrays.values()} or {40}
        table = task_table(3, items=size.pop(), **arrays)
    return cell_on_items("tiny-release", table, "accuracy_drop", THRESHOLDS)


def with_features(delta, active) -> TaskCell:
    """Features on the items of which (features, items) says so."""
    one = cell(sae_ln_p=np.array(delta) - 2.0, clean_ln_p=np.full(len(delta), -2.0))
    table = feature_table(np.array(delta), np.array(active, dtype=bool))
    return cell(changed(one.table, features=table))


def test_every_item_weighs_the_same() -> None:
    one = cell(sae_ln_p=[-1, -2, -6], clean_ln_p=[-1, -1, -1])
    estimate = one.mean(DELTA)
    assert estimate.value == -2
    # Of -0, -1 and -5: standard deviation √7, over √3.
    assert estimate.standard_error == pytest.approx(math.sqrt(7 / 3))
    assert (estimate.texts, estimate.tokens, estimate.unit_name) == (3, 12 + 13 + 14, "item")
    assert one.mean("sae_ln_p").value == -3


def test_the_verdict_speaks_of_items() -> None:
    verdict = judge(
        cell(sae_ln_p=np.zeros(1234)).mean("sae_ln_p"), Limit("nats", max=1.0, margin=0.1)
    )
    assert sentence(verdict) == (
        "0 nats is within the maximum of 1 nats "
        "(interval 0 to 0, 1,234 items, 17,274 prompt tokens)"
    )


def test_limits_and_parameters_of_a_task() -> None:
    assert cell().limit().max == 5
    on_cbt = task_table(3, "cbt-common-nouns")
    assert cell(on_cbt).limit().max == 9
    assert cell(task_table(7, "cbt-common-nouns")).limit().max == 7
    assert cell().parameter("share") == 0.9
    with pytest.raises(UserError) as error:
        cell().parameter("floor")
    assert str(error.value) == (
        'accuracy_drop has no parameter "floor": name it in the check\'s parameters and give it in '
        "[checks.accuracy_drop]"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_sae_is_not_a_gap(value) -> None:
    one = cell()
    for name in ("sae_ln_p", "sae_rank", "sae_candidate_right", "sae_logit_difference"):
        one.table.columns[name][3:6] = value
    one.table.features.delta_ln_p[:2] = value
    one.table.ablations.delta_ln_p[:2] = value
    for name, estimate in {
        "sae_ln_p": one.mean(DELTA),
        "sae_rank": one.accuracy_drop(),
        "sae_candidate_right": one.accuracy_drop(candidates=True),
        "sae_logit_difference": one.kept("sae_logit_difference", "clean_logit_difference"),
    }.items():
        assert estimate.reason == f"{name} is not finite on 3 items"
        assert math.isnan(estimate.value)
        assert estimate.texts == 40
    assert one.rank_correlation("prompt_norm", DELTA).reason == "sae_ln_p is not finite on 3 items"
    assert one.class_effect("prompt_mse").reason == "sae_rank is not finite on 3 items"
    for estimate in (one.positive_features(), one.always_active_harmful(0.9)):
        assert estimate.reason == "Δ ln p is not finite on the items of 2 features"
    assert one.ablation(best=True).reason == "ln p without a feature is not finite on 2 items"


def test_what_was_not_measured() -> None:
    table = task_table(3)
    few = {"clean_rank": table.columns["clean_rank"]}
    bare = cell(changed(table, columns=few, features=None))
    for ask, name in [
        (lambda: bare.mean("sae_ln_p"), "sae_ln_p"),
        (bare.accuracy_drop, "sae_rank"),
        (bare.positive_features, "features"),
    ]:
        with pytest.raises(UserError) as error:
            ask()
        assert str(error.value) == (
            f"{name} was not measured for blocks.3.hook_resid_pre on made-up-task: name it in the "
            "check's needs; measured were clean_rank, ablations"
        )


def test_a_task_without_items() -> None:
    empty = cell(task_table(3, items=0, **{n: np.zeros(0) for n in task_table(3).columns}))
    for estimate in (empty.mean(DELTA), empty.accuracy_drop(), empty.class_effect("prompt_mse")):
        assert (estimate.reason, estimate.texts) == ("no items were measured", 0)
    assert empty.positive_features().reason == "no feature is active on an item"


def test_accuracy_by_hand() -> None:
    one = cell(clean_rank=[1, 1, 1, 1, 2, 5, 3, 1], sae_rank=[1, 2, 9, 4, 1, 5, 3, 1])
    lengths = [9, 16, 17, 99, 9, 9, 9, 9]
    one = cell(changed(one.table, prompt_tokens=np.array(lengths)))
    estimate = one.accuracy_drop()
    assert estimate.value == 25
    assert TRAINING_CONTEXT == 16
    assert dict(estimate.notes) == {
        "clean_accuracy": 62.5,
        "sae_accuracy": 37.5,
        "only_clean": 3,
        "only_sae": 1,
        "items_past_training_context": 2,
    }
    # p = 4/10, q = 2/10, d = 0.2: error sqrt((0.6 - 0.04)/10).
    assert estimate.standard_error == pytest.approx(100 * math.sqrt(0.056))
    assert estimate.low == pytest.approx(100 * (0.2 - 1.959963985 * math.sqrt(0.056)))


def test_no_prompt_is_past_a_training_context_that_is_not_declared() -> None:
    one = cell(clean_rank=[1, 1], sae_rank=[1, 2])
    silent = changed(one.table, sae=replace(one.table.sae, training_context=None))
    assert "items_past_training_context" not in dict(cell(silent).accuracy_drop().notes)


def test_accuracy_among_candidates() -> None:
    one = cell(clean_candidate_right=[1, 1, 0, 1], sae_candidate_right=[1, 0, 0, 0])
    assert one.accuracy_drop(candidates=True).value == 50


def test_kept_is_of_the_sums() -> None:
    one = cell(sae_logit_difference=[2, 2, 1, 1], clean_logit_difference=[4, 3, 3, 2])
    assert one.kept("sae_logit_difference", "clean_logit_difference").value == 0.5
    # A mean that is above 0 by chance alone is no preference, and a ratio to it anything.
    for clean in ([4, -4, -1], [4, -3, 0.5]):
        none = cell(sae_logit_difference=[2, 1, -1], clean_logit_difference=clean)
        assert none.kept("sae_logit_difference", "clean_logit_difference").reason == (
            "the mean of clean_logit_difference is not above 0 beyond doubt: "
            "there is nothing to keep"
        )


def test_items_of_one_document_are_not_independent() -> None:
    """Five documents of eight alike items each are worth five items, not forty."""
    delta = np.repeat([0.0, 1, 2, 3, 4], 8)
    apart = cell(sae_ln_p=delta, clean_ln_p=np.zeros(40))
    alike = cell(changed(apart.table, clusters=np.repeat(np.arange(5), 8)))
    one, other = apart.mean(DELTA), alike.mean(DELTA)
    assert one.value == other.value == 2
    assert other.standard_error == pytest.approx(math.sqrt(10 / 4 / 5))  # of five independent ones
    assert other.standard_error > 2 * one.standard_error
    assert set(alike.table.groups[:8]) == {0}  # nor are they in different groups


def test_accuracy_of_documents() -> None:
    spliced = np.repeat([1, 1, 1, 2, 2], 8)  # two documents of five are lost
    apart = cell(clean_rank=np.ones(40), sae_rank=spliced)
    alike = cell(changed(apart.table, clusters=np.repeat(np.arange(5), 8)))
    one, other = apart.accuracy_drop(), alike.accuracy_drop()
    assert one.value == other.value == 40
    assert other.low < one.low < one.high < other.high
    assert other.low >= -100


def test_rank_correlation() -> None:
    one = cell(task_table(3, items=200))
    columns = one.table.columns
    estimate = one.rank_correlation("prompt_norm", DELTA)
    delta = columns["sae_ln_p"] - columns["clean_ln_p"]
    assert estimate.value == pytest.approx(spearmanr(columns["prompt_norm"], delta).statistic)
    assert estimate.low < estimate.value < estimate.high
    # A standard error of about 1/√200.
    assert 0.03 < estimate.standard_error < 0.15
    few = cell(prompt_norm=[1, 2]).rank_correlation("prompt_norm", "sae_ln_p")
    assert few.reason == "ranks need 3 items or more, got 2"


def test_what_is_constant_goes_with_nothing() -> None:
    """As the L0 of a TopK SAE: a check of dependence has nothing to complain of."""
    constant = cell(prompt_l0=np.full(9, 32.0)).rank_correlation("prompt_norm", "prompt_l0")
    assert (constant.value, constant.low, constant.high) == (0, 0, 0)


def test_class_effect_by_hand() -> None:
    # Ranks 1 to 6. Both: 1 and 2, clean only: 3, neither: 4 to 6; the middle is 3.5 and the whole
    # sum of squares (6³ - 6)/12 = 17.5. Between: 2 · 2² + 0.5² + 3 · 1.5² = 15.
    one = cell(
        clean_rank=[1, 1, 1, 2, 2, 2],
        sae_rank=[1, 1, 2, 2, 2, 2],
        prompt_mse=[10, 20, 30, 40, 50, 60],
    )
    estimate = one.class_effect("prompt_mse")
    assert estimate.value == pytest.approx(15 / 17.5)
    assert dict(estimate.notes) == {
        "items_both": 2,
        "median_both": 15,
        "items_clean_only": 1,
        "median_clean_only": 30,
        "items_sae_only": 0,
        "items_neither": 3,
        "median_neither": 50,
    }
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_class_effect_is_h_of_kruskal_and_wallis() -> None:
    one = cell(task_table(3, items=200))
    columns = one.table.columns
    clean, spliced = columns["clean_rank"] == 1, columns["sae_rank"] == 1
    classes = [columns["prompt_mse"][clean * 2 + spliced == c] for c in range(4)]
    expected = kruskal(*[of for of in classes if len(of)]).statistic / 199
    assert one.class_effect("prompt_mse").value == pytest.approx(expected)


def test_one_class_alone_explains_nothing() -> None:
    alone = cell(clean_rank=np.ones(30), sae_rank=np.ones(30), prompt_mse=np.arange(30))
    estimate = alone.class_effect("prompt_mse")
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    assert dict(estimate.notes)["items_both"] == 30
    few = cell(prompt_mse=[1, 2]).class_effect("prompt_mse")
    assert few.reason == "ranks need 3 items or more, got 2"


def test_positive_features_by_hand() -> None:
    # Scores 0, -1, 1 and, of a feature that is on where ln p stays as it is, 1.
    delta = [0.5, -1.0, 0.0]
    one = with_features(delta, [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    estimate = one.positive_features()
    assert (estimate.value, dict(estimate.notes)) == (0.5, {"active_features": 4})
    # Without item 0: 1 of 3; without item 1: 3 of 3; without item 2: 1 of 3.
    without = np.array([1 / 3, 1, 1 / 3])
    error = math.sqrt(2 / 3 * np.square(without - without.mean()).sum())
    assert estimate.standard_error == pytest.approx(error)
    assert (estimate.low, estimate.high) == (0, 1)
    assert (estimate.texts, estimate.unit_name) == (3, "item")


def test_always_active_harmful() -> None:
    delta = [-1.0] * 8 + [1.0] * 2
    active = np.ones((8, 10))
    active[6, 9] = 0  # on 90% of items, which is not more than 90%
    active[7, :4] = 0
    one = with_features(delta, active)
    estimate = one.always_active_harmful(0.9)
    assert estimate.value == 6
    link = "https://www.neuronpedia.org/made-up/3-res"
    assert dict(estimate.notes) == {
        "features": ", ".join(f"{n} (score -6, {link}/{n})" for n in range(3, 8)) + " and 1 more"
    }
    assert estimate.low == 0 or estimate.low <= 6 <= estimate.high
    good = with_features([1.0] * 10, np.ones((2, 10))).always_active_harmful(0.9)
    assert (good.value, good.notes) == (0, ())


def test_features_of_an_sae_without_dashboards() -> None:
    one = with_features([-1.0] * 10, np.ones((2, 10)))
    table = changed(one.table, sae=replace(one.table.sae, neuronpedia_id=None))
    notes = dict(cell(table).always_active_harmful(0.5).notes)
    assert notes == {"features": "3 (score -10), 4 (score -10)"}


def test_no_features() -> None:
    one = with_features([1.0] * 10, np.ones((0, 10)))
    assert one.positive_features().reason == "no feature is active on an item"


def test_ablation_by_hand() -> None:
    # Feature 5: mean of -1 and 0; feature 6: +0.25 on one item; feature 9 is one of the worst.
    ablations = AblationTable(
        feature=np.array([5, 5, 6, 9]),
        best=np.array([True, True, True, False]),
        item=np.array([0, 3, 3, 1]),
        delta_ln_p=np.array([-1.0, 0.0, 0.25, 0.5]),
    )
    one = cell(changed(task_table(3), ablations=ablations))
    best, worst = one.ablation(best=True), one.ablation(best=False)
    assert best.value == -0.125
    assert dict(best.notes) == {"features": 2, "share_as_expected": 0.5}
    assert (best.texts, best.tokens, best.unit_name) == (2, 12 + 15, "item")
    # Without item 3 nothing is left of feature 6: the mean of both hangs on that one item.
    assert (best.low, best.high) == (-math.inf, math.inf)
    assert (worst.value, dict(worst.notes)) == (0.5, {"features": 1, "share_as_expected": 1})
    assert (worst.low, worst.high) == (-math.inf, math.inf)  # one item says nothing of others


def test_ablation_of_nothing() -> None:
    nothing = ablation_table(np.zeros(0))
    one = cell(changed(task_table(3), ablations=nothing))
    assert one.ablation(best=True).reason == ("no feature is active on an item: none was ablated")
    one.table.columns["sae_ln_p"][0] = np.nan  # such an SAE's features are not ablated
    assert one.ablation(best=True).reason == "sae_ln_p is not finite on 1 item"


def every(one: TaskCell) -> list[Estimate]:
    return [
        one.mean(DELTA),
        one.accuracy_drop(),
        one.kept("sae_logit_difference", "clean_logit_difference"),
        one.rank_correlation("prompt_norm", DELTA),
        one.class_effect("prompt_mse"),
        one.positive_features(),
        one.always_active_harmful(0.9),
        one.ablation(best=True),
    ]


@given(st.integers(0, 50), st.integers(20, 120))
def test_values_lie_in_their_intervals(layer, items) -> None:
    for estimate in every(cell(task_table(layer, items=items))):
        if not math.isnan(estimate.value):
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.unit_name == "item"


@given(st.integers(0, 50))
def test_one_item_decides_nothing(layer) -> None:
    for estimate in every(cell(task_table(layer, items=1))):
        if not math.isnan(estimate.value):
            assert estimate.high - estimate.low >= 1


@given(st.integers(0, 50))
def test_exchanging_clean_and_spliced_turns_signs(layer) -> None:
    table = task_table(layer, items=50)
    swapped = {
        name.replace("clean", "?").replace("sae", "clean").replace("?", "sae"): values
        for name, values in table.columns.items()
    }
    one, other = cell(table), cell(replace(table, columns=swapped))
    for ask in (lambda it: it.accuracy_drop(), lambda it: it.mean(DELTA)):
        assert ask(one).value == pytest.approx(-ask(other).value)
        assert ask(one).low == pytest.approx(-ask(other).high)


def test_documents_of_which_none_differs_leave_room_for_one_that_would() -> None:
    """1,000 items of 10 documents tell no more than 10 documents do: not 0.2 points but some 20."""
    right = np.ones(1000)
    one = cell(clean_rank=right, sae_rank=right)
    by_items = one.accuracy_drop()
    by_documents = cell(changed(one.table, clusters=np.repeat(np.arange(10), 100))).accuracy_drop()
    assert by_items.high < 0.5
    # t(0.975, 9) · sqrt(10/9 · 2 · 10²) points.
    assert by_documents.high == pytest.approx(2.2622 * math.sqrt(10 / 9 * 2 * 10**2), rel=1e-3)
    assert by_documents.clusters == 10


def test_a_clean_model_that_knows_nothing_has_nothing_to_lose() -> None:
    """At 5% right, it cannot fail a limit of 5 points, and so shows nothing by keeping it."""
    wrong = np.where(np.arange(40) < 2, 1.0, 9.0)
    estimate = cell(clean_rank=wrong, sae_rank=np.full(40, 9.0)).accuracy_drop()
    assert estimate.inapplicable
    assert estimate.reason == (
        "the clean model has 5% right, and so cannot lose more than the 5 points that are allowed"
    )
    some = np.where(np.arange(40) < 3, 1.0, 9.0)
    assert not cell(clean_rank=some, sae_rank=np.full(40, 9.0)).accuracy_drop().inapplicable

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.judge.agreement import means_without_each_group
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.resampling import jackknife
from sae_checks.judge.thresholds import CheckLimits, Limit, Override, Thresholds
from sae_checks.records import PositionRange
from tests.places import cell_on_items, cell_on_texts, where
from tests.stored import CONTEXT, sae_table, task_table

THRESHOLDS = Thresholds(
    checks={
        "layer_agreement": CheckLimits(
            Limit("correlation", max=0.6),
            (Override(where(task="made-up-task"), max=0.7), Override(where(sae="*"), max=0.1)),
        )
    }
)


def task_cell(layer: int, items: int = 40, **columns) -> TaskCell:
    table = task_table(layer, items=items, **columns)
    return cell_on_items("tiny-release", table, "layer_agreement", THRESHOLDS)


def release(deltas) -> TaskReleaseCell:
    """An SAE for each row of Δ ln p."""
    return TaskReleaseCell(
        tuple(
            task_cell(
                layer, len(delta), sae_ln_p=np.array(delta) - 1, clean_ln_p=-np.ones(len(delta))
            )
            for layer, delta in enumerate(np.array(deltas, dtype=float))
        )
    )


def on_both(costs, losses, items: int = 200, texts: int = 30) -> TaskReleaseCell:
    """SAEs that lose these numbers of items, and this mean ΔCE in context, on either side noise."""
    cells, of_texts = [], []
    for layer, (lost, loss) in enumerate(zip(costs, losses, strict=True)):
        order = np.random.default_rng(layer).permutation(items)
        cells.append(
            task_cell(layer, items, clean_rank=np.ones(items), sae_rank=1.0 + (order < lost))
        )
        table = sae_table(
            layer, lambda _, position, loss=loss: np.full(position.shape, loss), texts
        )
        positions = PositionRange(1, CONTEXT - 2)
        of_texts.append(
            cell_on_texts("tiny-release", table, "sae", positions, "layer_agreement", THRESHOLDS)
        )
    return TaskReleaseCell(tuple(cells), tuple(of_texts))


def test_its_limit_is_of_the_release_on_the_task() -> None:
    assert release(np.eye(3)).limit().max == 0.7


def test_layer_agreement() -> None:
    deltas = np.random.default_rng(0).normal(size=(3, 60))
    deltas[2] = deltas[0] + 0.1 * deltas[1]
    estimate = release(deltas).layer_agreement()
    pairs = [spearmanr(deltas[i], deltas[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    assert estimate.value == pytest.approx(np.mean(pairs))
    assert dict(estimate.notes) == {
        "largest": pytest.approx(pairs[1]),
        "largest_pair": "blocks.0.hook_resid_pre and blocks.2.hook_resid_pre",
    }
    assert estimate.low < estimate.value < estimate.high
    assert (estimate.texts, estimate.unit_name) == (60, "item")


def test_layer_agreement_undefined() -> None:
    one = release(np.random.default_rng(0).normal(size=(3, 30)))
    alone = TaskReleaseCell(one.cells[:1]).layer_agreement()
    assert alone.reason == "agreement needs 2 SAEs or more, got 1"
    one.cells[2].table.columns["sae_ln_p"][:4] = math.nan
    assert one.layer_agreement().reason == (
        "blocks.2.hook_resid_pre: sae_ln_p is not finite on 4 items"
    )
    flat = release([[0.5] * 9, np.arange(9)]).layer_agreement()
    assert flat.value == 0  # an SAE that changes no answer agrees with nobody


def test_rank_agreement() -> None:
    alike = on_both([10, 30, 60, 90], [0.1, 0.2, 0.3, 0.4]).rank_agreement()
    assert (alike.value, alike.low, alike.high) == (1, 1, 1)  # every group agrees
    assert dict(alike.notes) == {"saes": 4, "corpus_texts": 30}
    other = on_both([10, 30, 60, 59], [0.4, 0.3, 0.1, 0.2]).rank_agreement()
    assert other.value == pytest.approx(-1)
    assert other.low == -1 <= other.high  # leaving out items exchanges the last two
    assert other.standard_error > 0


def test_rank_agreement_has_as_many_groups_as_texts() -> None:
    one_text = on_both([10, 30, 60], [0.1, 0.2, 0.3], texts=1).rank_agreement()
    assert (one_text.value, one_text.low, one_text.high) == (1, -1, 1)
    assert on_both([10, 30, 60], [0.1, 0.2, 0.3], texts=3).rank_agreement().low == 1


def test_rank_agreement_undefined() -> None:
    one = on_both([10, 30, 60], [0.1, 0.2, 0.3])
    few = TaskReleaseCell(one.cells[:2], one.texts[:2]).rank_agreement()
    assert few.reason == "a rank correlation needs 3 values or more, got 2"
    same = on_both([10, 10, 10], [0.1, 0.2, 0.3]).rank_agreement()
    assert same.value == 0  # SAEs that lose alike are in no order
    one = on_both([10, 30, 60], [0.1, 0.2, 0.3])  # not asked yet
    one.texts[1].table.columns["ce_sae"][0, 3] = math.inf
    assert one.rank_agreement().reason == (
        "blocks.1.hook_resid_pre: ce_sae is not finite on 1 token of 1 text"
    )
    one.cells[0].table.columns["sae_rank"][3] = math.nan
    assert one.rank_agreement().reason == (
        "blocks.0.hook_resid_pre: sae_rank is not finite on 1 item"
    )
    unmeasured = on_both([10, 30, 60], [0.1, 0.2, 0.3])
    table = unmeasured.texts[2].table
    gone = {name: np.full_like(values, np.nan) for name, values in table.columns.items()}
    texts = (
        *unmeasured.texts[:2],
        replace(unmeasured.texts[2], table=replace(table, columns=gone)),
    )
    assert TaskReleaseCell(unmeasured.cells, texts).rank_agreement().reason == (
        "blocks.2.hook_resid_pre: it has no tokens on texts"
    )


def test_leaving_both_samples_out_together_covers_either_noise() -> None:
    """The standard error of a sum of two independent means, by the same groups."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(300):
        texts, items = rng.normal(0, 1, (100, 1)), rng.normal(0, 2, (400, 1))
        without = means_without_each_group(texts, np.ones((100, 1)), 20)
        without = without + means_without_each_group(items, np.ones((400, 1)), 20)
        errors.append(jackknife(0.0, without[:, 0], Coverage(0.95)).standard_error)
    assert np.square(errors).mean() == pytest.approx(1 / 100 + 4 / 400, rel=0.1)

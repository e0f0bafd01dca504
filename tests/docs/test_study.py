"""docs/study.md: what the limits say of the published values, by hand."""

from __future__ import annotations

import pytest

from docs.generate import published
from docs.generate.published import INSIDE, LAYERS, PAST
from docs.generate.study import Judged, every_claim, on_task, on_texts, trends, usable_context
from sae_checks.judge.thresholds import Limit
from sae_checks.records import PositionRange


def test_windows_make_up_every_position_once():
    for layer in range(LAYERS):
        of_layer = [w.positions for w in published.windows() if w.layer == layer]
        positions = [p for each in of_layer for p in range(each.first, each.last + 1)]
        assert positions == list(range(INSIDE.first, PAST.last + 1))


def test_a_mean_weighs_windows_by_their_length():
    # Layer 0: 232.6 at 144:159, 49.09 at 128:143.
    found = published.mean(0, PositionRange(128, 159), "l0")
    assert found == pytest.approx((232.6 + 49.09) / 2)
    # 18.23 at 2:3, two positions; 16.41 at 4:7, four.
    found = published.mean(0, PositionRange(2, 7), "l0")
    assert found == pytest.approx((2 * 18.23 + 4 * 16.41) / 6)


@pytest.mark.parametrize("positions", [PositionRange(1, 100), PositionRange(5, 7)])
def test_a_range_that_windows_do_not_make_up_has_no_mean(positions):
    with pytest.raises(ValueError, match="do not make up the positions"):
        published.mean(0, positions, "l0")


@pytest.mark.parametrize(
    ("value", "verdict", "written"),
    [(2.0, "holds", "✓ 2"), (2.2, "within the margin", "≈ 2.2"), (2.21, "fails", "✗ 2.21")],
)
def test_a_value_alone_is_held_to_limit_and_margin(value, verdict, written):
    judged = Judged("delta_ce_growth", 0, value, Limit("times", max=2, margin=0.2))
    assert (judged.verdict, str(judged)) == (verdict, written)


def test_growth_is_over_the_mean_inside_or_the_floor():
    late = PositionRange(512, 1022)
    inside = published.mean(0, INSIDE, "delta_ce")
    assert inside == pytest.approx(0.0211, abs=5e-5)
    assert on_texts("delta_ce_growth", 0, late).value == pytest.approx(6.984 / inside)
    # Layer 1 costs less than the floor of 0.02 nats inside.
    assert published.mean(1, INSIDE, "delta_ce") < 0.02
    assert on_texts("delta_ce_growth", 1, late).value == pytest.approx(5.493 / 0.02, rel=1e-3)
    assert on_texts("norm_growth", 0, late).verdict == "holds"


def test_the_usable_context_ends_before_the_first_window_above_the_limit():
    """As the source of its limit says: layer 7 just reaches 1.5."""
    reached = [usable_context(layer).value for layer in range(LAYERS)]
    assert reached[7] == 1.5
    assert max(reached[:7]) == 1.375
    assert (min(reached[8:]), max(reached[8:])) == (1.625, 1.875)


def test_answers():
    assert on_task("accuracy_drop", 2, "lambada").value == pytest.approx(26.6 - 22.4)
    assert on_task("accuracy_drop", 2, "lambada").verdict == "holds"
    assert on_task("accuracy_drop", 11, "cbt_cn").value == pytest.approx(41.9 - 27.6)
    assert on_task("delta_ln_p", 0, "cbt_cn").verdict == "fails"


def test_what_the_page_says_of_all_layers():
    """In words, beside the tables."""
    verdicts = {(check, where): [j.verdict for j in each] for check, where, each in every_claim()}
    inside = f"positions {INSIDE}"
    for (_, where), found in verdicts.items():
        if where == inside:
            assert set(found) == {"holds"}
    past = f"positions {PAST}"
    assert set(verdicts["norm_growth", past]) == {"holds"}
    assert verdicts["delta_ce_growth", past] == [*["fails"] * 11, "within the margin"]
    for check in ("l0_growth", "l1_growth", "mse_growth"):
        assert set(verdicts[check, past]) == {"fails"}
    usable = verdicts["usable_context", "the SAE"]
    assert [n for n, each in enumerate(usable) if each == "within the margin"] == [0, 6]
    lambada = verdicts["accuracy_drop", "lambada"]
    assert lambada == [*["holds"] * 3, *["within the margin"] * 2, *["fails"] * 7]
    assert set(verdicts["accuracy_drop", "cbt_cn"]) == {"fails"}
    found = trends()
    assert found["depth_trend_in_context"] > 0 > found["depth_trend_past_context"]
    assert found["rank_agreement on lambada"] > 0 > found["rank_agreement on cbt_cn"]

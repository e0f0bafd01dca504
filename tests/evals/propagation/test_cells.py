"""Changes at a later SAE, on made-up tables of two texts and three documents."""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import UserError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.propagation.cells import PropagationCell, PropagationReleaseCell
from sae_checks.evals.propagation.columns import MEASURED_POSITIONS
from sae_checks.evals.propagation.table import PropagationTable, first_positions, first_texts
from sae_checks.judge.statistics import ratio_of_means
from sae_checks.records import TEXTS, Intervention, PositionRange, SaeRef
from tests.builders import sae_ref
from tests.evals.propagation.made import CHECK, limits, place

NAN = math.nan
# Of positions 0 to 4; the second text goes on with the first one's document, then has its own.
DOCUMENTS = np.array([[-1, 0, 0, 1, 1], [-1, 0, 2, 2, 2]], dtype=np.int32)
CLEAN = {
    "mse": np.array([[NAN, 1, 2, 3, 100], [NAN, 2, 2, 2, 4]]),
    "l0": np.array([[NAN, 10, 10, 20, 20], [NAN, 10, 20, 20, 10]]),
    "norm": np.array([[NAN, 1, 1, 1, 50], [NAN, 1, 1, 1, 1]]),
}
SPLICED = {
    "mse": np.array([[NAN, 2, 2, 4, 300], [NAN, 2, 3, 3, 4]]),
    "l0": np.array([[NAN, 5, 10, 10, 20], [NAN, 10, 10, 20, 5]]),
    "norm": np.array([[NAN, 1, 1, 1, 1], [NAN, 1, 1, 1, 50]]),
    "direct_mse": np.array([[NAN, 1, 2, 4, 100], [NAN, 2, 2, 3, 4]]),
}


def sae(layer: int, training_context: int = 16) -> SaeRef:
    hook_point = f"blocks.{layer}.hook_resid_pre"
    return sae_ref(
        hook_point, layer=layer, site="hook_resid_pre", training_context=training_context
    )


def pair(
    clean=CLEAN,
    spliced=SPLICED,
    last_position: float = 100,
    saes: tuple[SaeRef, SaeRef] = (sae(0), sae(1)),
) -> PropagationCell:
    first, later = saes
    massive = np.asarray(clean["norm"]) > 10
    labels = {"massive": np.asarray(spliced["norm"]) > 10, "document": DOCUMENTS}
    of_pair = PropagationTable(TEXTS, Intervention((first,)), dict(spliced), labels, observed=later)
    alone = ContextTable.of(later, dict(clean), massive, documents=DOCUMENTS)
    return PropagationCell(place(first, later), of_pair, alone, CHECK, limits(last_position))


def test_the_change_is_of_means_over_the_same_tokens():
    change = pair().change("mse")
    assert change.value == pytest.approx(320 / 116 - 1)
    assert (change.texts, change.units, change.tokens) == (2, 3, 8)
    assert dict(change.notes) == {"positions": "1:4"}
    assert pair().change("l0").value == pytest.approx(90 / 120 - 1)


def test_tokens_that_are_massive_without_the_splice_are_left_out_of_both():
    """One of 100 is; with the splice another one would be, and this one no longer."""
    assert pair().change("mse", massive=False).value == pytest.approx(20 / 16 - 1)
    assert pair().massive_tokens == 1


def test_its_interval_is_by_document_and_pairs_both_sides():
    """Documents have 1:2 of the first text with 1 of the second, 3:4 of it, 2:4 of the second."""
    change = pair().change("l0")
    ratio = ratio_of_means([25, 30, 35], [3, 2, 3], [30, 40, 50], [3, 2, 3], pair().coverage)
    assert (change.low, change.high) == (ratio.low - 1, ratio.high - 1)
    np.testing.assert_allclose(change.influence, ratio.influence)


def test_direct_and_recomputed():
    direct = pair().direct("mse", massive=False)
    assert direct.value == pytest.approx(18 / 16 - 1)
    notes = dict(direct.notes)
    assert notes["whole_change"] == pytest.approx(4 / 16)
    assert notes["recomputed"] == pytest.approx(2 / 16)


def test_positions_end_within_both_training_contexts():
    assert pair(last_position=2).positions == PositionRange(1, 2)
    assert pair(saes=(sae(0, 3), sae(1))).positions == PositionRange(1, 2)
    assert pair(saes=(sae(0), sae(1, 4))).positions == PositionRange(1, 3)
    assert pair(last_position=2).change("mse").value == pytest.approx(9 / 7 - 1)


@pytest.mark.parametrize("last", [0, 2.5, -1])
def test_a_last_position_that_is_none_is_refused(last):
    with pytest.raises(UserError) as error:
        pair(last_position=last).change("mse")
    assert str(error.value) == (
        f"last_position = {last:g} in [checks.made_up] is no position of a mean: give a whole "
        "number from 1 to 4"
    )


def test_a_last_position_beyond_what_is_measured_is_refused():
    """Unless texts end before, or the training contexts do."""
    wide = {"norm": np.ones((2, MEASURED_POSITIONS)), "mse": np.ones((2, MEASURED_POSITIONS))}
    massive = np.zeros((2, MEASURED_POSITIONS), dtype=bool)

    def cell(training_context: int) -> PropagationCell:
        saes = sae(0), sae(1, training_context)
        of_pair = PropagationTable(
            TEXTS, Intervention(saes[:1]), dict(wide), {"massive": massive}, observed=saes[1]
        )
        of_pair = replace(of_pair, intervention=Intervention((sae(0, 512),)))
        alone = ContextTable.of(saes[1], dict(wide), massive)
        return PropagationCell(place(*saes), of_pair, alone, CHECK, limits(200))

    assert cell(64).positions == PositionRange(1, 63)
    with pytest.raises(UserError) as error:
        _ = cell(256).positions
    assert str(error.value) == (
        "last_position = 200 in [checks.made_up] is beyond what is measured of pairs of SAEs, "
        "positions 1 to 127: give 127 or less"
    )


def test_where_nothing_is_there_without_the_splice_there_is_no_change():
    nothing = {**CLEAN, "l0": CLEAN["l0"] * 0}
    change = pair(clean=nothing).change("l0")
    assert change.inapplicable
    assert change.reason == "l0 is 0 without the splice: there is nothing to compare with"


@pytest.mark.parametrize("side", ["clean", "spliced"])
def test_what_is_not_finite_has_no_change(side):
    broken = {"clean": CLEAN, "spliced": SPLICED}[side]["mse"].copy()
    broken[1, 2] = np.inf
    given_ = {side: {**{"clean": CLEAN, "spliced": SPLICED}[side], "mse": broken}}
    change = pair(**given_).change("mse")
    assert (math.isnan(change.value), change.inapplicable) == (True, False)
    assert change.reason == "mse is not finite on 1 token of 1 text"


@given(st.floats(0.01, 100))
def test_a_scale_of_both_sides_changes_nothing(scale):
    clean, spliced = ({**each, "mse": each["mse"] * scale} for each in (CLEAN, SPLICED))
    scaled = pair(clean, spliced)
    found, expected = scaled.change("mse"), pair().change("mse")
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_what_is_cut_of_a_table():
    cut = first_positions(pair().clean, 3)
    assert (cut.texts, cut.context) == (2, 3)
    np.testing.assert_array_equal(cut.columns["mse"], CLEAN["mse"][:, :3])
    # The document that begins later is not among its units, as it is not among the pair's.
    assert (cut.units.count, pair().clean.units.count) == (2, 3)


def three() -> PropagationReleaseCell:
    """0->1 grows by 1/4, 0->2 by 1/2, 1->2 by 3/4; massive tokens aside."""
    cells = []
    for (first, later), change in {(0, 1): 0.25, (0, 2): 0.5, (1, 2): 0.75}.items():
        spliced = {**SPLICED, "mse": CLEAN["mse"] * (1 + change)}
        cells.append(pair(spliced=spliced, saes=(sae(first), sae(later))))
    return PropagationReleaseCell(tuple(cells))


def test_the_largest_mean_change_names_the_sae():
    after = three().largest("mse", "spliced")
    assert after.value == pytest.approx(0.75)
    assert dict(after.notes) == {"where": "after blocks.1.hook_resid_pre", "pairs": 1}
    at = three().largest("mse", "observed")
    assert at.value == pytest.approx((0.5 + 0.75) / 2)
    assert dict(at.notes) == {"where": "at blocks.2.hook_resid_pre", "pairs": 2}
    assert (at.texts, at.units, at.tokens) == (2, 3, 8)
    assert three().limit() == limits().limit(CHECK, place(sae(0), sae(1)))


def test_the_mean_of_one_pair_has_the_interval_of_the_pair():
    cell = pair()
    largest = PropagationReleaseCell((cell,)).largest("mse", "spliced")
    change = cell.change("mse")
    assert (largest.value, largest.low, largest.high) == pytest.approx(
        (change.value, change.low, change.high)
    )


def test_a_pair_that_is_broken_is_named():
    broken = {**SPLICED, "mse": SPLICED["mse"] * np.inf}
    cells = (*three().cells, pair(spliced=broken, saes=(sae(1), sae(3))))
    largest = PropagationReleaseCell(cells).largest("mse", "spliced")
    assert largest.reason.startswith(
        "blocks.1.hook_resid_pre->blocks.3.hook_resid_pre: mse is not finite on "
    )


def test_which_tokens_are_massive_is_taken_over_from_each_table_by_itself():
    one = pair()
    other = pair(clean={**CLEAN, "norm": CLEAN["norm"] * 0 + 1})
    spliced = one.spliced
    assert spliced.massive_as_in(one.clean) is spliced.massive_as_in(one.clean)
    assert spliced.massive_as_in(one.clean).massive.sum() == 1
    assert spliced.massive_as_in(other.clean).massive.sum() == 0
    assert spliced.massive.sum() == 1


def test_a_table_of_an_earlier_look_is_let_go():
    """In an adaptive run the later SAE's own table is another one at each look."""
    spliced, looks = pair().spliced, [pair().clean for _ in range(3)]
    alive = [ref(each) for each in looks]
    for each in looks:
        assert spliced.massive_as_in(first_positions(first_texts(each, 1), 3)).massive.sum() == 0
    looks.clear()
    del each
    gc.collect()
    assert [one() for one in alive] == [None, None, None]


def test_a_table_is_cut_once_after_so_many_texts():
    clean = pair().clean
    assert first_texts(clean, 1) is first_texts(clean, 1)
    assert first_texts(clean, 1).texts == 1
    assert first_texts(clean, 2) is clean


def test_a_table_is_cut_once_after_so_many_positions():
    clean = pair().clean
    assert first_positions(clean, 3) is first_positions(clean, 3)
    assert first_positions(clean, 2).context == 2
    assert clean.context == 5

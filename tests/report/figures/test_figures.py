"""What figures hold, against the tables and the verdicts that they are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.report.figures.figure import Axis, Data, Figure, Mark, Panel, Trace, runs, stacked
from sae_checks.report.figures.registry import figures_of
from sae_checks.report.figures.series import labels_of, windows
from sae_checks.report.figures.static import write
from tests import stored
from tests.report.judged import ITEMS, TASK, made_up
from tests.report.results import release_result


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def figures(result) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures_of(result)}


@given(st.integers(4, 3000), st.integers(2, 3000) | st.none())
def test_windows_hold_each_position_once_and_none_straddles_the_training_context(context, training):
    found = windows(context, training)
    positions = [p for each in found for p in range(each.first, each.last + 1)]
    assert positions == list(range(1, context - 1))
    if training is not None:
        assert not any(each.first < training <= each.last for each in found)


def test_a_table_as_csv():
    data = Data("one", {"name": np.array(["a,b", "c"]), "value": np.array([1 / 3, np.nan])})
    assert data.csv() == 'name,value\n"a,b",0.333333\nc,\n'


def test_parts_stand_one_below_the_other():
    table = stacked([{"sae": "a", "x": np.arange(2)}, {"sae": "b", "x": np.arange(3)}])
    assert table["sae"].tolist() == ["a", "a", "b", "b", "b"]
    assert [table["x"][rows].tolist() for rows in runs([2, 3])] == [[0, 1], [0, 1, 2]]


def test_saes_are_called_by_layer_where_that_tells_them_apart():
    saes = [stored.sae_ref(0), stored.sae_ref(1)]
    assert list(labels_of(saes).values()) == ["0", "1"]


def test_every_figure_draws_rows_that_it_has(figures):
    for figure in figures.values():
        assert figure.data.rows
        for trace in (each for panel in figure.panels for each in panel.traces):
            columns = [trace.x, trace.y, trace.z, trace.low, trace.high, trace.text]
            columns += [name for name, _ in trace.columns]
            assert {each for each in columns if each} <= figure.data.columns.keys(), figure.name
            assert not trace.choice or trace.choice in figure.choices


def test_every_section_has_figures(figures):
    assert {each.section for each in figures.values()} == {
        *("context", "propagation", "tasks", "features")
    }


def test_along_the_context_means_are_those_of_the_tokens(result, figures):
    data = figures["context"].data.columns
    table = result.measurement.of(ContextTable)["blocks.0.hook_resid_pre"]
    delta = table.columns["ce_sae"] - table.columns["ce_clean"]
    rows = np.flatnonzero(data["sae"] == "blocks.0.hook_resid_pre")
    for row in rows:
        here = delta[:, data["first_position"][row] : data["last_position"][row] + 1]
        assert data["delta_ce"][row] == pytest.approx(here.mean(), rel=1e-9)
        assert data["delta_ce_low"][row] < data["delta_ce"][row] < data["delta_ce_high"][row]


def test_the_training_context_and_limits_are_marked(figures):
    marks = figures["context"].panels[0].marks
    assert Mark("training", "x", 16, "training context 16") in marks
    assert Mark("limit", "y", 0.35, "limit 0.35") in marks


def test_propagation_is_what_was_judged(result, figures):
    data = figures["propagation"].data.columns
    judged = {
        (str(o.cell.place["pair"].spliced), str(o.cell.place["pair"].observed)): o.verdict.estimate
        for o in result.outcomes
        if o.check.name == "propagation_mse"
    }
    whole = (data["quantity"] == "mse") & (data["part"] == "whole")
    assert whole.sum() == len(judged) == 3
    for row in np.flatnonzero(whole):
        pair = (data["spliced_sae"][row], data["observed_sae"][row])
        assert data["change"][row] == judged[pair].value == pytest.approx(0.1, abs=1e-6)


def test_contributions_add_up_to_what_all_cost_together(figures):
    (figure,) = [each for name, each in figures.items() if name.startswith("stack")]
    data = figure.data.columns
    np.testing.assert_allclose(np.cumsum(data["added"]), data["together"], rtol=1e-9)


def test_accuracy_is_the_share_of_right_items(result, figures):
    (figure,) = [each for name, each in figures.items() if name.startswith("accuracy")]
    table = result.measurement.of(TaskTable, TASK)["blocks.1.hook_resid_pre"]
    row = figure.data.columns["sae"].tolist().index("blocks.1.hook_resid_pre")
    right = 100 * np.mean(table.columns["sae_rank"] == 1)
    assert figure.data.columns["accuracy_sae"][row] == pytest.approx(right)
    assert figure.data.columns["accuracy_clean"][row] == pytest.approx(60.0)


def test_items_of_a_class_lie_together(result, figures):
    (figure,) = [each for name, each in figures.items() if name.startswith("classes")]
    data, panel = figure.data.columns, figure.panels[0]
    for trace in panel.traces:
        assert set(data["sae"][trace.rows]) <= {trace.choice}
        assert len(set(data["class"][trace.rows])) <= 1
    drawn = sum(len(data["item"][trace.rows]) for trace in panel.traces)
    assert drawn == len(data["item"]) == 3 * ITEMS


def test_all_features_are_in_the_histograms(result, figures):
    (figure,) = [each for name, each in figures.items() if name.startswith("effects")]
    data = figure.data.columns
    table = result.measurement.of(TaskTable, TASK)["blocks.0.hook_resid_pre"]
    here = (data["sae"] == "blocks.0.hook_resid_pre") & (data["quantity"] == "score")
    assert data["features"][here].sum() == len(table.features.feature)


def test_densities_are_of_all_active_features(figures):
    data = figures["density"].data.columns
    here = data["sae"] == "blocks.0.hook_resid_pre"
    assert data["features"][here].sum() + data["silent"][here][0] == stored.sae_ref(0).d_sae


def test_a_run_without_tables_draws_what_was_judged():
    drawn = {figure.name for figure in figures_of(release_result(2))}
    assert drawn == {"propagation", "shrinkage", "alive"}


ONE = Figure(
    name="one",
    section="context",
    title="costs $5_{x}$ </svg>",
    caption="",
    data=Data("one", {"x": np.array([1.0, 10.0]), "y": np.array([0.5, -2.0])}),
    panels=(Panel("", Axis("x", log=True), Axis("y", log=True), (Trace("line", "_a", "x", "y"),)),),
)


def test_files_are_the_same_each_time_and_show_names_as_they_are(tmp_path: Path):
    written = [write([ONE], tmp_path / each) for each in ("first", "second")]
    assert [path.name for path in written[0]] == ["one.csv", "one.svg", "one.png"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    svg = (tmp_path / "first/one.svg").read_text(encoding="utf-8")
    assert "costs $5_{x}$ &lt;/svg&gt;" in svg

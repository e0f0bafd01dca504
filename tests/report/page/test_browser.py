"""The page as a reader has it: in Chromium, opened from disk, with nothing else at hand."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from sae_checks.report.figures.figure import Figure
from sae_checks.report.figures.registry import figures_of
from sae_checks.report.overview.levels import level, worst
from sae_checks.report.page.cells import cell_id
from tests.report.judged import TASK
from tests.report.page.browser import Browser, follow, text_of

SAE = "blocks.0.hook_resid_pre"


def test_all_figures_are_drawn_and_nothing_is_asked_for_or_complained_of(
    opened, drawn, page, result
):
    count = opened.run("return document.querySelectorAll('figure[data-drawn]').length")
    assert count == len(figures_of(result)) > 10
    console, requests = drawn
    assert console == []
    assert [a for a in requests if not a.startswith(("data:", "blob:"))] == [page.as_uri()]


def traces(browser: Browser, figure: Figure, panel: int) -> list[dict[str, Any]]:
    """The lines and points that are drawn, without the edges of bands and without marginals."""
    found: list[dict[str, Any]] = browser.run(
        "return [...document.getElementById(arguments[0]).querySelectorAll('.panel')]"
        "[arguments[1]].data.filter((t) => t.name && t.type !== 'histogram')"
        ".map((t) => ({name: t.name, x: [...t.x], y: [...t.y]}))",
        f"figure-{figure.name}",
        panel,
    )
    return found


@pytest.mark.parametrize("name", ["context", "layers", "norm-mse", "density", "accuracy"])
def test_traces_are_what_the_tables_hold(opened, result, name):
    figure = next(each for each in figures_of(result) if each.name.startswith(name))
    for number, panel in enumerate(figure.panels):
        drawn = traces(opened, figure, number)
        assert [one["name"] for one in drawn] == [trace.name for trace in panel.traces]
        for one, trace in zip(drawn, panel.traces, strict=True):
            expected = np.array(figure.data.columns[trace.y][trace.rows], dtype=float)
            if panel.y.log and trace.kind == "line":
                expected[~(expected > 0)] = np.nan
            got = np.array([np.nan if y is None else y for y in one["y"]])
            np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_a_csv_holds_the_whole_table(opened, result):
    figure = next(each for each in figures_of(result) if each.name == "layers")
    header, *rows = opened.run("return csvOf('layers')").splitlines()
    assert header == ",".join(figure.data.columns)
    assert len(rows) == figure.data.rows


def test_no_text_of_a_csv_becomes_a_formula(opened):
    written = opened.run(
        "DATA.data.planted = {name: ['=1+1', '+2', '-3', '@SUM(A1)', 'a=b'],"
        " value: [-1, 2, null, -0.5, 0]};"
        "try { return csvOf('planted') } finally { delete DATA.data.planted }"
    )
    assert written == "name,value\n'=1+1,-1\n'+2,2\n'-3,\n'@SUM(A1),-0.5\na=b,0\n"


def test_every_figure_is_drawn_in_the_end_so_that_all_are_printed(session, page, result):
    session.open(page)
    count = "return document.querySelectorAll('figure[data-drawn]').length"
    session.wait(f"{count} === {len(figures_of(result))}")
    printed = session.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert base64.b64decode(printed).startswith(b"%PDF-")
    assert session.run(count) == len(figures_of(result))
    assert session.console() == []


def test_whoever_asks_for_a_figure_first_draws_it_for_all(opened):
    """A link to a figure, its coming into view and an idle moment ask for it at once."""
    drawn = (
        "const one = document.querySelector('figure[data-figure]');"
        "return drawOnce(one) === drawOnce(one) && drawOnce(one) === begun.get(one)"
    )
    assert opened.run(drawn) is True


def test_the_verdict_comes_first(opened, result):
    assert text_of(opened, ".verdict").startswith("FAILED: ")
    first = opened.run("return document.querySelector('.groups a').textContent")
    assert first == "grows past the training context"


def test_a_click_on_the_map_opens_the_worst_test_of_the_field(opened, result):
    name = "delta_ce_growth"
    field = [o for o in result.outcomes if o.check.name == name and o.cell["sae"] == SAE]
    link = f"#cell={quote(cell_id(worst(field)), safe='/')}"
    opened.run("document.querySelector(`#map a[href='${arguments[0]}']`).click()", link)
    opened.wait("return document.getElementById('cell').open")
    said = text_of(opened, "#cell")
    one = worst(field)
    assert one.verdict is not None
    assert name in said
    assert SAE in said
    assert one.verdict.limit.source in said
    assert "the SAE never saw activations of these positions" in said
    assert "Weighing most in it" in said
    assert opened.run("return document.querySelectorAll('#cell .losses rect').length") > 40
    label = opened.run("return document.querySelector('#cell .axis').getAttribute('aria-label')")
    assert label.endswith("at most 2, margin 0.2")


def test_a_deep_link_opens_its_test(opened, result):
    one = next(o for o in result.outcomes if o.cell.task == TASK and o.cell.sae)
    follow(opened, f"#cell={quote(cell_id(one))}")
    assert opened.run("return document.getElementById('cell').open")
    assert text_of(opened, "#cell-title") == one.check.name


def test_a_link_to_no_test_opens_nothing(opened):
    follow(opened, "#cell=%E0%A4%A")
    assert not opened.run("return document.getElementById('cell').open")
    assert opened.console() == []


def type_into(browser: Browser, selector: str, text: str) -> None:
    browser.run(
        "const at = document.querySelector(arguments[0]); at.value = arguments[1];"
        "at.dispatchEvent(new Event('input')); at.dispatchEvent(new Event('change'))",
        selector,
        text,
    )


def test_the_map_is_filtered_and_ordered(opened):
    type_into(opened, "#map-text", "blocks.1")
    assert text_of(opened, "#map-said").startswith("1 of 3 SAEs")
    type_into(opened, "#map-text", "recovered")
    heads = "return [...document.querySelectorAll('#map th[data-check]')].filter((h) => !h.hidden)"
    names = opened.run(f"{heads}.map((h) => h.dataset.check)")
    assert names
    assert all("recovered" in name for name in names)
    type_into(opened, "#map-text", "")
    type_into(opened, "#map-level", "attention")
    assert "delta_ce_growth" in opened.run(f"{heads}.map((h) => h.dataset.check)")
    assert "delta_ce" not in opened.run(f"{heads}.map((h) => h.dataset.check)")
    type_into(opened, "#map-order", "worst")
    assert opened.run("return document.querySelector('#map tbody tr').dataset.sae") == SAE


def test_all_tests_are_filtered_and_sorted(opened, result):
    browser = opened
    failed = [o for o in result.outcomes if level(o) == "failed"]
    follow(browser, "#tests=failed")
    assert text_of(browser, "#tests-said") == f"{len(failed)} of {len(result.outcomes):,} tests"
    shown = "return [...document.querySelectorAll('#tests-table tbody tr')]"
    values = f"{shown}.map((row) => Number(row.cells[4].textContent.replace(/,/g, '')))"
    browser.run("document.querySelectorAll('#tests-table thead button')[4].click()")
    rising = browser.run(values)
    assert rising == sorted(rising)
    browser.run("document.querySelectorAll('#tests-table thead button')[4].click()")
    assert browser.run(values) == sorted(rising, reverse=True)


def test_the_strip_shows_where_a_claim_fails(opened):
    type_into(opened, "#strip-check", "delta_ce_growth")
    levels = opened.run(
        "return [...document.querySelectorAll('#strip tbody tr')].map((row) =>"
        "  [...row.querySelectorAll('.field')].map((each) => each.dataset.level))"
    )
    assert set(levels[0]) == {"failed"}
    assert "failed" not in {each for row in levels[1:] for each in row}


def test_a_choice_draws_another_sae(opened, result):
    figure = next(each for each in figures_of(result) if each.name.startswith("norms"))
    before = traces(opened, figure, 0)
    type_into(opened, f"#choice-{figure.name}", figure.choices[1])
    opened.run(  # until it is drawn
        "return withPlotly().then((P) => drawFigure(P, document.getElementById(arguments[0])))",
        f"figure-{figure.name}",
    )
    after = traces(opened, figure, 0)
    (trace,) = [each for each in figure.panels[0].traces if each.choice == figure.choices[1]]
    expected = figure.data.columns[trace.y][trace.rows]
    np.testing.assert_allclose(after[0]["y"], expected, rtol=1e-4)
    assert before[0]["y"] != after[0]["y"]


def test_all_is_reached_by_keyboard(opened):
    from selenium.webdriver import ActionChains

    opened.run("document.activeElement.blur(); document.querySelector('.skip').focus()")
    ActionChains(opened.driver).send_keys(Keys.TAB).perform()
    assert opened.run("return document.activeElement.closest('nav') !== null")
    ActionChains(opened.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(
        Keys.SHIFT
    ).perform()
    assert opened.run("return document.activeElement.className") == "skip"
    opened.run("document.querySelector('#map td:not([hidden]) .field').focus()")
    ActionChains(opened.driver).send_keys(Keys.ENTER).perform()
    opened.wait("return document.getElementById('cell').open")
    assert opened.run("return document.activeElement.id") == "cell-title"
    ActionChains(opened.driver).send_keys(Keys.ESCAPE).perform()
    opened.wait("return !document.getElementById('cell').open")
    assert opened.run("return document.activeElement.className") == "field"


def test_a_screen_reader_is_told_what_is_drawn(opened):
    unnamed = opened.run(
        "return [...document.querySelectorAll('a, button, select, input, section, figure')]"
        ".filter((each) => !(each.textContent.trim() || each.getAttribute('aria-label') ||"
        "  each.getAttribute('aria-labelledby') || each.labels?.length))"
        ".map((each) => each.outerHTML.slice(0, 80))"
    )
    assert unnamed == []
    heads = opened.run("return [...document.querySelectorAll('table')].every((t) => t.tHead)")
    assert heads


def test_nothing_sticks_out_at_400_pixels_in_the_dark(opened):
    try:
        opened.size(400, 800)
        opened.scheme("dark")
        opened.draw_all()
        assert opened.run("return document.documentElement.scrollWidth") <= 400
        assert opened.console() == []
        paper = opened.run("return getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(18, 22, 29)"
    finally:
        opened.size(1280, 1000)
        opened.scheme("light")

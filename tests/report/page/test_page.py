"""The page as text: what it needs, and how a run is asked for it."""

from __future__ import annotations

import argparse
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sae_checks.errors import UserError
from sae_checks.options.parsing import reports
from sae_checks.report.page import page_lines, write_comparison
from sae_checks.report.page.map import heat
from sae_checks.report.page.tokens import UnitLosses
from sae_checks.report.page.units import heavy_entries
from tests.report.judged import made_up
from tests.report.results import release_result


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("store"))


def test_a_bare_html_file_is_the_page():
    here = Path.cwd()
    assert reports("out.html,summary=run.txt") == (
        ("page", here / "out.html"),
        ("summary", here / "run.txt"),
    )
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be FORMAT=FILE, or FILE\.html"):
        reports("out.pdf")


class Addresses(HTMLParser):
    """All that a page links to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_page_loads_nothing_from_elsewhere(result):
    parser = Addresses()
    parser.feed("\n".join(page_lines(result)))
    outside = {each for each in parser.found if not each.startswith(("#", "data:,"))}
    # Links that a reader may follow: dashboards of features.
    assert outside
    assert all(each.startswith("https://www.neuronpedia.org/") for each in outside)


def test_a_page_is_the_same_each_time(result):
    assert page_lines(result) == page_lines(result)


def test_scripts_run_by_their_hashes_alone(result):
    (policy,) = re.findall(
        r'Content-Security-Policy" content="([^"]*)"', "".join(page_lines(result))
    )
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    scripts = policy.split("; ")[1]
    assert "unsafe" not in scripts


def test_a_run_that_measured_nothing_has_a_page():
    lines = page_lines(release_result(2, tasks=()))
    assert any("passed: " in line for line in lines)


def test_heat_counts_margins():
    failing = release_result(1, broken={("delta_ce", 0): 5.0})
    (one,) = [
        o for o in failing.outcomes if o.check.name == "delta_ce" and o.cell.family == "claim"
    ]
    assert one.verdict is not None
    excess = (5.0 - (one.verdict.limit.max or 0)) / one.verdict.limit.margin
    assert heat(one) == sum(excess > step for step in (0, 1, 3, 10, 100)) - 1


def test_the_documents_that_weigh_most_come_with_their_losses(result):
    losses = UnitLosses()
    (one,) = [
        o
        for o in result.outcomes
        if o.check.name == "delta_ce_growth"
        and o.cell.family == "claim"
        and o.cell.saes[0].layer == 0
    ]
    first, *_ = heavy_entries(result, one, losses)
    drawn = losses.found[first["losses"]]
    table = next(
        t
        for k, t in result.measurement.tables.items()
        if k[:3] == ("context", "texts", one.cell["sae"])
    )
    row = int(first["name"].split()[1])
    delta = table.columns["ce_sae"][row] - table.columns["ce_clean"][row]
    assert drawn["first"] == 1
    assert drawn["values"] == [pytest.approx(each, rel=1e-2) for each in delta[1:-1]]


def test_one_measurement_is_no_comparison(result, tmp_path):
    with pytest.raises(UserError) as error:
        write_comparison([result.measurement], tmp_path / "a.html")
    assert str(error.value) == "a comparison needs two stored measurements or more, got 1"

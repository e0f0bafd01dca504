"""A page in Chromium, which the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sae_checks.report.page import write_page
from sae_checks.session.result import RunResult
from tests.report.judged import made_up
from tests.report.page.browser import Browser, chromium


@pytest.fixture(scope="module")
def session() -> Iterator[Browser]:
    with chromium() as one:
        one.size(1280, 1000)
        yield one


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> RunResult:
    return made_up(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def page(result, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(result, path)
    return path


@pytest.fixture(scope="module")
def drawn(session, page) -> tuple[list[str], list[str]]:
    """What the page said, and what it asked for, until every figure was drawn."""
    session.open(page)
    session.draw_all()
    return session.console(), session.requests()


@pytest.fixture
def opened(session, page, drawn) -> Browser:
    """The page with all its figures; as the test before left it."""
    if not session.driver.current_url.startswith(page.as_uri()):
        session.open(page)
        session.draw_all()
    return session

"""Runs that pytest-xdist distributes (`pytest -n 2`): the controller measures, workers judge.

A controller collects nothing by itself and its workers know nothing of each other. Where there are
check files, it collects them here and measures before any test is handed out; a worker then finds
all it needs in the store. Workers say of each test what became of it (`tell_controller`), from
which the controller makes the closing summary, the baseline and the accepted failures: with one
session's knowledge of all tests, as a run without workers does.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sae_checks.errors import UserError
from sae_checks.plugin.terminal import OURS

if TYPE_CHECKING:
    from sae_checks.plugin.item import CheckItem

_COLLECTED = "sae_checks_collected"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests that a controller hands out."""
    return hasattr(config, "workerinput")


def register(config: pytest.Config) -> None:
    """Register what a controller or a worker needs; nothing where tests are not distributed."""
    if is_worker(config):
        config.pluginmanager.register(Worker(config), "sae-checks-worker")
    elif config.getoption("dist", "no") != "no" and config.getoption("tx", None):
        config.pluginmanager.register(Controller(config), "sae-checks-controller")


def tell_controller(report: pytest.TestReport, item: CheckItem, outcome: str) -> None:
    """Put what became of a test into its report, which a worker sends as plain values."""
    # --dist loadgroup changes the ids of reports: the test's own is put together anew.
    test = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    setattr(report, OURS, {"test": test, "became": outcome})


class Controller:
    """Collects and measures, and gathers what became of the tests.

    Args:
        config: of the run; whether check files are collected shows in its arguments.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.collects = any(_may_hold_checks(config, given) for given in config.args)
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let a worker know whether anything is measured for it."""
        node.workerinput[_COLLECTED] = self.collects

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Collect as workers do; pytest-xdist then keeps pytest from doing so."""
        if not self.collects:
            return
        session.perform_collect()
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            errors = f"{session.testsfailed} error{'s' if session.testsfailed != 1 else ''}"
            raise session.Interrupted(f"{errors} during collection")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a worker says of a test."""
        outcome = getattr(report, OURS, None)
        if outcome is not None:
            self._outcomes[outcome["test"]] = outcome["became"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Record all outcomes in the order in which tests were collected."""
        try:
            return (yield)
        finally:
            for item in _check_items(session) if self.collects else ():
                self._record(item)

    def _record(self, item: CheckItem) -> None:
        if item.nodeid not in self._outcomes:
            return
        try:
            verdict = item.gate_session.judge(item.check, item.cell)
        except UserError:
            verdict = None
        item.gate_session.record(item.check, item.cell, self._outcomes[item.nodeid], verdict)


class Worker:
    """Reads what the controller measured, before the first test of it is judged."""

    def __init__(self, config: pytest.Config) -> None:
        self._collected = bool(getattr(config, "workerinput", {}).get(_COLLECTED))
        self._failure: str | None = None
        self._read = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Let each test tell why nothing can be judged, if so it is."""
        from sae_checks.plugin.item import CheckItem, NotMeasuredError

        if not isinstance(item, CheckItem):
            return
        if not self._read:
            self._read, self._failure = True, self._fail_reading(item)
        if self._failure is not None:
            raise NotMeasuredError(self._failure)

    def _fail_reading(self, item: CheckItem) -> str | None:
        """Why what was measured cannot be read, or None."""
        if not self._collected:
            return (
                f"{item.path} holds checks, but pytest -n measures only for files called "
                "check_*.py; rename it, or run it without -n"
            )
        wanted = [(one.check, one.cell) for one in _check_items(item.session)]
        try:
            item.gate_session.measure(wanted)
        except UserError as error:
            return str(error)
        return None


def _check_items(session: pytest.Session) -> list[CheckItem]:
    from sae_checks.plugin.item import CheckItem

    return [item for item in session.items if isinstance(item, CheckItem)]


def _may_hold_checks(config: pytest.Config, given: str) -> bool:
    """Whether an argument of pytest's names check files, or a folder with any."""
    path = config.invocation_params.dir / given.partition("::")[0]
    if not path.exists():  # a package's name, perhaps
        return True
    return any(_mentions_us(file) for file in ([path] if path.is_file() else _check_files(path)))


def _check_files(folder: Path) -> Iterator[Path]:
    """The files called check_*.py below a folder, but for those of hidden ones and of Pythons."""
    for root, folders, files in os.walk(folder):
        folders[:] = [
            n for n in folders if n[0] != "." and not Path(root, n, "pyvenv.cfg").exists()
        ]
        yield from (Path(root, n) for n in files if n.startswith("check_") and n.endswith(".py"))


def _mentions_us(file: Path) -> bool:
    return "sae_checks" in file.read_text(encoding="utf-8", errors="ignore")

"""The pytest plugin: options, collection of checks, outcomes. The one module that knows pytest.

It is registered by entry point and by a checkout's conftest.py, so every pytest run loads it:
nothing heavy is imported before a check is collected.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sae_checks import xdist
from sae_checks.errors import UserError
from sae_checks.options import FLAGS, OPTIONS, STRICT, Option, Options

if TYPE_CHECKING:
    from sae_checks.judge.check import Check
    from sae_checks.judge.verdict import Verdict
    from sae_checks.records.place import CellRef
    from sae_checks.session.session import Session

_OPTIONS: pytest.StashKey[Options] = pytest.StashKey()
_SESSION: pytest.StashKey[Session] = pytest.StashKey()
_WRITTEN: pytest.StashKey[list[str]] = pytest.StashKey()


# Verdicts that hold without being a pass: what pytest calls them, its letter, and its word.
_NEITHER = {
    "undecided": ("undecided", "u", "UNDECIDED"),
    "not_applicable": ("not applicable", "n", "NOT APPLICABLE"),
}


class CheckFailedError(Exception):
    """A verdict that does not hold; carries the sentences that a person is shown."""


class InsufficientEvidenceError(CheckFailedError):
    """An undecided claim: nobody has shown that it holds."""


class NotMeasuredError(UserError):
    """What a check needs could not be measured, in one sentence; raised where pytest looks on.

    pytest shows the arguments of every frame that an error passed through, and those of the judging
    hold whole tables: printing them for each of hundreds of cells takes minutes.
    """


class NotAcceptedError(Exception):
    """A failure beyond what an accepted failure covers."""


class CheckUndefinedError(Exception):
    """A value that is not a number: no accepted failure covers that."""


class CheckItem(pytest.Item):
    """One check on one cell: a test."""

    def __init__(
        self, *, check: Check, cell: CellRef, gate_session: Session, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.check, self.cell, self.gate_session = check, cell, gate_session
        self.verdict: Verdict | None = None

    @property
    def asks(self) -> bool:
        """Whether it is a test under the run's limits."""
        return self.gate_session.asks(self.check, self.cell)

    def setup(self) -> None:
        """Judge the cell: what cannot be judged is an error, not a failure."""
        told = ""
        try:
            self.verdict = self.gate_session.judge(self.check, self.cell)
        except UserError as error:
            told = str(error)
        finally:
            properties = self.gate_session.properties(self.check, self.cell, self.verdict)
            self.user_properties.extend(properties.items())
        if self.verdict is None:
            raise NotMeasuredError(told)

    def runtest(self) -> None:
        """Fail if the verdict does not hold; what neither passed nor failed is no pass."""
        assert self.verdict is not None, "setup raises where there is none"
        if self.verdict.holds:
            if self.verdict.status in _NEITHER:
                pytest.skip(self.gate_session.sentence(self.verdict))
            return
        told = self.gate_session.explain(self.check, self.cell, self.verdict)
        if self.verdict.status == "undefined":
            raise CheckUndefinedError(told)
        if self.gate_session.beyond_acceptance(self.check, self.cell, self.verdict):
            raise NotAcceptedError(told)
        if self.verdict.status == "undecided":
            raise InsufficientEvidenceError(told)
        raise CheckFailedError(told)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Verdicts as sentences; bugs with their traceback."""
        if isinstance(excinfo.value, CheckFailedError | CheckUndefinedError | NotAcceptedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the check stands, for reports."""
        line = self.check.function.__code__.co_firstlineno - 1
        return self.path, line, self.name


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sae-checks", "gate a release of sparse autoencoders")
    for option in OPTIONS:
        group.addoption(
            option.name,
            type=option.parse,
            default=None,
            metavar=option.metavar,
            dest=f"sae_checks_{option.target}",
            help=option.help,
        )
        parser.addini(option.ini, option.help, type="string", default="")
    for flag in FLAGS:
        group.addoption(
            flag.name, action="store_true", dest=f"sae_checks_{flag.target}", help=flag.help
        )
        parser.addini(flag.ini, flag.help, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OPTIONS] = _parse_options(config)
    xdist.register(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect check_*.py files that use sae_checks, whatever python_files says."""
    if file_path.suffix != ".py" or not file_path.name.startswith("check_"):
        return None
    patterns = parent.config.getini("python_files")
    by_pytest = parent.session.isinitpath(file_path) or any(file_path.match(p) for p in patterns)
    if by_pytest or "sae_checks" not in file_path.read_text(encoding="utf-8", errors="ignore"):
        return None
    module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
    return module


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """One test per cell of a function marked with @check."""
    if not hasattr(obj, "sae_check"):
        return None
    from sae_checks.checking import check_of

    check = check_of(obj)
    if check is None or f"check_{check.name}" != name:
        return None
    from sae_checks.baseline.comparison import comparison_of

    session = _session(collector.config)
    compared = comparison_of(check, session.options.question)
    cells = [(check, cell) for cell in session.cells(check)]
    cells += [(compared, cell) for cell in session.regressions(check)]
    items: list[pytest.Item] = [
        CheckItem.from_parent(
            collector, name=f"check_{one.name}[{cell}]", check=one, cell=cell, gate_session=session
        )
        for one, cell in cells
    ]
    return items


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Refuse a malformed run before anything loads, and mark the failures that are accepted."""
    gate_session = session.config.stash.get(_SESSION, None)
    if (
        gate_session is None or session.testsfailed
    ):  # a check file with a bug stops the run by itself
        return
    try:
        checks = _check_items(items)
        gate_session.prepare([(item.check, item.cell) for item in checks])
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    # Comparisons for which the limits give no margin are no tests.
    items[:] = [i for i in items if not isinstance(i, CheckItem) or i.asks]
    if _flag(session.config, STRICT):
        return
    for item in checks:
        known = gate_session.known_failure(item.check, item.cell)
        if known is not None:
            item.add_marker(
                pytest.mark.xfail(reason=known.reason, raises=CheckFailedError, strict=False)
            )


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """The header: what is gated, on what, at what budget."""
    session = config.stash.get(_SESSION, None)
    return session.header() if session is not None and session.failed is None else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Measure what the collected checks need, before the first of them runs; or only plan it."""
    gate_session = session.config.stash.get(_SESSION, None)
    if gate_session is None or session.config.option.collectonly:
        return None
    if xdist.is_worker(session.config):  # the controller measures
        return None
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        return None
    items = _check_items(session.items)
    if not items:
        return None
    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            wanted = [(item.check, item.cell) for item in items]
            if gate_session.options.plan:
                for line in gate_session.plan(wanted):
                    session.config.get_terminal_writer().line(line)
                return True
            gate_session.measure(wanted)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Remember each test's outcome for the closing summary."""
    report = yield
    if not isinstance(item, CheckItem):
        return report
    # pytest asks an item's repr_failure of its own phase alone, and what is unmeasured is told in
    # setup.
    if call.excinfo is not None and isinstance(call.excinfo.value, UserError):
        report.longrepr = str(call.excinfo.value)
    if report.when == "call" or report.failed:
        outcome = "error" if report.when != "call" else report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "accepted" if report.skipped else "unexpectedly passed"
        elif report.skipped and item.verdict is not None:
            report.sae_checks_status = item.verdict.status
            # pytest says where it was skipped, which is in this file; a reader wants the check.
            path, line, _ = item.reportinfo()
            report.longrepr = (str(path), (line or 0) + 1, report.longrepr[2])
            outcome = _NEITHER[item.verdict.status][0]
        item.gate_session.record(item.check, item.cell, outcome, item.verdict)
        xdist.tell_controller(report, item, outcome)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """What neither passed nor failed is called so, and not skipped."""
    status = getattr(report, "sae_checks_status", None)
    return _NEITHER[status] if status is not None and report.skipped else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write what the run was asked to write; what nobody looks at by accident fails the run.

    That is a new baseline, and accepted failures that are out of date where the thresholds say so.
    """
    gate_session = session.config.stash.get(_SESSION, None)
    if gate_session is None or not gate_session.outcomes or xdist.is_worker(session.config):
        return
    written = [
        told for told in (gate_session.write_accepted(), gate_session.update_baseline()) if told
    ]
    session.config.stash[_WRITTEN] = written
    if exitstatus != pytest.ExitCode.OK:
        return
    if gate_session.baseline_fails:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    stale = gate_session.stale_known_failures() if gate_session.strict_about_known_failures else []
    if stale:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.config.option.verbose < 0:  # there is no summary to tell them
            written += [f"note: {told}" for told in stale]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Per SAE: the worst cell of each check, the usable context, and where the report lies."""
    session = config.stash.get(_SESSION, None)
    if session is None or not session.outcomes:
        return
    written = config.stash.get(_WRITTEN, [])
    if config.option.verbose >= 0:
        from sae_checks.report.summary import summary_lines

        junit = getattr(config.option, "xmlpath", None)
        terminalreporter.section(f"sae-checks: {session.gate.release.name}")
        written = [*summary_lines(session, junit), *written]
    for line in written:
        terminalreporter.write_line(line)


def _check_items(items: Iterable[pytest.Item]) -> list[CheckItem]:
    return [item for item in items if isinstance(item, CheckItem)]


def _session(config: pytest.Config) -> Session:
    """The run's session, made when the first check is collected."""
    session = config.stash.get(_SESSION, None)
    if session is None:
        from sae_checks.report.progress import ConsoleProgress
        from sae_checks.session.session import Session

        quiet = config.option.verbose < 0
        session = Session(config.stash[_OPTIONS], ConsoleProgress(quiet=quiet))
        config.stash[_SESSION] = session
    return session


def _parse_options(config: pytest.Config) -> Options:
    values = {option.target: _value(config, option) for option in OPTIONS}
    values |= {flag.target: _flag(config, flag) for flag in FLAGS if flag is not STRICT}
    return Options(**{name: value for name, value in values.items() if value is not None})


def _flag(config: pytest.Config, flag: Option) -> bool:
    """A flag on the command line, or its ini key."""
    return bool(config.getoption(f"sae_checks_{flag.target}") or config.getini(flag.ini))


def _value(config: pytest.Config, option: Option) -> Any:
    """An option from the command line, else its ini key, else None."""
    given = config.getoption(f"sae_checks_{option.target}")
    if given is not None:
        return given
    text = config.getini(option.ini)
    if not text:
        return None
    if config.inipath is not None:  # as seen from the file that says it
        text = option.seen_from(config.inipath.parent, text)
    try:
        return option.parse(text)
    except (ArgumentTypeError, ValueError) as error:
        raise pytest.UsageError(f"{config.inipath}: {option.ini} = {text}: {error}") from error

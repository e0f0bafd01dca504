"""The pytest plugin: options, collection of checks, outcomes. The one package that knows pytest.

It is registered by entry point and by a checkout's conftest.py, so every pytest run loads it:
nothing heavy is imported before a check is collected.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sae_checks.errors import UserError
from sae_checks.options import STRICT, Options
from sae_checks.options.typed import Typed, typed
from sae_checks.plugin import garbage, xdist
from sae_checks.plugin.item import NEITHER, CheckFailedError, CheckItem
from sae_checks.plugin.settings import add_options, flagged, parse_options
from sae_checks.plugin.terminal import (
    HIDING,
    Hiding,
    is_compact,
    is_verdict_alone,
    screen_of,
    write_summary,
)
from sae_checks.plugin.writing import refuse_unwritable, write_files
from sae_checks.wording import visible, visible_lines

if TYPE_CHECKING:
    from sae_checks.session.result import RunResult
    from sae_checks.session.session import Session

# The exit code of a run in which nothing failed, and something that has to be shown was not.
INSUFFICIENT_EVIDENCE = 6

_OPTIONS: pytest.StashKey[Options] = pytest.StashKey()
_SESSION: pytest.StashKey[Session] = pytest.StashKey()
_TYPED: pytest.StashKey[Typed] = pytest.StashKey()
_RESULT: pytest.StashKey[RunResult] = pytest.StashKey()
_WRITTEN: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TYPED] = typed([*map(str, config.invocation_params.args)])
    config.stash[_OPTIONS] = parse_options(config)
    garbage.prepare(config)
    xdist.register(config)
    if is_compact(config, config.stash[_OPTIONS]):
        config.pluginmanager.register(Hiding(), HIDING)


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
            collector,
            name=visible(f"check_{one.name}[{cell}]"),
            check=one,
            cell=cell,
            gate_session=session,
        )
        for one, cell in cells
    ]
    return items


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Refuse a malformed run before anything loads, and mark the failures that are accepted.

    What pytest lacks is told before other plugins stumble over it, all else once they chose tests.
    """
    gate_session = session.config.stash.get(_SESSION, None)
    if gate_session is not None:
        _refuse_without_skipping(session.config)
    yield
    # A check file with a bug stops the run by itself.
    if gate_session is not None and not session.testsfailed:
        _prepare(session, gate_session, items)


def _prepare(session: pytest.Session, gate_session: Session, items: list[pytest.Item]) -> None:
    try:
        if not (session.config.option.collectonly or xdist.is_worker(session.config)):
            refuse_unwritable(gate_session.options)
        checks = _check_items(items)
        gate_session.prepare([(item.check, item.cell) for item in checks])
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    # Comparisons for which the limits give no margin are no tests.
    items[:] = [i for i in items if not isinstance(i, CheckItem) or i.asks]
    if flagged(session.config, STRICT):
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
    if session is None or session.failed is not None:
        return []
    from sae_checks.report.header import header_lines, short_header_lines

    compact = is_compact(config, session.options)
    lines = (short_header_lines if compact else header_lines)(session.facts)
    screen = screen_of(config)
    return [screen.text(line) for line in lines]


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
    garbage.remember(session, len(items))
    capture = session.config.pluginmanager.getplugin("capturemanager")  # None under -p no:capture
    try:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            wanted = [(item.check, item.cell) for item in items]
            if gate_session.options.plan:
                gate_session.plan(wanted)
                _write_plan(session.config, gate_session.result())
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
        report.longrepr = visible_lines(str(call.excinfo.value))
    if report.when == "call" or report.failed:
        outcome = "error" if report.when != "call" else report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "accepted" if report.skipped else "unexpectedly passed"
        elif report.skipped and item.verdict is not None:
            report.sae_checks_status = item.verdict.status
            # pytest says where it was skipped, which is in this file; a reader wants the check.
            path, line, _ = item.reportinfo()
            report.longrepr = (str(path), (line or 0) + 1, report.longrepr[2])
            outcome = NEITHER[item.verdict.status][0]
        item.gate_session.record(item.check, item.cell, outcome, item.verdict)
        xdist.tell_controller(report, item, outcome)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """What neither passed nor failed is called so, and not skipped."""
    status = getattr(report, "sae_checks_status", None)
    return NEITHER[status] if status is not None and report.skipped else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write what the run was asked to write; what nobody looks at by accident fails the run.

    That is a new baseline, and accepted failures that are out of date where the thresholds say so.
    """
    gate_session = session.config.stash.get(_SESSION, None)
    if gate_session is None or not gate_session.outcomes or xdist.is_worker(session.config):
        return
    started_by = session.config.stash[_TYPED]
    result = replace(
        gate_session.result(),
        junit=getattr(session.config.option, "xmlpath", None),
        program=started_by.program,
        invocation=started_by.arguments,
    )
    written, fails = write_files(gate_session, result)
    session.config.stash[_RESULT], session.config.stash[_WRITTEN] = result, written
    undecided = exitstatus == pytest.ExitCode.TESTS_FAILED and _only_undecided(session, result)
    stale = bool(result.stale) and result.thresholds.gate.known_failures_strict
    if undecided and not fails and not stale:
        session.exitstatus = INSUFFICIENT_EVIDENCE
    if exitstatus != pytest.ExitCode.OK:
        return
    if fails:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if stale:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if is_verdict_alone(session.config):  # there is no summary to tell them
            from sae_checks.report.notes import stale_line

            written += [stale_line(each, result.facts) for each in result.stale]


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Before pytest's own, which ends by searching for garbage."""
    garbage.leave_out_searches(config)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A screenful; or all figures; or, under -q, the verdict and what failed."""
    result = config.stash.get(_RESULT, None)
    if result is not None:
        write_summary(terminalreporter, result, config.stash[_WRITTEN], config.stash[_OPTIONS])


def _only_undecided(session: pytest.Session, result: RunResult) -> bool:
    """Whether all tests that failed did so for lack of evidence, and the run was not cut short."""
    from sae_checks.report.overview.levels import level

    levels = [level(outcome) for outcome in result.outcomes]
    # Outcomes of tests that other plugins run again count each time: none may be worse.
    worse = {"failed", "not measurable"} & set(levels)
    undecided = levels.count("insufficient evidence")
    return not session.shouldfail and not worse and session.testsfailed == undecided


def _refuse_without_skipping(config: pytest.Config) -> None:
    """Refuse to judge where pytest has nothing by which a test neither passes nor fails.

    Raises:
        UsageError: says what to leave out.
    """
    if not config.pluginmanager.hasplugin("skipping"):
        raise pytest.UsageError(
            "-p no:skipping leaves no way to tell accepted and undecided cells from passed ones; "
            "leave it out"
        )


def _write_plan(config: pytest.Config, result: RunResult) -> None:
    from sae_checks.report.plan import plan_lines

    for line in plan_lines(result):
        config.get_terminal_writer().line(line)


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

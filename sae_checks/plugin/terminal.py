"""What pytest shows of failed checks beside the summary, and on what kind of terminal.

In a compact run the summary tells failures by cause, so that pytest's own sections, a screenful for
each failing test, and its list of ids would bury it. They come back with -v or --sae-summary-full,
and are always in the JUnit report.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from sae_checks.options import Options

if TYPE_CHECKING:
    from sae_checks.report.terminal.screen import Screen
    from sae_checks.session.result import RunResult

HIDING = "sae-checks-hiding"  # the name of the plugin below
# What every report of a test of ours has; others are left alone.
OURS = "sae_checks_outcome"
# So many failing tests are shown in full.
_FEW = 3


def is_compact(config: pytest.Config, options: Options) -> bool:
    """Whether a run is told in a screenful; one as quiet as can be says its verdict alone."""
    return is_verdict_alone(config) or not (config.option.verbose > 0 or options.summary_full)


def is_verdict_alone(config: pytest.Config) -> bool:
    """Whether a run is so quiet (-qq) that it says its verdict alone."""
    return bool(config.option.verbose < -1)


def screen_of(config: pytest.Config) -> Screen:
    """The terminal that a run writes to; NO_COLOR and the like are pytest's matter."""
    from sae_checks.report.terminal.screen import Screen

    writer = config.get_terminal_writer()
    encoding = getattr(writer._file, "encoding", None)
    return Screen.of(writer.fullwidth, encoding, colour=writer.hasmarkup)


def write_summary(
    terminalreporter: Any, result: RunResult, written: list[str], options: Options
) -> None:
    """Write the summary of a run, and what the run wrote.

    From here on pytest lists no reports of checks: the summary did.
    """
    config = terminalreporter.config
    screen = screen_of(config)
    if not is_verdict_alone(config):
        terminalreporter.section(screen.text(f"sae-checks: {result.facts.release.name}"))
    for line in _summary(config, result, options, screen):
        terminalreporter.write_line(line)
    for line in written:
        terminalreporter.write_line(screen.text(line))
    hiding = config.pluginmanager.getplugin(HIDING)
    if hiding is not None:
        hiding.hide(terminalreporter)


def _summary(
    config: pytest.Config, result: RunResult, options: Options, screen: Screen
) -> list[str]:
    if not is_compact(config, options):
        from sae_checks.report.registry import report

        return [screen.text(line) for line in report("summary", result)]
    from sae_checks.report.terminal import compact

    if is_verdict_alone(config):
        return compact.verdict_lines(result, screen)
    return compact.screen_lines(result, screen)


class Hiding:
    """Keeps the reports of checks from pytest while it lists failures, and gives them back."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Any]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, Any, Any]:
        """Pytest counts them after this, in its last line."""
        failed = [
            *terminalreporter.stats.get("failed", []),
            *terminalreporter.stats.get("error", []),
        ]
        if sum(map(_is_ours, failed)) > _FEW:
            self.hide(terminalreporter)
        try:
            return (yield)
        finally:
            for name, reports in self._kept.items():
                terminalreporter.stats[name] = reports

    def hide(self, terminalreporter: Any) -> None:
        """From here on, until the summary is over."""
        for name, reports in terminalreporter.stats.items():
            if name and any(map(_is_ours, reports)):
                self._kept.setdefault(name, reports)
                terminalreporter.stats[name] = [r for r in reports if not _is_ours(r)]


def _is_ours(report: object) -> bool:
    return hasattr(report, OURS)

"""Writes the files that a run was asked for; what cannot be written is told before measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sae_checks.errors import UserError
from sae_checks.options import Options
from sae_checks.options.writable import try_file
from sae_checks.plugin.markdown import markdown_files, write_markdown

if TYPE_CHECKING:
    from sae_checks.session.result import RunResult
    from sae_checks.session.session import Session


def refuse_unwritable(options: Options) -> None:
    """Refuse reports that do not exist, and places where nothing can be written.

    Raises:
        UserError: names the option, the place and why.
    """
    if options.reports:
        from sae_checks.report.registry import refuse_unknown

        refuse_unknown(name for name, _ in options.reports)
    for option, file in _files(options):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            try_file(file)
        except OSError as error:
            raise UserError(
                f"{option} {file} cannot be written ({error.strerror}); name another file"
            ) from error
    if options.figures is not None:
        try:
            options.figures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--sae-figures {options.figures} cannot be made ({error.strerror}); name another "
                "folder"
            ) from error


def _files(options: Options) -> Iterator[tuple[str, Path]]:
    """The files that a run is to write, by the options that say so."""
    if options.accept is not None:
        yield "--sae-accept", options.accept
    for _, file in options.reports:
        yield "--sae-report", file
    for file in markdown_files(options.markdown):
        yield "--sae-markdown", file
    if options.baseline_update and options.baseline is not None:
        yield "--sae-baseline", Path(options.baseline)


def write_files(session: Session, result: RunResult) -> tuple[list[str], bool]:
    """Write them: a line on each, and whether the run fails for one of them."""
    lines, fails = [], False
    for write in _writings(session, result):
        try:
            lines += write()
        except OSError as error:  # such as of a disk that has become full
            lines.append(f"not written: {error}")
            fails = True
    try:
        writing = session.update_baseline()
    except OSError as error:
        return [*lines, f"the baseline is not written: {error}"], True
    if writing is None:
        return lines, fails
    from sae_checks.report.notes import baseline_line

    return [*lines, baseline_line(writing)], fails or writing.fails


def _writings(session: Session, result: RunResult) -> Iterator[Callable[[], list[str]]]:
    options = session.options
    if options.accept is not None:
        yield lambda: _accepted(result, options.accept)
    for name, file in options.reports:
        yield lambda name=name, file=file: _report(result, name, file)  # type: ignore[misc]
    yield lambda: write_markdown(options.markdown, result)
    if options.figures is not None:
        yield lambda: _figures(result, options.figures)


def _accepted(result: RunResult, file: Path | None) -> list[str]:
    from sae_checks.report.notes import accepting_line
    from sae_checks.report.registry import report

    assert file is not None, "it is asked for"
    file.write_text("\n".join(report("accepted-failures", result)), encoding="utf-8")
    return [accepting_line(result.outcomes, file)]


def _report(result: RunResult, name: str, file: Path) -> list[str]:
    from sae_checks.report.registry import report

    file.write_text("\n".join(report(name, result)) + "\n", encoding="utf-8")
    return [f"report {name} in {file}"]


def _figures(result: RunResult, folder: Path | None) -> list[str]:
    from sae_checks.report.figures.static import write_figures

    assert folder is not None, "it is asked for"
    return [f"{len(write_figures(result, folder))} files of figures in {folder}"]

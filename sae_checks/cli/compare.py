"""`sae-checks compare`: several stored releases side by side, by the worst cell of each check."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sae_checks.cli.arguments import add_options
from sae_checks.cli.folders import measurement_folder, refuse_unwritable, unwritable
from sae_checks.cli.output import tell
from sae_checks.cli.report import judged
from sae_checks.cli.table import table, width_of_terminal
from sae_checks.errors import UserError
from sae_checks.options import Stage
from sae_checks.options.parsing import path
from sae_checks.session.result import Outcome, RunResult

HELP = "put several stored releases side by side: the worst figure of each check"
EPILOG = """\
Figures of different corpora, contexts or models are shown together and said to be of different
ones. Whether a release is worse than its last one is another question: sae-checks gate NAME
--sae-baseline REF pairs them text by text.

examples:
  sae-checks compare tables/v1 tables/v2
  sae-checks compare tables/v1 tables/v2 tables/v3 --sae-thresholds thresholds.toml
  sae-checks compare tables/v1 tables/v2 -o compared.html
"""
_ENDING = ".html"
_STAGES: tuple[Stage, ...] = ("judge",)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The folders, and the limits."""
    command.add_argument(
        "folders", nargs="+", type=path, metavar="FOLDER", help="two or more measurements"
    )
    command.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="FILE.html",
        help="a page that draws their figures together; the table is printed all the same",
    )
    add_options(command, _STAGES)


def run(given: Mapping[str, Any], command: str) -> int:
    """Print the table; it ends with 0 whatever the verdicts are.

    Args:
        given: its arguments by name.
        command: as it was called.

    Raises:
        UserError: fewer than two folders, or one twice; tables that cannot be read, or a file that
            is no page or cannot be written.
    """
    values = dict(given)
    file = values.pop("output")
    if file is not None and file.suffix != _ENDING:
        raise UserError(
            f"compare writes a page, and {file} does not end with {_ENDING}; name a file that does"
        )
    refuse_unwritable(file)
    folders = [measurement_folder(name) for name in values.pop("folders")]
    _refuse_too_few(folders)
    results = [judged({**values, "ids": None, "folder": folder}) for folder in folders]
    for line in comparison_lines(results, width_of_terminal()):
        tell(line)
    if file is not None:
        _write_page(results, file)
    return 0


def _refuse_too_few(folders: Sequence[Path]) -> None:
    if len(folders) < 2:
        raise UserError(f"compare needs two folders or more, not {folders[0]} alone")
    twice = next((each for each in folders if folders.count(each) > 1), None)
    if twice is not None:
        raise UserError(f"compare takes a folder once, and {twice} is named twice; name others")


def _write_page(results: Sequence[RunResult], file: Path) -> None:
    from sae_checks.report.page import write_comparison

    measurements = [each.measurement for each in results if each.measurement is not None]
    try:
        write_comparison(measurements, file)
    except OSError as error:
        raise unwritable(file, error) from error
    tell(f"page: {file}")


def comparison_lines(results: Sequence[RunResult], width: int | None) -> Iterator[str]:
    """What each release is, how far they can be compared, and a row for each check."""
    names = [result.facts.release.name for result in results]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    yield from _settings(names, results)
    yield ""
    checks = list(dict.fromkeys(o.check.title for result in results for o in result.outcomes))
    head = ("check", "unit", *(part for name in names for part in (name, "at")))
    yield from table(head, (_row(check, results) for check in checks), width)


def _settings(names: Sequence[str], results: Sequence[RunResult]) -> Iterator[str]:
    """What the figures rest on, and what of it differs."""
    keys = ("corpus", "corpus_version", "context", "seed", "loading", "model_version", "tokens")
    settings = []
    for name, result in zip(names, results, strict=True):
        assert result.facts.stored is not None, "stored tables are judged"
        folder, manifest = result.facts.stored
        settings.append({key: manifest.provenance.get(key) for key in keys})
        yield f"{name}: {folder}"
    differing = [key for key in keys if any(each[key] != settings[0][key] for each in settings)]
    if differing:
        told = ", ".join(key.replace("_", " ") for key in differing)
        yield f"measured in different settings ({told}): figures are not of the same texts"


def _row(check: str, results: Sequence[RunResult]) -> tuple[str, ...]:
    cells, unit = list[str](), ""
    for result in results:
        found = [outcome for outcome in result.outcomes if outcome.check.title == check]
        unit = found[0].check.unit if found else unit
        cells += _worst(found)
    return (check, unit, *cells)


def _worst(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """The worst figure with its outcome, and where it is; claims before ranges, which say where."""
    from sae_checks.report.overview.levels import level, worst
    from sae_checks.report.sentence import number

    claims = [each for each in outcomes if each.cell.family == "claim"] or list(outcomes)
    if not claims:
        return "–", ""
    found = worst(claims)
    value = "not measured" if found.verdict is None else number(found.verdict.estimate.value)
    became = "reported" if level(found) == "reported" else found.outcome
    return f"{value} {became}", str(found.cell)

"""The picture of a run at the terminal: `python -m docs.generate.terminal TABLES FILE.svg`.

TABLES is the folder of a stored measurement. What a run of the suite would print of it at a
terminal of 100 columns, with colours, is drawn as SVG by rich.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sae_checks.options import Options
from sae_checks.report.progress import ConsoleProgress
from sae_checks.report.terminal.compact import compact_lines
from sae_checks.report.terminal.screen import Screen
from sae_checks.session.judged import judge_stored

WIDTH = 100


def picture(lines: list[str], title: str) -> str:
    """Lines with their colours, as SVG."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_svg(title=title, unique_id="sae-checks")


def main(folder: str, file: str) -> None:
    """Judge a stored measurement and draw what is said of it."""
    result = judge_stored(Options(measurements=Path(folder)), ConsoleProgress(quiet=True))
    lines = compact_lines(result, Screen(WIDTH, colour=True))
    name = result.facts.release.name
    Path(file).write_text(picture(lines, f"pytest checks/ --sae {name}"), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

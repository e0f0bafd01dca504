"""The picture of a run at the terminal, for the docs.

    python -m docs.generate.terminal TABLES FILE.svg [LINES]

TABLES is the folder of a stored measurement, LINES how many lines are drawn at most. What a run of
the suite would print of it at a terminal of 100 columns, with colours, is drawn as SVG by rich.
"""

from __future__ import annotations

import io
import re
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
    drawn = console.export_svg(title=title, unique_id="sae-checks")
    # Without the web fonts: a picture asks nothing of a network.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def main(folder: str, file: str, most: str = "1000") -> None:
    """Judge a stored measurement and draw what is said of it."""
    result = judge_stored(Options(measurements=Path(folder)), ConsoleProgress(quiet=True))
    lines = compact_lines(result, Screen(WIDTH, colour=True))
    title = f"sae-checks gate {result.facts.release.name}"
    Path(file).write_text(picture(lines[: int(most)], title), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

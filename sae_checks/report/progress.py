"""A progress bar with the time left while measuring; plain lines where nobody watches."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class ConsoleProgress:
    """Shows a run's progress on stderr.

    Args:
        quiet: show nothing (pytest -q).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(file=sys.__stderr__)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._text = ""
        self._began = time.monotonic()

    def phase(self, text: str) -> None:
        """Something of unknown length begins."""
        self._begin(text, None)

    def start(self, text: str, total: int) -> None:
        """Something of `total` steps begins."""
        self._begin(text, total)

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, steps)

    def close(self) -> None:
        """The measuring is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._text and not self._quiet:
            seconds = time.monotonic() - self._began
            self._console.print(f"sae-checks: measured in {seconds:.0f} s", highlight=False)
        self._text = ""

    def _begin(self, text: str, total: int | None) -> None:
        if not self._text:
            self._began = time.monotonic()
        self._text = text
        if self._quiet:
            return
        if not self._console.is_terminal:  # a log: one line for the long part, no bar
            if total is not None:
                self._console.print(f"sae-checks: {text}", highlight=False)
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(text, total=total)
            self._bar.start()
        elif self._task is not None:
            self._bar.reset(self._task, description=text, total=total)

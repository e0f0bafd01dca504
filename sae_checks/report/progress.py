"""A progress bar with the time left while measuring; a line a minute where nobody watches."""

from __future__ import annotations

import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING

from sae_checks.wording import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

# Where nobody watches, a line this often, in seconds.
_LOG_EVERY = 60.0


class ConsoleProgress:
    """Shows a run's progress on stderr.

    Args:
        quiet: show nothing but notes (pytest -q).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._told = time.monotonic()
        self._done = self._total = 0

    @cached_property
    def _console(self) -> Console:
        """Made when something is said first: a run on stored measurements says nothing."""
        from rich.console import Console

        return Console(file=sys.__stderr__)

    def phase(self, text: str) -> None:
        """Something of unknown length begins."""
        self._begin(visible(text), None)

    def note(self, text: str) -> None:
        """Something that the person should know: a line that stays."""
        text = visible(f"sae-checks: {text}")
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, text: str, total: int, dataset: str, activity: str) -> None:
        """Something of `total` steps begins."""
        self._begin(visible(text), total)

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, steps)
        elif not self._quiet and time.monotonic() - self._told >= _LOG_EVERY:
            self._told = time.monotonic()
            left = (self._told - self._began) * (self._total / self._done - 1)
            self._console.print(
                f"sae-checks: {self._done / self._total:.0%} done, about {left / 60:.0f} min left",
                highlight=False,
            )

    def close(self) -> None:
        """The measuring is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._total and self._done >= self._total and not self._quiet:
            seconds = time.monotonic() - self._began
            self._console.print(f"sae-checks: measured in {seconds:.0f} s", highlight=False)
        self._done = self._total = 0

    def _begin(self, text: str, total: int | None) -> None:
        if total is not None:
            self._began = self._told = time.monotonic()
            self._done, self._total = 0, total
        if self._quiet:
            return
        if not self._console.is_terminal:  # a log: one line for the long part, no bar
            if total is not None:
                self._console.print(f"sae-checks: {text}", highlight=False, markup=False)
            return
        if self._bar is None:
            self._bar = self._new_bar()
            self._task = self._bar.add_task(text, total=total)
            self._bar.start()
        elif self._task is not None:
            self._bar.reset(self._task, description=text, total=total)

    def _new_bar(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )

"""What a long run tells whoever watches it."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Told what a run is at, so that a person can be shown."""

    def phase(self, text: str) -> None:
        """Something of unknown length begins."""

    def note(self, text: str) -> None:
        """Something that the person should know, whether or not they watch."""

    def close(self) -> None:
        """The work is over, well or not."""

    def start(self, text: str, total: int) -> None:
        """Something of `total` steps begins."""

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""


class Stopwatch:
    """Passes progress on, and takes the time of what is measured, phase by phase.

    Attributes:
        seconds: by what the phase measured: "" for texts, else the name of a task.
    """

    def __init__(self, watched: Progress) -> None:
        self._watched = watched
        self.seconds: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    def phase(self, text: str) -> None:
        """Something of unknown length begins, which is not measuring."""
        self._stop()
        self._watched.phase(text)

    def note(self, text: str) -> None:
        """Something that the person should know."""
        self._watched.note(text)

    def start(self, text: str, total: int) -> None:
        """Something of `total` steps begins."""
        self._stop()
        _, _, task = text.partition(" of ")
        self._running = (task, time.monotonic())
        self._watched.start(text, total)

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""
        self._watched.advance(steps)

    def close(self) -> None:
        """The work is over, well or not."""
        self._stop()
        self._watched.close()

    def _stop(self) -> None:
        if self._running is not None:
            task, begun = self._running
            self.seconds[task] = self.seconds.get(task, 0.0) + time.monotonic() - begun
            self._running = None

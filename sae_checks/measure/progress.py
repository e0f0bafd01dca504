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

    def start(self, text: str, total: int, dataset: str, activity: str) -> None:
        """Something of `total` steps begins.

        Args:
            text: what, for a person.
            total: how many steps it has.
            dataset: on which data set.
            activity: what is done: "measuring", "ablating".
        """

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""


class Stopwatch:
    """Passes progress on, and takes the time of what is measured, phase by phase.

    Attributes:
        seconds: by data set and activity.
    """

    def __init__(self, watched: Progress) -> None:
        self._watched = watched
        self.seconds: dict[tuple[str, str], float] = {}
        self._running: tuple[tuple[str, str], float] | None = None

    def phase(self, text: str) -> None:
        """Something of unknown length begins, which is not measuring."""
        self._stop()
        self._watched.phase(text)

    def note(self, text: str) -> None:
        """Something that the person should know."""
        self._watched.note(text)

    def start(self, text: str, total: int, dataset: str, activity: str) -> None:
        """Something of `total` steps begins."""
        self._stop()
        self._running = (dataset, activity), time.monotonic()
        self._watched.start(text, total, dataset, activity)

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""
        self._watched.advance(steps)

    def close(self) -> None:
        """The work is over, well or not."""
        self._stop()
        self._watched.close()

    def _stop(self) -> None:
        if self._running is not None:
            phase, begun = self._running
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - begun
            self._running = None

"""What a long run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what a run is at, so that a person can be shown."""

    def phase(self, text: str) -> None:
        """Something of unknown length begins."""

    def close(self) -> None:
        """The work is over, well or not."""

    def start(self, text: str, total: int) -> None:
        """Something of `total` steps begins."""

    def advance(self, steps: int) -> None:
        """So many more of its steps are done."""

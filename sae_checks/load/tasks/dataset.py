"""One split of a data set on the hub: its rows, each with where it stands, in a seeded order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sae_checks.errors import TaskError

# No split of a bundled task is longer; a longer one would be read to here.
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class HubSplit:
    """A split that a task's questions are made of, and the columns that it needs."""

    task: str
    dataset: str
    config: str
    split: str
    columns: tuple[str, ...]

    def rows(self, revision: str | None, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Where each row stands ("test row 17", from 0) and the row, in the seed's order.

        All are read before the first is given: the order is then the seed's alone, and no row is
        likelier than another.

        Raises:
            TaskError: no such data set, no network, no row, or a column that it lacks.
        """
        rows = self._read(revision)
        if not rows:
            raise TaskError(self._sentence("is empty"))
        for column in self.columns:
            if column not in rows[0]:
                raise TaskError(
                    f"task {self.task}: data set {self.dataset!r} has the columns "
                    f"{', '.join(rows[0])}; {column} is needed"
                )
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)
        for number in order:
            yield f"{self.split} row {number}", rows[number]

    def _read(self, revision: str | None) -> list[dict[str, Any]]:
        import datasets

        from sae_checks.load.documents import unreadable_errors

        try:
            streamed = datasets.load_dataset(
                self.dataset, self.config, split=self.split, streaming=True, revision=revision
            )
            return list(streamed.take(_MOST_ROWS))
        except StopIteration:  # what datasets makes of an empty JSON file
            return []
        except unreadable_errors() as error:
            first_line = str(error).strip().split("\n")[0].rstrip(".")
            raise TaskError(
                self._sentence(f"cannot be read ({type(error).__name__}: {first_line})")
            ) from error

    def _sentence(self, mishap: str) -> str:
        return (
            f"task {self.task}: split {self.split} of data set {self.dataset!r} {mishap}; "
            "--sae-task also takes a .jsonl file of your own, cloze, or none, which need no such "
            "data set"
        )

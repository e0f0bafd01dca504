"""A pytest plugin for `-p`: notes down what a run measures and writes, and kills it within a write.

Environment variables say what to do:

    SAE_CHECKS_KILL_LOG    a file to which a JSON list is appended per event, each at once
    SAE_CHECKS_KILL_ROOT   a folder: only writes below it are counted
    SAE_CHECKS_KILL_AT     the number of the write, from 1, in which the process kills itself
    SAE_CHECKS_KILL_PART   so many tokens make a part, so that a short run has many
    SAE_CHECKS_KILL_WAIT   after its first part, the run waits until there is a file of that name

Events are ["phase", text]; ["begin", data set, interventions, units] and ["end"] of a part;
["measured", units] after each intervention of a batch; ["write", what, file name].
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

_LOG = os.environ["SAE_CHECKS_KILL_LOG"]
_ROOT = os.environ["SAE_CHECKS_KILL_ROOT"]
_AT = int(os.environ.get("SAE_CHECKS_KILL_AT", "0"))
_PART = int(os.environ.get("SAE_CHECKS_KILL_PART", "0"))
_WAIT = os.environ.get("SAE_CHECKS_KILL_WAIT", "")
_judging = False


def note(*event: object) -> None:
    """Append an event to the log, whole, before anything else happens."""
    log = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, (json.dumps(event) + "\n").encode())
    os.close(log)


class Writes:
    """Calls that change files below a folder, counted; in one of them the process kills itself."""

    def __init__(self) -> None:
        self.made = 0

    def counted(
        self, call: Callable[..., Any], half: Callable[..., None], path_at: int = 0
    ) -> Callable[..., Any]:
        """The call, which may be the one that is cut off when half of it is done."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            path = str(args[path_at])
            if not path.startswith(_ROOT) or path.endswith(".lock"):
                return call(*args, **kwargs)
            self.made += 1
            note("write", call.__name__, os.path.basename(path))
            if self.made == _AT:
                half(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapped


def nothing(*args: object) -> None:
    """Of a renaming there is no half."""


def half_a_table(rows: object, path: Path, *rest: object) -> None:
    Path(path).write_bytes(b"PAR1 half")


def half_a_text(path: Path, text: str, *rest: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text[: len(text) // 2])


def pytest_configure() -> None:
    _watch_writes()
    _watch_phases()


def pytest_collection_finish() -> None:
    """Only now, as a run imports what measures when it is about to."""
    from sae_checks.measure import dataset, growth

    if _PART:
        dataset.PART_TOKENS = _PART
    _watch_parts(growth)


def pytest_runtest_logstart() -> None:
    """All is measured."""
    global _judging
    if not _judging:
        _judging = True
        note("phase", "judging")


def _watch_writes() -> None:
    import pyarrow.parquet

    writes = Writes()
    for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
        setattr(os, name, writes.counted(getattr(os, name), nothing))
    write_table = writes.counted(pyarrow.parquet.write_table, half_a_table, path_at=1)
    pyarrow.parquet.write_table = write_table
    Path.write_text = writes.counted(Path.write_text, half_a_text)  # type: ignore[method-assign]


def _watch_phases() -> None:
    from sae_checks.report.progress import ConsoleProgress

    shown = ConsoleProgress._begin

    def begin(self: ConsoleProgress, text: str, total: int | None) -> None:
        note("phase", text)
        shown(self, text, total)

    ConsoleProgress._begin = begin  # type: ignore[method-assign]


def _watch_parts(growth: Any) -> None:
    part, listen = growth.Growth._part, growth.listen

    def watched(self: Any, units: Any, group: Sequence[tuple[int, Any]]) -> None:
        name = self.wanted.ref.name
        note("begin", name, [intervention.name for _, intervention in group], units.tolist())
        part(self, units, group)
        note("end")
        while _WAIT and not os.path.exists(_WAIT):
            time.sleep(0.05)

    def listening(
        model: Any,
        saes: Any,
        batches: Iterable[Any],
        listeners: Any,
        progress: Callable[[int], None],
    ) -> None:
        def advance(units: int) -> None:
            note("measured", units)
            progress(units)

        listen(model, saes, batches, listeners, advance)

    growth.Growth._part, growth.listen = watched, listening

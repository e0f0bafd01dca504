"""Kills one run at one moment, starts it again, and says what became of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kills.log import Log
from tests.kills.runs import (
    TRIED,
    Folder,
    Timing,
    compare,
    killed_after,
    killed_within_write,
    left_over,
    timed,
)

# Of every so many kills at random times, one counts from the start of Python: most of that time
# passes before anything is measured.
FROM_THE_START = 4


@dataclass(frozen=True)
class Moment:
    """When a run is killed.

    Attributes:
        mode: of `MODES`.
        share: of a run's time, from its start or from its first phase.
        of_measuring: whether from its first phase.
        write: the number of the write within which; 0: at a time.
    """

    mode: str
    share: float = 0.0
    of_measuring: bool = False
    write: int = 0

    def __str__(self) -> str:
        if self.write:
            return f"within write {self.write}"
        begun = "the first phase" if self.of_measuring else "the start"
        return f"{self.share:.0%} of the time from {begun}"


@dataclass(frozen=True)
class Undisturbed:
    """The run of a mode that others are compared with."""

    folder: Folder
    log: Log
    timing: Timing

    @classmethod
    def of(cls, mode: str, root: Path) -> Undisturbed:
        """Run it, below a folder."""
        folder = Folder(root / f"undisturbed-{mode}", mode)
        return cls(folder, *timed(folder))


@dataclass(frozen=True)
class Outcome:
    """What became of a run that was killed, and started again.

    Attributes:
        killed: whether it was, or ended before.
        phase: what it was doing.
        stored: units in the store when it was killed, of all tables.
        measured: units measured by then.
        again: how many of them the second run measured again.
        most: how many it may: those of the part that was under way.
        differences: in sentences; empty where both runs are equal.
    """

    moment: Moment
    killed: bool
    phase: str
    stored: int
    measured: int
    again: int
    most: int
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is different, and no more than a part was measured again."""
        return not self.differences and 0 <= self.again <= self.most


def draw(
    mode: str, times: int, writes: int, undisturbed: Undisturbed, chance: random.Random
) -> list[Moment]:
    """Moments at random times, and within random writes, none of them twice."""
    drawn = [
        Moment(mode, chance.random(), of_measuring=number % FROM_THE_START > 0)
        for number in range(times)
    ]
    numbers = chance.sample(range(1, undisturbed.log.writes + 1), writes)
    return [*drawn, *(Moment(mode, write=number) for number in sorted(numbers))]


def try_moment(moment: Moment, undisturbed: Undisturbed, path: Path) -> Outcome:
    """Kill a run, start it again in the same folder, and compare it with the undisturbed one."""
    folder = Folder(path, moment.mode)
    if moment.write:
        killed = killed_within_write(folder, moment.write)
    else:
        timing = undisturbed.timing
        span = timing.whole - (timing.to_first_phase if moment.of_measuring else 0.0)
        killed = killed_after(folder, moment.share * span, of_measuring=moment.of_measuring)
    first, stored = Log.read(folder.log("killed")), folder.units_stored()
    second = folder.finish("again")
    outcome = Outcome(
        moment,
        killed,
        first.phase,
        stored,
        first.measured,
        again=first.measured + second.measured - undisturbed.log.measured,
        most=len(first.begun),
        differences=tuple(_differences(undisturbed.folder, folder, first, second)),
    )
    shutil.rmtree(path)
    return outcome


def _differences(one: Folder, other: Folder, first: Log, second: Log) -> Iterator[str]:
    for comparison in compare(one, other):
        if comparison.differences:
            yield f"{comparison.what}: {comparison.differences:,} of {comparison.compared:,}"
            yield from comparison.first
    yield from (f"only one store has {name}" for name in left_over(one, other))
    twice = set(first.kept) & {*second.kept, *second.begun}
    if twice:
        yield f"{len(twice)} units of whole parts were measured again"


def try_moments(
    times: int, writes: int, seed: int, root: Path, modes: Sequence[str] = TRIED
) -> Iterator[Outcome]:
    """So many kills at random times and within writes, shared out among the modes."""
    for number, mode in enumerate(modes):
        chance, undisturbed = random.Random(f"{seed} {mode}"), Undisturbed.of(mode, root)
        shares = [(each + number) // len(modes) for each in (times, writes)]
        moments = draw(mode, shares[0], shares[1], undisturbed, chance)
        for which, moment in enumerate(moments):
            yield try_moment(moment, undisturbed, root / f"{mode}-{which}")


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The rows of a Markdown table, with its head."""
    rows = [
        "| run | killed | while | units stored | measured | again (at most) | equal |",
        "| --- | --- | --- | ---: | ---: | ---: | --- |",
    ]
    for each in outcomes:
        moment = str(each.moment) if each.killed else f"{each.moment}: it had ended"
        rows.append(
            f"| {each.moment.mode} | {moment} | {each.phase} | {each.stored} | {each.measured} "
            f"| {each.again} ({each.most}) | {'no' if each.differences else 'yes'} |"
        )
    return rows

"""A few kills at random, as the command does many; and what a log of a killed run says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kills.log import Log
from tests.kills.moments import Moment, Outcome, Undisturbed, draw, table, try_moment
from tests.kills.runs import Folder, Timing

# The moments are the same each time, but where a run is then depends on the machine.
MOMENTS = [
    Moment("few", 0.45, of_measuring=True),
    Moment("few", 0.65, of_measuring=True),
    Moment("few", write=150),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed.of("few", tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_run_that_was_killed_and_started_again_is_the_undisturbed_one(
    tmp_path: Path, undisturbed: Undisturbed, moment: Moment
):
    outcome = try_moment(moment, undisturbed, tmp_path / "run")
    assert outcome.differences == ()
    assert 0 <= outcome.again <= outcome.most
    assert outcome.killed or not moment.write


def test_a_log_is_summed_up(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '["phase", "loading model"]\n'
        '["begin", "texts", ["a", "b"], [0, 1]]\n["measured", 2]\n["measured", 2]\n["end"]\n'
        '["begin", "texts", ["a"], [2, 3]]\n["measured", 2]\n["write", "mkdir", "part.tmp"]\n',
        encoding="utf-8",
    )
    log = Log.read(path)
    assert log.kept == [("texts", "a", 0), ("texts", "a", 1), ("texts", "b", 0), ("texts", "b", 1)]
    assert log.begun == [("texts", "a", 2), ("texts", "a", 3)]
    assert (log.measured, log.writes) == (6, 1)
    assert log.phase == "measuring 2 units of texts, in mkdir of part.tmp"
    assert Log.read(tmp_path / "none").phase == "starting"


def test_moments_are_drawn_within_writes_and_at_times(tmp_path: Path):
    of = Undisturbed(Folder(tmp_path, "fixed"), Log(writes=5), Timing(1.0, 2.0))
    moments = draw("fixed", 8, 5, of, random.Random(0))
    assert [each.write for each in moments] == [0] * 8 + [1, 2, 3, 4, 5]
    assert sum(each.of_measuring for each in moments) == 6
    assert moments == draw("fixed", 8, 5, of, random.Random(0))


@pytest.mark.parametrize(
    ("differences", "again", "holds"),
    [((), 0, True), ((), 40, True), ((), 41, False), ((), -1, False), (("a",), 0, False)],
)
def test_what_holds(differences: tuple[str, ...], again: int, holds: bool):
    moment = Moment("fixed", write=7)
    outcome = Outcome(moment, True, "judging", 120, 136, again, 40, differences)
    assert outcome.holds is holds
    assert table([outcome])[-1] == (
        f"| fixed | within write 7 | judging | 120 | 136 | {again} (40) "
        f"| {'no' if differences else 'yes'} |"
    )

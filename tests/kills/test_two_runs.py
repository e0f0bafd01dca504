"""Two runs on one store at once: neither waits for the other, and both end as one alone does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.kills.log import Log
from tests.kills.runs import Folder, compare, left_over


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("alone"), "few")
    folder.finish("alone")
    return folder


def on_one_store(root: Path) -> tuple[Folder, Folder]:
    """Two folders, of which the second one's store is the first one's."""
    one, other = Folder(root / "one", "few"), Folder(root / "other", "few")
    for folder in (one, other):
        folder.path.mkdir()
    one.store.mkdir()
    other.store.symlink_to(one.store)
    return one, other


def assert_same(alone: Folder, *folders: Folder) -> None:
    for folder in folders:
        differing = [each for each in compare(alone, folder) if each.differences]
        assert differing == []
    assert left_over(alone, folders[0]) == []


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.timeout(240)
def test_two_runs_that_are_started_together(tmp_path: Path, alone: Folder):
    folders = on_one_store(tmp_path)
    processes = [folder.start("run") for folder in folders]
    assert [process.wait() for process in processes] == [0, 0]
    assert_same(alone, *folders)


@pytest.mark.exhaustive  # in minutes, not seconds
@pytest.mark.timeout(240)
def test_a_run_ends_while_another_one_is_half_through(tmp_path: Path, alone: Folder):
    """The first one stands still after its first part, and the second one goes on from there."""
    (one, other), go_on = on_one_store(tmp_path), tmp_path / "go-on"
    first = one.start("run", wait_for=go_on)
    while not (begun := Log.read(one.log("run"))).kept:
        assert first.poll() is None
        time.sleep(0.05)
    ended = other.finish("run")
    assert first.poll() is None
    assert ended.measured == Log.read(alone.log("alone")).measured - begun.measured
    go_on.touch()
    assert first.wait() == 0
    assert_same(alone, one, other)

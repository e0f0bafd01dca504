"""Several processes on one store at once: nobody waits for another's end, nothing is mixed up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from sae_checks.errors import StoreError
from sae_checks.store import MeasuredDataset
from sae_checks.store import store as store_module
from sae_checks.store.parts import read_groups
from tests.store.grown import (
    ITEM_REF,
    TEXT_REF,
    append,
    item_blocks,
    store_in,
    text_blocks,
    together,
)
from tests.store.round_trip import assert_same
from tests.stored import ON_TEXTS, read

SIZES = [2] * 12

MEASURE = """
import sys
from pathlib import Path
from tests.store.test_at_once import measure

measure(Path(sys.argv[1]), compacting=int(sys.argv[2]))
"""
LOOK = """
import sys
from pathlib import Path
from tests.store.test_at_once import look

look(Path(sys.argv[1]))
"""


def measure(root: Path, compacting: int) -> None:
    """What a run does, which makes one of every few blocks, and never finds anything damaged."""
    store, told = store_in(root), []
    for number, (texts, items) in enumerate(
        zip(text_blocks(SIZES), item_blocks(SIZES), strict=True)
    ):
        for ref, block in ((TEXT_REF, texts), (ITEM_REF, items)):
            append(store, ref, [block])
            if number % compacting == 0:
                store.compact(ref)
            found = store.find(ref, told.append)
            assert found is not None
            assert set(block[1].tolist()) <= set(found.units.tolist())
        store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})], {})
    store.write_manifest([MeasuredDataset(ITEM_REF.dataset, "tasks", {"items": 24})], {})
    for ref in (TEXT_REF, ITEM_REF):
        store.compact(ref)
    assert told == []


def look(root: Path) -> None:
    """What is stored while others write: it grows, and is never found damaged."""
    store, units = store_in(root), 0
    begun = time.monotonic()
    while units < sum(SIZES):
        assert time.monotonic() - begun < 120
        stored = store.read(TEXT_REF)
        found = 0 if stored is None else len(stored.units)
        assert found >= units
        units = found


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.timeout(240)
def test_two_runs_and_a_reader_at_once(tmp_path: Path):
    """Both measure the same, and write, compact and look for it as they like."""
    processes = [
        started(MEASURE, tmp_path, 1), started(MEASURE, tmp_path, 3), started(LOOK, tmp_path),
    ]  # fmt: skip
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    store = store_in(tmp_path)
    for ref, blocks in ((TEXT_REF, text_blocks(SIZES)), (ITEM_REF, item_blocks(SIZES))):
        names = {path.name for path in store.table_folder(ref).iterdir()}
        assert not any(name.startswith("part-") for name in names)
        stored = store.read(ref)
        assert stored is not None
        assert_same(stored.table, together(blocks))
    assert set(read(store.folder).tables) == {TEXT_REF.key, ITEM_REF.key}
    left = [path.name for path in store.folder.rglob("*") if path.name.startswith(".")]
    assert left in ([], [".lock"])


@pytest.mark.parametrize("found_first", ["nothing", "half a change"])
def test_what_another_process_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_first: str
):
    store, calls = store_in(tmp_path), []
    append(store, TEXT_REF, text_blocks()[:1])

    def groups(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > 1:
            return read_groups(*arguments)  # type: ignore[arg-type]
        append(store, TEXT_REF, text_blocks()[1:])
        if found_first == "nothing":
            return []
        raise StoreError("it is half of one and half of the other")

    monkeypatch.setattr(store_module, "read_groups", groups)
    stored = store.read(TEXT_REF)
    assert stored is not None
    assert_same(stored.table, together(text_blocks()))
    assert len(calls) == 2


def test_a_table_that_is_put_aside_while_it_is_read_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between the two renamings of a compaction: the same files, in another folder."""
    store, calls = store_in(tmp_path), []
    append(store, TEXT_REF, text_blocks())
    folder = store.table_folder(TEXT_REF)

    def groups(path: Path, *rest: object) -> object:
        calls.append(path)
        if len(calls) == 1:
            folder.rename(folder.with_name(f".before-{folder.name}"))
            raise StoreError(f"{path}/part-00000-tokens.parquet is missing; measure again")
        return read_groups(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(store_module, "read_groups", groups)
    stored = store.read(TEXT_REF)
    assert stored is not None
    assert_same(stored.table, together(text_blocks()))
    assert calls == [folder, folder.with_name(f".before-{folder.name}")]


def test_the_lock_is_held_only_while_something_is_written(tmp_path: Path):
    """So that no run waits for the end of another."""
    store = store_in(tmp_path)
    append(store, TEXT_REF, text_blocks()[:1])
    store.find(TEXT_REF, pytest.fail)
    with FileLock(store.folder / ".lock", timeout=0):
        assert store.read(TEXT_REF) is not None  # reading needs none
        process = started(
            "import sys\nfrom pathlib import Path\n"
            "from tests.store.test_at_once import *\n"
            "append(store_in(Path(sys.argv[1])), TEXT_REF, text_blocks()[1:])",
            tmp_path,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
    assert process.communicate()[1] == ""
    stored = store.find(TEXT_REF, pytest.fail)
    assert stored is not None
    assert_same(stored.table, together(text_blocks()))

"""A process that dies while it writes: at whatever moment, nothing that was stored is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sae_checks.records import Table
from sae_checks.store import MeasuredDataset, Store, parquet
from tests.exhaustive import case
from tests.store.grown import (
    ITEM_REF,
    TEXT_REF,
    Block,
    append,
    item_blocks,
    store_in,
    text_blocks,
    together,
)
from tests.store.round_trip import assert_same
from tests.stored import ON_TEXTS, read


def narrowed(blocks: list[Block], *names: str) -> list[Block]:
    """Of these columns alone, as every file that a death lies between is written and read often."""
    return [(replace(t, columns={n: t.columns[n] for n in names}), units) for t, units in blocks]


BLOCKS = narrowed(text_blocks(), "norm", "ce_clean", "ce_sae")
(LONGER,) = narrowed(text_blocks([12]), "norm", "ce_clean", "ce_sae")


class DeathError(BaseException):
    """No handler runs to its end after it: nothing is done to a file any more."""


class Mortal:
    """Calls that change files, of which the one of a number and all later ones die."""

    def __init__(self, last: int) -> None:
        self.left, self.dead = last, False

    def wrap(self, call: Callable[..., Any], half: Callable[..., None] | None = None):
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if str(args[0]).endswith(".lock"):  # whoever dies, the system unlocks
                return call(*args, **kwargs)
            if self.dead:
                raise DeathError
            self.left -= 1
            if self.left < 0:
                self.dead = True
                if half is not None:
                    half(*args)
                raise DeathError
            return call(*args, **kwargs)

        return wrapped


def half_a_file(rows: object, path: Path, *rest: object) -> None:
    path.write_bytes(b"PAR1 half")


def half_a_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text[: len(text) // 2])


@contextmanager
def dying_after(calls: int) -> Iterator[Mortal]:
    """For the length of it, the process may change files so often, and then dies."""
    mortal = Mortal(calls)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, mortal.wrap(getattr(os, name)))
        patch.setattr(parquet.pq, "write_table", mortal.wrap(parquet.pq.write_table, half_a_file))
        patch.setattr(Path, "write_text", mortal.wrap(Path.write_text, half_a_text))
        yield mortal


def listing(store: Store) -> list[str]:
    paths = store.folder.rglob("*")
    return sorted(str(path.relative_to(store.folder)) for path in paths if path.name != ".lock")


def nothing(store: Store) -> None:
    pass


def two_blocks(store: Store) -> None:
    append(store, TEXT_REF, BLOCKS[:2])


def compacted(store: Store) -> None:
    two_blocks(store)
    store.compact(TEXT_REF)


def compacted_and_more(store: Store) -> None:
    compacted(store)
    append(store, TEXT_REF, BLOCKS[2:])


def narrower_beside(store: Store) -> None:
    append(store, TEXT_REF, narrowed(BLOCKS, "ce_clean", "ce_sae"))
    append(store, TEXT_REF, BLOCKS[:2])


def next_block(store: Store) -> None:
    append(store, TEXT_REF, BLOCKS[2:])


def longer_block(store: Store) -> None:
    append(store, TEXT_REF, [LONGER])


def compact(store: Store) -> None:
    store.compact(TEXT_REF)


def write(store: Store) -> None:
    store.write(TEXT_REF, LONGER[0])


CASES = [
    (nothing, next_block),
    (two_blocks, next_block),
    (two_blocks, longer_block),
    (compacted, next_block),
    (compacted, longer_block),
    (narrower_beside, next_block),
    (two_blocks, compact),
    (compacted, compact),
    (compacted_and_more, compact),
    (narrower_beside, compact),
    (nothing, write),
    (two_blocks, write),
    (compacted, write),
]
# Of these `make test` runs so many that each state and each change is among them.
RUN = {
    (nothing, next_block),
    (two_blocks, longer_block),
    (compacted, next_block),
    (narrower_beside, next_block),
    (compacted_and_more, compact),
    (two_blocks, write),
}


def found(store: Store) -> Table | None:
    stored = store.find(TEXT_REF, pytest.fail)
    return None if stored is None else stored.table


def same(one: Table | None, other: Table | None) -> bool:
    if one is None or other is None:
        return one is other
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("state", "change"),
    [
        case(state, change, run=(state, change) in RUN, name=f"{state.__name__}-{change.__name__}")
        for state, change in CASES
    ],
)
def test_a_death_at_any_moment_loses_nothing(tmp_path: Path, state, change):
    prepared, undisturbed = store_in(tmp_path / "prepared"), store_in(tmp_path / "undisturbed")
    for store in (prepared, undisturbed):
        state(store)
    before = found(prepared)
    change(undisturbed)
    after = found(undisturbed)
    deaths = 0
    while True:
        root = tmp_path / f"death-{deaths}"
        if prepared.folder.exists():
            shutil.copytree(tmp_path / "prepared", root)
        store = store_in(root)
        with dying_after(deaths) as mortal:
            try:
                change(store)
            except DeathError:
                assert mortal.dead
        if not mortal.dead:
            break
        unmended = store.read(TEXT_REF)  # as it is judged by whoever writes nothing
        read_then = None if unmended is None else unmended.table
        assert same(read_then, before) or same(read_then, after)
        found_then = found(store)
        assert same(found_then, before) or same(found_then, after)
        change(store)  # the next run does what the dead one did
        assert same(found(store), after)
        store.compact(TEXT_REF)
        assert same(found(store), after)
        assert not [name for name in listing(store) if name.rpartition("/")[2].startswith(".")]
        deaths += 1
    assert deaths > 3 or (state, change) == (compacted, compact)
    assert listing(store) == listing(undisturbed)


def test_a_death_while_the_manifest_is_written(tmp_path: Path):
    items = MeasuredDataset(ITEM_REF.dataset, "tasks", {"items": 12})
    texts = MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})
    prepared = store_in(tmp_path / "prepared")
    append(prepared, TEXT_REF, BLOCKS)
    append(prepared, ITEM_REF, item_blocks())
    before = prepared.write_manifest([texts], {})
    for deaths in range(100):
        root = tmp_path / f"death-{deaths}"
        shutil.copytree(tmp_path / "prepared", root)
        store = store_in(root)
        with dying_after(deaths) as mortal:
            try:
                store.write_manifest([items], {})
            except DeathError:
                assert mortal.dead
        if not mortal.dead:
            break
        assert store.find_manifest(pytest.fail) == before
        assert set(read(store.folder).tables) == {TEXT_REF.key}
        store.write_manifest([items], {})
        assert set(read(store.folder).tables) == {TEXT_REF.key, ITEM_REF.key}
    assert deaths > 1  # the text of it, and the new one's taking the old one's place, at least
    assert_same(read(store.folder).tables[TEXT_REF.key], together(BLOCKS))

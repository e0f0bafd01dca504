"""Tables of several SAEs at once, of none, and of one that another is observed under."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_checks.errors import StoreError
from sae_checks.records import Intervention, Release, SaeRef, Table
from sae_checks.store import MeasuredDataset, Store
from tests.store.damages import HINT, swap
from tests.store.round_trip import assert_same
from tests.stored import KINDS, LOADING, ON_TEXTS, provenance, read, sae_ref, sae_table, table_ref

ONE, OTHER = sae_ref(0), sae_ref(1)
CASES = {
    "one": (Intervention((ONE,)), None),
    "both": (Intervention((ONE, OTHER)), None),
    "both the other way round": (Intervention((OTHER, ONE)), None),
    "none": (Intervention(()), None),
    "one under the other": (Intervention((ONE,)), OTHER),
    "one under none": (Intervention(()), ONE),
}


def of(intervention: Intervention, observed: SaeRef | None) -> Table:
    return replace(sae_table(0), intervention=intervention, observed=observed)


TABLES = {name: of(*case) for name, case in CASES.items()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path, Release("made-up", "folder", LOADING, (ONE, OTHER)), provenance())
    for table in TABLES.values():
        made.write(table_ref(table), table)
    made.write_manifest([MeasuredDataset(ON_TEXTS, "context", {})], {})
    return made


def test_each_has_a_folder_of_its_own(store: Store):
    assert len({store.table_folder(table_ref(table)) for table in TABLES.values()}) == len(TABLES)
    for table in TABLES.values():
        stored = store.read(table_ref(table))
        assert stored is not None
        assert_same(stored.table, table)


def test_all_are_read_from_the_folder_alone(store: Store):
    measurement = read(store.folder)
    assert set(measurement.tables) == {table.key for table in TABLES.values()}
    for table in TABLES.values():
        assert_same(measurement.tables[table.key], table)
    assert measurement.failures == {}


def test_those_of_other_weights_are_left_from_before(store: Store, tmp_path: Path):
    changed = replace(OTHER, weights_key="changed")
    later = Store(tmp_path, Release("made-up", "folder", LOADING, (ONE, changed)), provenance())
    later.write_manifest([], {})
    measurement = read(store.folder)
    left = ("one", "none", "one under none")
    assert set(measurement.tables) == {TABLES[name].key for name in left}
    assert set(measurement.failures) == {OTHER.sae_id}


def test_an_sae_that_was_measured_beside_others_alone_has_not_failed(tmp_path: Path):
    store = Store(tmp_path, Release("made-up", "folder", LOADING, (ONE, OTHER)), provenance())
    store.write(table_ref(TABLES["both"]), TABLES["both"])
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {})], {})
    assert read(store.folder).failures == {}


def test_folders_that_were_swapped_are_refused(store: Store):
    refs = [table_ref(TABLES[name]) for name in ("both", "none")]
    paths = [store.table_folder(ref) for ref in refs]
    swap(*paths)
    with pytest.raises(StoreError) as caught:
        read(store.folder)
    one, other = sorted(paths)
    held = {paths[0]: "''", paths[1]: f"'{ONE.sae_id}+{OTHER.sae_id}'"}[one]
    assert str(caught.value) == f"{one} holds another table (of {held}){HINT}"
    told: list[str] = []
    assert [store.find(ref, told.append) for ref in refs] == [None, None]
    assert len(told) == 2
    assert set(read(store.folder).tables) == {
        table.key for name, table in TABLES.items() if name not in ("both", "none")
    }
    assert other.parent == one.parent


def test_an_evaluation_that_is_not_known_is_refused(store: Store):
    store.write_manifest([MeasuredDataset(ON_TEXTS, "probing", {})], {})
    with pytest.raises(StoreError) as caught:
        read(store.folder)
    assert str(caught.value) == (
        f"{store.folder} holds tables of the evaluation 'probing', which this version of "
        f"sae-checks does not have (it has {', '.join(sorted(KINDS))}); measure again"
    )


def test_long_names_are_cut(tmp_path: Path):
    saes = tuple(replace(sae_ref(n), sae_id=f"{n}" + 300 * "x") for n in range(3))
    store = Store(tmp_path, Release("made-up", "folder", LOADING, saes), provenance())
    tables = [of(Intervention(saes), saes[0]), of(Intervention(saes), None)]
    tables += [of(Intervention(saes[:1]), None), of(Intervention(()), saes[0])]
    for table in tables:
        store.append(table_ref(table), table, np.arange(table.rows))
        store.compact(table_ref(table))
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {})], {})
    found = read(store.folder).tables
    assert set(found) == {table.key for table in tables}
    for table in tables:
        assert_same(found[table.key], table)

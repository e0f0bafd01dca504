"""Measurements on disk, found again by what determined them.

    <store>/measurements/<release>-<key>/manifest.json          one run's setting
                                        /context/texts/<sae>-<weights>/table.json, ...
                                        /tasks/<task>-<key>/<sae>-<weights>/table.json, ...

The key covers everything but the SAEs and the data sets (`files`). A table is written block by
block, as it is measured (`parts`), and once it is finished as one. Several processes may do so at
once: each locks the measurement while it writes, and no longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from filelock import FileLock

from sae_checks.errors import StoreError
from sae_checks.records import DatasetRef, IntArray, Manifest, Release, Table, TableRef
from sae_checks.records.provenance import Provenance
from sae_checks.records.words import TokenWords
from sae_checks.store.files import MANIFEST, slug, table_folder, whole_or_set_aside
from sae_checks.store.parts import StoredTable, read_groups, widest
from sae_checks.store.recorded import (
    MeasuredDataset,
    merged_datasets,
    merged_saes,
    read_manifest,
    same_record,
    write_manifest,
)
from sae_checks.store.swap import recover, standing
from sae_checks.store.words import has_words, write_words
from sae_checks.store.writing import TableFolder

Tell = Callable[[str], None]
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Store:
    """The measurements of one release in one setting.

    Args:
        root: the store's folder (`--sae-store`).
        release: the release; its name is part of the folder's name, its SAEs' weights of theirs.
        provenance: everything else that determines the numbers.
    """

    def __init__(self, root: Path, release: Release, provenance: Provenance) -> None:
        self.release, self.provenance = release, provenance
        name = slug(release.name)
        if release.location:  # two folders may have the same name
            name += "-" + hashlib.sha256(release.location.encode()).hexdigest()[:6]
        self._provenance_key = provenance.key
        self.folder = root / "measurements" / f"{name}-{self._provenance_key}"

    def find(
        self, ref: TableRef, tell: Tell, needs: frozenset[str] = frozenset()
    ) -> StoredTable | None:
        """What is stored of a table, or None; what is damaged is set aside, and `tell` told so.

        Args:
            ref: which table.
            tell: is given one sentence.
            needs: columns and side tables. Where tables of more and of fewer of them are stored
                beside each other, that is found which has all of these, else the one of the most.
        """
        with suppress(StoreError):  # nothing is locked to read, and the store may be read-only
            return self.read(ref, needs)
        with self._writing():
            folder = self.table_folder(ref)
            recover(folder)
            return whole_or_set_aside(lambda: self.read(ref, needs), folder, tell)

    def read(self, ref: TableRef, needs: frozenset[str] = frozenset()) -> StoredTable | None:
        """What is stored of a table, or None: some of its units, if no more were measured.

        Raises:
            StoreError: it is damaged, another's, or of another format.
        """
        return read_table(self.table_folder(ref), ref, self._provenance_key, needs)

    def append(
        self,
        ref: TableRef,
        block: Table,
        units: IntArray,
        description: Mapping[str, object] = _NOTHING,
    ) -> None:
        """Store a block of a table at once, all or nothing, beside those that are there.

        Nothing is written where another process has stored the block's units meanwhile.

        Args:
            ref: which table.
            block: what was measured; its `complete` says whether these are the last units.
            units: (rows,) the numbers of its units, rising.
            description: what the data set's units are, for a manifest that has to be made anew.

        Raises:
            StoreError: what is there is damaged, or the folder cannot be written into.
        """
        with self._writing_table(ref) as table:
            table.append(block, units, description)

    def write(
        self,
        ref: TableRef,
        table: Table,
        units: IntArray | None = None,
        description: Mapping[str, object] = _NOTHING,
    ) -> None:
        """Store a table, all or nothing, in the place of all that was there of it.

        Args:
            ref: which table.
            table: what was measured.
            units: (rows,) the numbers of its units, rising; None: 0, 1, 2, ...
            description: what the data set's units are, for a manifest that has to be made anew.
        """
        numbers = np.arange(table.rows) if units is None else units
        with self._writing_table(ref) as folder:
            folder.write(table, numbers, description)

    def compact(self, ref: TableRef) -> None:
        """Store all blocks of a table as one, all or nothing.

        Raises:
            StoreError: what is there is damaged, or the folder cannot be written into.
        """
        with self._writing_table(ref) as table:
            table.compact()

    def has_words(self, dataset: DatasetRef, fingerprint: str) -> bool:
        """Whether the words of a data set's tokens are kept, undamaged."""
        return has_words(self.folder, dataset, fingerprint)

    def write_words(self, dataset: DatasetRef, fingerprint: str, words: TokenWords) -> None:
        """Keep the words of a data set's tokens.

        Raises:
            StoreError: the folder cannot be written into.
        """
        with self._writing():
            write_words(self.folder, dataset, fingerprint, words)

    def table_folder(self, ref: TableRef) -> Path:
        """Where a table lies."""
        return self.folder / table_folder(ref)

    def find_manifest(self, tell: Tell) -> Manifest | None:
        """What was recorded, or None; a damaged manifest is set aside, and told."""
        with suppress(StoreError):
            return self.read_manifest()
        with self._writing():
            return whole_or_set_aside(self.read_manifest, self.folder / MANIFEST, tell)

    def read_manifest(self) -> Manifest | None:
        """What was recorded, or None before anything was.

        Raises:
            StoreError: the manifest is damaged, of another format, or another setting's.
        """
        return read_manifest(self.folder, self._provenance_key)

    def write_manifest(
        self,
        datasets: Sequence[MeasuredDataset],
        failures: Mapping[str, str],
        *,
        adaptive: bool = False,
    ) -> Manifest:
        """Record the setting, for each SAE its folder or why it has none, and the data sets.

        Nothing is written where all of that is recorded already.

        Args:
            datasets: of this run; one of the same name and evaluation recorded earlier gives way.
            failures: why SAEs could not be measured in this run, by SAE id.
            adaptive: whether measuring stopped where verdicts were clear, so that intervals have
                to hold whenever that was.
        """

        def merged(recorded: Manifest) -> Manifest:
            return replace(
                recorded,
                provenance_key=self._provenance_key,
                release=self.release.name,
                source=self.release.source,
                release_saes=self.release.size,
                context=self.provenance.context,
                adaptive=adaptive,
                provenance=self.provenance.as_dict(),
                saes=merged_saes(self.folder, recorded.saes, self.release, failures),
                datasets=merged_datasets(self.folder, recorded.datasets, datasets),
            )

        with suppress(StoreError):
            recorded = self.read_manifest()
            if recorded is not None and same_record(merged(recorded), recorded):
                return recorded
        with self._writing():
            return write_manifest(self.folder, merged(self.read_manifest() or Manifest()))

    @contextmanager
    def _writing_table(self, ref: TableRef) -> Iterator[TableFolder]:
        with self._writing():
            folder = self.table_folder(ref)
            recover(folder)
            yield TableFolder(folder, ref, self._provenance_key)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process at a time writes into this folder, for as long as that takes.

        Raises:
            StoreError: the folder or the lock in it cannot be made.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        except OSError as error:  # the disk is full, say; whole blocks stay
            raise self._unwritable(error) from error
        finally:
            lock.release()

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.folder} cannot be measured into ({error}); remove what is in the way, make "
            "room, or name another folder with --sae-store"
        )


def read_table(
    folder: Path, ref: TableRef, provenance_key: str, needs: frozenset[str] = frozenset()
) -> StoredTable | None:
    """What a folder holds of a table, or None.

    Nothing is locked, as nothing is written: what another process changes meanwhile is read again.

    Raises:
        StoreError: it is damaged, another's, or of another format.
    """
    failed_with: object = None
    while True:
        seen = _listing(folder)
        try:
            groups = read_groups(standing(folder), ref, provenance_key)
            found = widest(groups, needs).read() if groups else None
        except (StoreError, OSError):
            if failed_with == seen == _listing(folder):
                raise
            failed_with = seen
            continue
        if found is not None or seen == _listing(folder):
            return found


def _listing(folder: Path) -> tuple[object, ...]:
    """Which folder is to be read, and what lies in it, by name and time."""
    path = standing(folder)
    try:
        files = sorted((each.name, each.stat().st_mtime_ns) for each in path.iterdir())
        return path, path.stat().st_ino, *files
    except OSError:
        return (path,)

"""What can become of a stored measurement: files mixed up, cut, lost, and what is said of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from tests.stored import read, sae_ref

HINT = "; restore it, or measure again"
SAE_0, SAE_1 = (sae_ref(layer).sae_id for layer in range(2))


def texts_of(folder: Path, layer: int) -> Path:
    (found,) = folder.glob(f"context/texts/blocks.{layer}.*")
    return found


def task_of(folder: Path, layer: int) -> Path:
    (found,) = folder.glob(f"tasks/*/blocks.{layer}.*")
    return found


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def keep_rows(path: Path, share: float) -> None:
    """Only the first rows of a Parquet file."""
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.slice(0, int(len(rows) * share)), path)


def swapped_folders(of: Callable[[Path, int], Path]) -> Callable[[Path], None]:
    return lambda folder: swap(of(folder, 0), of(folder, 1))


def swapped_files(of: Callable[[Path, int], Path], name: str) -> Callable[[Path], None]:
    return lambda folder: swap(of(folder, 0) / name, of(folder, 1) / name)


def without_l0(folder: Path) -> None:
    path = texts_of(folder, 0) / "tokens.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["l0"]), path)


CHANGED = "was changed after it was written (its checksum is another)"
OTHER_SAE = f"describes another table (sae.sae_id is '{SAE_1}', not '{SAE_0}')"
DAMAGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    # What is done; the file that is named for it; what is said of it.
    "folders": (swapped_folders(texts_of), "table.json", OTHER_SAE),
    "folders of a task": (swapped_folders(task_of), "table.json", OTHER_SAE),
    "tokens": (swapped_files(texts_of, "tokens.parquet"), "tokens.parquet", ""),
    "position sums": (
        swapped_files(texts_of, "position_sums.parquet"),
        "position_sums.parquet",
        "",
    ),
    "items": (swapped_files(task_of, "items.parquet"), "items.parquet", ""),
    "features": (swapped_files(task_of, "features.parquet"), "features.parquet", ""),
    "losses": (swapped_files(task_of, "losses.parquet"), "losses.parquet", ""),
    "half the items": (
        lambda folder: keep_rows(task_of(folder, 0) / "items.parquet", 0.5),
        "items.parquet",
        "",
    ),
    "half the tokens": (
        lambda folder: keep_rows(texts_of(folder, 0) / "tokens.parquet", 0.5),
        "tokens.parquet",
        "",
    ),
    "no tokens": (
        lambda folder: keep_rows(texts_of(folder, 0) / "tokens.parquet", 0),
        "tokens.parquet",
        "",
    ),
    "no l0": (without_l0, "tokens.parquet", ""),
    "no position sums": (
        lambda folder: (texts_of(folder, 0) / "position_sums.parquet").unlink(),
        "position_sums.parquet",
        "is missing (table.json names it)",
    ),
    "no ablations": (
        lambda folder: (task_of(folder, 0) / "ablations.parquet").unlink(),
        "ablations.parquet",
        "is missing (table.json names it)",
    ),
    "a folder instead of a file": (
        lambda folder: as_folder(texts_of(folder, 0) / "tokens.parquet"),
        "tokens.parquet",
        "cannot be read ([Errno 21] Is a directory: ",
    ),
    "one file more": (
        lambda folder: shutil.copy(
            texts_of(folder, 0) / "tokens.parquet", texts_of(folder, 0) / "more.parquet"
        ),
        "more.parquet",
        "is no file of this table (table.json does not name it)",
    ),
}


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


NO_FORMAT = "has no format, where this version of sae-checks reads format 3; measure again"


def refusal(folder: Path) -> str:
    """What is said of a measurement that cannot be read."""
    with pytest.raises(StoreError) as caught:
        read(folder)
    return str(caught.value)

"""Whether stored files are as they were written, and whose they are; for texts and tasks alike.

Every JSON file of the store says its format, and carries a checksum of its own content. That of a
table also says whose the table is, and of each Parquet file beside it the SHA-256, the size in
bytes, and the number of rows:

    {"format": 3, "setting": "...", "sae": {...}, "files": {"tokens.parquet": {...}}, ...,
     "checksum": "..."}

Nothing here keeps anybody from forging a table; it tells what was damaged, mixed up or edited.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sae_checks.errors import StoreError
from sae_checks.store.parquet import count_rows, readable, rows_and_names

# Raised whenever files change in a way that older tables cannot be read by; since 2, tables say
# whose they are; since 3, they lie below their evaluation and data set, in parts while they grow.
FORMAT = 3
_CHECKSUM = "checksum"


def damaged(path: Path, what: str) -> StoreError:
    """That a stored file is not as it should be, as one sentence.

    Args:
        path: the file or folder.
        what: what is wrong with it, as the rest of a sentence that its name begins.
    """
    return StoreError(f"{path} {what}; restore it, or measure again")


def write_sealed(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file with its format and checksum, all or nothing."""
    plain = as_json({"format": FORMAT, **content})
    sealed = {**plain, _CHECKSUM: _checksum(plain)}
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(sealed, indent=2) + "\n", encoding="utf-8")
    scratch.replace(path)


def read_sealed(path: Path) -> dict[str, Any]:
    """What was written to a JSON file, without its format and checksum.

    Raises:
        StoreError: it cannot be read, is of another format, or was changed since.
    """
    return unsealed(path, read_json(path))


def read_json(path: Path) -> Any:
    """What a JSON file holds, of whatever shape; StoreError if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, f"cannot be read ({error})") from error


def unsealed(path: Path, content: Any) -> dict[str, Any]:
    """The content of a JSON file without its format and checksum, both of which are looked at.

    Raises:
        StoreError: it is no object, is of another format, or was changed after it was written.
    """
    plain = of_this_format(path, content)
    if content.get(_CHECKSUM) != _checksum({"format": FORMAT, **plain}):
        raise damaged(path, "was changed after it was written (its checksum is another)")
    return plain


def of_this_format(path: Path, content: Any) -> dict[str, Any]:
    """The content of a JSON file without its format, which is looked at, and its checksum.

    Raises:
        StoreError: it is no object, or is of another format.
    """
    if not isinstance(content, dict):
        raise damaged(path, f"holds no JSON object but {json.dumps(content)[:40]}")
    said = content.get("format")
    if said != FORMAT or isinstance(said, bool):
        of = "has no format" if "format" not in content else f"is of format {said!r}"
        raise StoreError(
            f"{path} {of}, where this version of sae-checks reads format {FORMAT}; measure again"
        )
    return {key: value for key, value in content.items() if key not in ("format", _CHECKSUM)}


def record_files(paths: Iterable[Path]) -> dict[str, dict[str, object]]:
    """Of each Parquet file its SHA-256, size in bytes, and number of rows."""
    return {
        path.name: {
            "sha256": _sha256(path),
            "bytes": path.stat().st_size,
            "rows": count_rows(path),
        }
        for path in paths
    }


def verify_owner(path: Path, described: Mapping[str, Any], owner: Mapping[str, Any]) -> None:
    """Refuse a table that is another's.

    Args:
        path: the JSON file that describes it.
        described: what that file says.
        owner: whose the table should be; as much of it as matters stands in `described` too.

    Raises:
        StoreError: the first thing that is otherwise.
    """
    if (difference := _difference(described, as_json(owner))) is not None:
        raise damaged(path, f"describes another table ({difference})")


def verify_files(
    path: Path, files: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> None:
    """Refuse files that are not those that were written.

    Args:
        path: the JSON file beside them.
        files: what it says of them, as `record_files` gives it.
        names: column -> the only name that may stand in it.

    Raises:
        StoreError: the first thing that is wrong.
    """
    for name, record in files.items():
        _verify_file(path.parent / name, record, path.name)
        with readable(path.parent):
            _verify_rows(path.parent / name, record, path.name, names)


def _verify_file(path: Path, record: Mapping[str, Any], description: str) -> None:
    try:
        size, digest = path.stat().st_size, _sha256(path)
    except FileNotFoundError as error:
        raise damaged(path, f"is missing ({description} names it)") from error
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise damaged(path, f"cannot be read ({error})") from error
    if size != record["bytes"]:
        raise damaged(
            path, f"has {size:,} bytes, where {description} says {record['bytes']:,} were written"
        )
    if digest != record["sha256"]:
        raise damaged(
            path, f"was changed after it was written (its SHA-256 is not that of {description})"
        )


def _verify_rows(
    path: Path, record: Mapping[str, Any], description: str, names: Mapping[str, str]
) -> None:
    rows, named = rows_and_names(path, names)
    if rows != record["rows"]:
        raise damaged(path, f"has {rows:,} rows, where {description} says {record['rows']:,}")
    for column, found in named.items():
        others = found - {names[column]}
        if others:
            raise damaged(path, f"is of {column} {min(others)!r}, not of {names[column]!r}")


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first thing that is said otherwise than it should be, or None; inner objects too."""
    for key, value in wanted.items():
        said = found.get(key)
        if isinstance(value, dict) and isinstance(said, dict):
            inner = _difference(said, value)
            if inner is not None:
                return f"{key}.{inner}"
        elif said != value:
            return f"{key} is {_short(said)}, not {_short(value)}"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same content as a JSON file gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain


def _checksum(plain: Mapping[str, Any]) -> str:
    """SHA-256 of content in a fixed order of keys, however the file sets it out."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

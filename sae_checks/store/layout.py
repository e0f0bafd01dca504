"""Whether the JSON beside a table's files has what is read of it, of the types that it has to be.

Its checksum tells what was damaged; this tells what was written by something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sae_checks.store.integrity import damaged

# Texts or items, and positions of all of them: what no budget reaches.
MOST_UNITS, MOST_CELLS = 10**8, 2**31
_TYPES: dict[str, type] = {
    "units": list,
    "columns": list,
    "labels": dict,
    "derived": list,
    "side": dict,
    "complete": bool,
    "part": bool,
    "before": list,
    "replaces": list,
    "files": dict,
    "description": dict,
}
_SIDE: dict[str, type] = {"arrays": dict, "derived": list, "numbers": dict}
_FILE: dict[str, type] = {"sha256": str, "bytes": int, "rows": int}
_KINDS = ("bool", "str")  # of labels and arrays, beside numbers of some bits
_NUMBERS = ("int", "uint", "float")


def refuse_malformed(path: Path, described: Mapping[str, Any]) -> None:
    """Refuse what does not describe a table.

    Args:
        path: the JSON file.
        described: what it holds.

    Raises:
        StoreError: names the first thing that is otherwise.
    """
    _refuse_other(path, described, _TYPES)
    positions = described.get("positions", "")
    if positions is not None and not _is_count(positions):
        raise damaged(path, f"says positions = {positions!r:.40}")
    _refuse_units(path, described["units"], positions or 1)
    for name in ("columns", "derived", "before", "replaces"):
        _refuse_names(path, name, described[name])
    _refuse_kinds(path, "labels", described["labels"])
    for name, side in described["side"].items():
        _refuse_other(path, _object(path, name, side), _SIDE)
        _refuse_kinds(path, name, side["arrays"])
        _refuse_names(path, name, side["derived"])
    for name, record in described["files"].items():
        _refuse_other(path, _object(path, name, record), _FILE)


def _refuse_other(path: Path, content: Mapping[str, Any], types: Mapping[str, type]) -> None:
    for name, kind in types.items():
        value = content.get(name)
        if not isinstance(value, kind) or (kind is int and not _is_count(value, least=0)):
            raise damaged(path, f"says {name} = {value!r:.40}")


def _refuse_units(path: Path, units: list[Any], positions: int) -> None:
    """Ranges first .. end - 1 that rise, and no more of them than are ever measured."""
    before = 0
    for each in units:
        pair = isinstance(each, list) and len(each) == 2
        if not pair or not all(_is_count(end, least=0) for end in each):
            raise damaged(path, f"says units = {each!r:.40}")
        if not before <= each[0] < each[1] <= MOST_UNITS:
            raise damaged(path, f"says units = {each!r:.40}")
        before = each[1]
    if before * positions > MOST_CELLS:
        raise damaged(path, f"says {before:,} units of {positions:,} positions")


def _refuse_names(path: Path, name: str, names: list[Any]) -> None:
    if not all(isinstance(each, str) for each in names) or len(set(names)) < len(names):
        raise damaged(path, f"says {name} = {names!r:.40}")


def _refuse_kinds(path: Path, name: str, kinds: Mapping[str, Any]) -> None:
    for kind in kinds.values():
        known = isinstance(kind, str) and (
            kind in _KINDS or (kind.rstrip("0123456789") in _NUMBERS and kind[-2:].isdigit())
        )
        if not known:
            raise damaged(path, f"says that {name} are {kind!r:.40}")


def _object(path: Path, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise damaged(path, f"says {name} = {value!r:.40}")
    return value


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63

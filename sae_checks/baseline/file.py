"""A baseline as a text file that lives in a repository: one line per cell, so that diffs read well.

    {
     "format": 3,
     "checksum": "sha256:...",
     "release": "gpt2-small-res-jb",
     "written": "2026-12-31",
     "setting": {...},
     "saes": [...],
     "checks": [
      ["delta_ce", 1, {}, ["sae", "positions"]],
      ...
     ],
     "cells": [
      ["delta_ce", ["blocks.3.hook_resid_pre", "128:159"], 0.1234, 97, 3104, 97, "text"],
      ...
     ],
     "influences": [
      [-21, "cQEvAA..."],
      ...
    ]}

A check has its definition's version, its parameters and the selectors that name its cells. A cell
has its check, the values of these selectors, its value, how many texts (or items), tokens and
independent units it rests on, what `texts` counts, and after that an object of what few cells have:
"reason" of a value that is null, "parameters" and "selectors" that are not those of its check,
"grouped" where influences are of groups, "seen" where parts are compared one by one: in base64, of
each the units that it was seen on as a little-endian whole number of 16 bits. The n-th influences
are the n-th cell's: an exponent of 2, and in base64 little-endian whole numbers of 16 bits, which
are to be multiplied by 2^exponent. The checksum is over all else, whatever white space lies
between.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from sae_checks.baseline.identity import Baseline, BaselineSae
from sae_checks.baseline.paired import CellValue, Influences, Terms
from sae_checks.errors import BaselineError
from sae_checks.evals.registry import selectors
from sae_checks.records import GROUPS, IntArray
from sae_checks.records.place import CellKey

T = TypeVar("T")

FORMAT = 3
_LARGEST_EXPONENT = 1_000  # beyond it, influences are not finite, or 0
_HINT = "restore it, or write it anew with --sae-baseline-update"


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, all or nothing, with everything in a fixed order."""
    content = _as_json(baseline)
    lines = {name: f"{json.dumps(name)}: {_lines(value)}" for name, value in content.items()}
    lines["checksum"] = f'"checksum": {json.dumps(checksum_of(content))}'
    first = [lines.pop(name) for name in ("format", "checksum")]
    text = "{\n " + ",\n ".join([*first, *lines.values()]) + "\n}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BaselineError: there is no such file, it is of another format, it was changed after it was
            written, or what it holds cannot be compared with.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise BaselineError(
                f"the baseline {path} is of format {content['format']}, this is format {FORMAT}; "
                "write it anew with --sae-baseline-update"
            )
        if content["checksum"] != checksum_of(content):
            raise BaselineError(
                f"the baseline {path} was changed after it was written: its checksum is not that "
                f"of what it holds; {_HINT}"
            )
        baseline = _from_json(content)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,  # of a number of 400 digits
        RecursionError,  # of what is nested too deeply
    ) as error:
        raise BaselineError(
            f"the baseline {path} cannot be read ({type(error).__name__}: {error}); {_HINT}"
        ) from error
    _refuse_broken(path, baseline)
    return baseline


def checksum_of(content: Mapping[str, object]) -> str:
    """Of a file's content as JSON, but for the checksum itself."""
    rest = {name: value for name, value in content.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _as_json(baseline: Baseline) -> dict[str, Any]:
    cells = sorted(baseline.cells.items())
    checks, named_by = _usual_terms(baseline.cells), _usual_selectors(baseline.cells)
    return {
        "format": FORMAT,
        "release": baseline.release,
        "written": baseline.written,
        "setting": dict(sorted(baseline.pairing_terms.items())),
        "saes": [[sae.sae_id, sae.hook_point, sae.weights_key] for sae in baseline.saes],
        "checks": [
            [name, of.definition, dict(of.parameters), list(named_by[name])]
            for name, of in checks.items()
        ],
        "cells": [_row(key, cell, checks[key.check], named_by[key.check]) for key, cell in cells],
        "influences": [_packed(cell.influences) for _, cell in cells],
    }


def _usual_terms(cells: Mapping[CellKey, CellValue]) -> dict[str, Terms]:
    """The terms of most cells of each check; the definition is that of all of them."""
    by_check: dict[str, Counter[Terms]] = {}
    for key, cell in sorted(cells.items(), key=lambda pair: pair[0]):
        by_check.setdefault(key.check, Counter())[cell.terms] += 1
    return {name: terms.most_common(1)[0][0] for name, terms in by_check.items()}


def _usual_selectors(cells: Iterable[CellKey]) -> dict[str, tuple[str, ...]]:
    """The selectors that name most cells of each check; cells of one kind have the same ones."""
    by_check: dict[str, Counter[tuple[str, ...]]] = {}
    for key in sorted(cells):
        by_check.setdefault(key.check, Counter())[_selectors_of(key)] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in by_check.items()}


def _selectors_of(key: CellKey) -> tuple[str, ...]:
    return tuple(name for name, _ in key.place)


def _row(key: CellKey, cell: CellValue, usual: Terms, named_by: tuple[str, ...]) -> list[object]:
    more: dict[str, object] = {}
    if _selectors_of(key) != named_by:
        more["selectors"] = list(_selectors_of(key))
    if cell.reason:
        more["reason"] = cell.reason
    if cell.terms.parameters != usual.parameters:
        more["parameters"] = dict(cell.terms.parameters)
    if cell.grouped:
        more["grouped"] = True
    if cell.seen is not None:
        more["seen"] = base64.b64encode(cell.seen.astype("<u2").tobytes()).decode()
    value = None if math.isnan(cell.value) else cell.value
    counts = [cell.texts, cell.tokens, cell.units, cell.unit_name]
    place = [written for _, written in key.place]
    return [key.check, place, value, *counts, *([more] if more else [])]


def _packed(influences: Influences) -> list[object]:
    steps = influences.steps.astype("<i2").tobytes()
    return [influences.exponent, base64.b64encode(steps).decode()]


def _lines(value: object) -> str:
    """JSON with each part of a list or object on a line of its own."""
    if isinstance(value, dict):
        return (
            "{" + _each(f"{json.dumps(key)}: {json.dumps(of)}" for key, of in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + _each(json.dumps(part) for part in value) + "]"
    return json.dumps(value)


def _each(parts: Iterable[str]) -> str:
    return "\n" + ",\n".join(f"  {part}" for part in parts) + "\n "


def _from_json(content: Mapping[str, Any]) -> Baseline:
    checks = {
        name: (Terms(int(of), _parameters(given)), tuple(named_by))
        for name, of, given, named_by in content["checks"]
    }
    pairs = zip(content["cells"], content["influences"], strict=True)
    return Baseline(
        release=_typed(content["release"], str, "release"),
        pairing_terms=_typed(content["setting"], dict, "setting"),
        saes=tuple(_sae(each) for each in content["saes"]),
        cells=dict(_cell(row, packed, checks) for row, packed in pairs),
        written=_typed(content["written"], str, "written"),
    )


def _sae(written: Iterable[object]) -> BaselineSae:
    return BaselineSae(*(_typed(each, str, "a name of an SAE") for each in written))


def _typed(value: object, kind: type[T], what: str) -> T:
    """A value that has to be of a type."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is no {kind.__name__} but {value!r:.40}")
    return value


def _parameters(given: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(value)) for name, value in sorted(given.items()))


def _cell(
    row: list[Any],
    packed: tuple[int, str],
    checks: Mapping[str, tuple[Terms, tuple[str, ...]]],
) -> tuple[CellKey, CellValue]:
    check, place, value, texts, tokens, units, unit_name, *rest = row
    more = rest[0] if rest else {}
    exponent, steps = packed
    usual, named_by = checks[check]
    named = zip(more.get("selectors", named_by), map(str, place), strict=True)
    parameters = _parameters(more["parameters"]) if "parameters" in more else usual.parameters
    return CellKey(check, tuple(named)), CellValue(
        value=math.nan if value is None else float(value),
        influences=Influences(
            np.frombuffer(base64.b64decode(steps, validate=True), "<i2").astype(np.int16),
            int(exponent),
        ),
        texts=int(texts),
        tokens=int(tokens),
        units=int(units),
        unit_name=_typed(unit_name, str, "what units are"),
        grouped=_typed(more.get("grouped", False), bool, "grouped"),
        reason=_typed(more.get("reason", ""), str, "a reason"),
        terms=Terms(usual.definition, parameters),
        seen=_seen(more["seen"]) if "seen" in more else None,
    )


def _seen(written: str) -> IntArray:
    return np.frombuffer(base64.b64decode(written, validate=True), "<u2").astype(np.int64)


def _refuse_broken(path: Path, baseline: Baseline) -> None:
    """Refuse cells that could not be compared with, or that would hide what they are compared with.

    Raises:
        BaselineError: names the first such cell, and what is wrong with it.
    """
    units: dict[str, int] = {}  # of each data set
    for key, cell in baseline.cells.items():
        count = len(cell.influences.steps)
        if math.isinf(cell.value) or (math.isnan(cell.value) and not cell.reason):
            _refuse(path, key, f"its value is {cell.value} and no reason is given")
        if abs(cell.influences.exponent) > _LARGEST_EXPONENT:
            _refuse(path, key, f"its influences have the exponent {cell.influences.exponent}")
        if math.isnan(cell.value) and count:
            _refuse(path, key, f"it has {count:,} influences, but no value")
        if not count and not cell.grouped and not math.isnan(cell.value):
            _refuse(path, key, "it has a value, but no influences")
        if not count:
            continue
        if cell.grouped:
            if count > GROUPS:
                _refuse(path, key, f"it has influences of {count:,} groups of {GROUPS}")
        elif count < cell.units:
            _refuse(path, key, f"it has {count:,} influences of {cell.units:,} units")
        elif count != units.setdefault(_dataset_of(key), count):
            others = f"others on {_dataset_of(key)} have {units[_dataset_of(key)]:,}"
            _refuse(path, key, f"it has {count:,} influences, {others}")


def _dataset_of(key: CellKey) -> str:
    """The data set that a cell was measured on."""
    named = [key.get(each.name) for each in selectors() if each.dataset]
    return " ".join(filter(None, named)) or "texts"


def _refuse(path: Path, key: CellKey, what: str) -> NoReturn:
    cell = f"{key.check} of {key.where}"
    raise BaselineError(f"the baseline {path} is damaged at {cell}: {what}; {_HINT}")

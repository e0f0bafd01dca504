"""Strategies that damage valid documents: values, keys, nesting, names, lines and bytes."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from sae_checks.errors import UserError

# Keys from the root of a JSON document.
JsonPath = tuple[str | int, ...]
_DEEP = "deeply nested, put here as text"  # no library writes what is nested so deeply


def _nested(levels: int) -> Any:
    """Lists in lists, few enough to be written."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


ODD_TEXTS = (
    "",
    " ",
    "no",
    "true",
    "0",
    "NaN",
    "x" * 5_000,
    "../../elsewhere",
    "\x00",
    "\x1b[31mred",
    "\ud800",
    "𝒳 \U0010ffff",
    "a\u202eb\u0301",
    "*",
    "[",
    "~nobody/there",
)
ODD_VALUES = (
    *ODD_TEXTS,
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    {"a": {}},
    0,
    -1,
    2**31,
    2**63,
    10**12,
    int("9" * 400),
    -int("9" * 400),
    0.5,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    _nested(300),
    _DEEP,
)


def paths_in(document: Any, before: JsonPath = ()) -> Iterator[JsonPath]:
    """The paths of all values in a JSON document, its own first."""
    yield before
    if isinstance(document, dict):
        for key, value in document.items():
            yield from paths_in(value, (*before, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from paths_in(value, (*before, index))


@st.composite
def damaged_json(draw: st.DrawFn, valid: Any) -> Any:
    """A JSON document of which one to three places are otherwise."""
    document = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(paths_in(document))))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
            continue
        inside, key = _at(document, path[:-1]), path[-1]
        _damage(draw, inside, key)
    return document


def _at(document: Any, path: JsonPath) -> Any:
    for key in path:
        document = document[key]
    return document


def _damage(draw: st.DrawFn, inside: Any, key: Any) -> None:
    """Change what stands under a key of an object, or at an index of a list."""
    how = draw(st.sampled_from(("replace", "replace", "drop", "more", "wrap", "rename")))
    if how == "drop":
        del inside[key]
    elif how == "more" and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[key]))
    elif how == "more":
        inside[draw(st.sampled_from(ODD_TEXTS))] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    elif how == "wrap":
        inside[key] = [inside[key]]
    elif how == "rename" and isinstance(inside, dict):
        inside[draw(st.sampled_from(ODD_TEXTS))] = inside.pop(key)
    else:
        inside[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))


def as_text(document: Any) -> str:
    """JSON as anybody's program may have written it, with what no library writes put in."""
    return json.dumps(document).replace(json.dumps(_DEEP), "[" * 100_000 + "]" * 100_000)


def writable(document: Any) -> Any:
    """The same without what is nested so deeply that it has no checksum."""
    return json.loads(json.dumps(document).replace(json.dumps(_DEEP), "[]"))


@st.composite
def damaged_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes of which a stretch is missing, twice there, or other bytes."""
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, min(len(valid), start + 40)))
    odd = st.sampled_from(
        (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"[" * 2_000, b"9" * 5_000)
    )
    between = draw(st.one_of(st.binary(max_size=20), odd, st.just(2 * valid[start:end])))
    rest = b"" if draw(st.integers(0, 4)) == 0 else valid[end:]
    return valid[:start] + between + rest


def json_files(valid: Any) -> st.SearchStrategy[bytes]:
    """JSON files: damaged as documents, and as bytes."""
    by_value = damaged_json(valid).map(lambda document: as_text(document).encode())
    return st.one_of(by_value, by_value, damaged_bytes(json.dumps(valid, indent=1).encode()))


def refused_or_read(read: Callable[[], object]) -> None:
    """Success, or a documented error; whatever else is raised is a finding."""
    try:
        read()
    except UserError as error:
        if not str(error).strip():
            pytest.fail(f"{type(error).__name__} says nothing")

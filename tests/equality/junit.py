"""Compares the JUnit files of two runs: test cases, outcomes, properties, messages."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.equality.comparison import Comparison, EqualityError, together

_OUTCOMES = {"failure": "failed", "error": "error", "skipped": "skipped"}
# An absolute path of two names or more, with the line that may follow it.
_PATH = re.compile(r"(?<![\w./<>])/(?:[\w.+@=-]+/)+[\w.+@=-]*(?::\d+)?")


@dataclass(frozen=True)
class Case:
    """One test case of a JUnit file."""

    outcome: str
    message: str
    properties: Mapping[str, str]


def read_cases(path: Path, folders: Sequence[Path] = ()) -> dict[str, Case]:
    """The test cases of a file by id; in messages, paths and these folders are `<path>`.

    Raises:
        EqualityError: there are none, or two of the same id.
    """
    elements = list(ElementTree.parse(path).iter("testcase"))
    cases = {f"{e.get('classname')}::{e.get('name')}": _case(e, folders) for e in elements}
    if not cases:
        raise EqualityError(f"{path} holds no test case; see the log of the run beside it")
    if len(cases) < len(elements):
        raise EqualityError(f"{path} holds {len(elements)} test cases, but {len(cases)} ids")
    return cases


def compare_cases(old: Mapping[str, Case], new: Mapping[str, Case]) -> list[Comparison]:
    """One comparison each of ids, outcomes, properties and messages."""
    both = [name for name in old if name in new]
    return [
        _compare_ids(old, new),
        together("outcomes", [_texts(old, new, name, "outcome", _outcome) for name in both]),
        together("properties", [_properties(name, old[name], new[name]) for name in both]),
        together("messages", [_texts(old, new, name, "message", _message) for name in both]),
    ]


def without_paths(text: str, folders: Sequence[Path] = ()) -> str:
    """A message in which every path reads `<path>`, whatever machine and run it is of."""
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = re.sub(re.escape(folder) + r"[\w.+@=/-]*(?::\d+)?", "<path>", text)
    return _PATH.sub("<path>", text)


def _case(element: ElementTree.Element, folders: Sequence[Path]) -> Case:
    outcome, message = "passed", ""
    for child in element:
        if child.tag in _OUTCOMES:
            outcome = _OUTCOMES[child.tag]
            if child.get("type") == "pytest.xfail":
                outcome = "xfailed"
            message += f"{child.get('message', '')}\n{child.text or ''}"
    properties = {p.get("name", ""): p.get("value", "") for p in element.iter("property")}
    return Case(outcome, without_paths(message, folders), properties)


def _compare_ids(old: Mapping[str, Case], new: Mapping[str, Case]) -> Comparison:
    first = [f"{name}: only the old run has this test case" for name in old if name not in new]
    first += [f"{name}: only the new run has this test case" for name in new if name not in old]
    compared = len(old.keys() | new.keys())
    differing = Comparison("test cases", compared, {"ids": len(first)} if first else {}, (*first,))
    return together("test cases", [differing])


def _texts(
    old: Mapping[str, Case],
    new: Mapping[str, Case],
    name: str,
    what: str,
    of: Callable[[Case], str],
) -> Comparison:
    before, after = of(old[name]), of(new[name])
    if before == after:
        return Comparison(what, 1 if before else 0)
    return Comparison(what, 1, {what: 1}, (f"{name}: {_change(before, after)}",))


def _properties(name: str, old: Case, new: Case) -> Comparison:
    names = old.properties.keys() | new.properties.keys()
    changed = {
        n: (old.properties.get(n), new.properties.get(n))
        for n in sorted(names)
        if old.properties.get(n) != new.properties.get(n)
    }
    first = [f"{name}, {n}: {before!r} became {after!r}" for n, (before, after) in changed.items()]
    return Comparison("properties", len(names), dict.fromkeys(changed, 1), tuple(first))


def _outcome(case: Case) -> str:
    return case.outcome


def _message(case: Case) -> str:
    return case.message


def _change(before: str, after: str) -> str:
    """The first line in which two texts differ."""
    olds, news = before.splitlines() or [""], after.splitlines() or [""]
    for one, other in zip(olds, news, strict=False):
        if one != other:
            return f"{one!r} became {other!r}"
    longer, more = ("old", olds) if len(olds) > len(news) else ("new", news)
    return f"only the {longer} one has the line {more[min(len(olds), len(news))]!r}"

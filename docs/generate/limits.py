"""Checks by topic with their limits: of docstrings and thresholds.toml."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from sae_checks.evals.registry import selectors
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Override, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.topics import TOPICS, in_order
from sae_checks.report.short import short_limit
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks

WIDTH = 100
_COMPARED = (("regression", "worse than a baseline"), ("equivalence", "other than a baseline"))


@cache
def shipped() -> Thresholds:
    """What thresholds.toml says."""
    rules = {
        each.name: CheckRules(each.unit, each.parameters) for each in bundled_checks().values()
    }
    return read_thresholds(BUNDLED_THRESHOLDS, rules, selectors())


def checks_by_topic() -> dict[str, list[Check]]:
    """The suite's checks by topic, both in the order of reports and files."""
    every = list(bundled_checks().values())
    topics = in_order(check.about for check in every)
    return {topic: [each for each in every if each.about == topic] for topic in topics}


def page_name(topic: str) -> str:
    """The page of a topic in docs/checks."""
    return f"{topic.lower().replace(' ', '-')}.md"


def overview() -> str:
    """A row for each topic, with its page and its checks."""
    found = checks_by_topic()
    rows = ["| topic | asks | checks |", "|---|---|---|"]
    for topic in TOPICS:
        named = ", ".join(f"`{check.name}`" for check in found.get(topic.name, ()))
        page = page_name(topic.name)
        rows.append(f"| [{topic.name}]({page}) | {topic.asks} | {named or 'each, compared'} |")
    return "\n".join(rows)


def limits_of(checks: Iterable[Check]) -> str:
    """Each check: what it asks, its unit, its limit and where that comes from."""
    return "\n\n".join("\n".join(_check(check)) for check in checks)


def _check(check: Check) -> Iterator[str]:
    found = shipped().checks[check.name]
    yield f"### `{check.name}`"
    yield ""
    yield _wrapped(" ".join((inspect.getdoc(check.function) or "").split()))
    yield ""
    yield from _item("Limit", _limit(check, found.limit))
    yield from _item("Where it comes from", _sentence(found.limit.source))
    for override in found.overrides:
        yield from _item(f"Otherwise for {_where(override)}", _override(override, found))
    for question, words in _COMPARED:
        margin = getattr(found.limit, question)
        if margin is not None:
            yield from _item(words.capitalize(), f"if {_margin(margin, found.limit.unit)}")
    section = _section(check.name)
    place = f"{section.lower()}](../quantities.md#{_anchor(section)}" if section else ""
    yield from _item("Definition", f"[{place or 'quantities](../quantities.md'})")


@cache
def _sections() -> tuple[tuple[str, frozenset[str]], ...]:
    """The sections of docs/quantities.md from its cells on, each with what it has in code."""
    text = (Path(__file__).parent.parent / "quantities.md").read_text(encoding="utf-8")
    titled = (part.partition("\n") for part in text.split("\n## ")[1:])
    every = [(title, frozenset(re.findall(r"`([\w*]+)`", body))) for title, _, body in titled]
    first = [title for title, _ in every].index("Per cell")
    return tuple(every[first:])


def _section(name: str) -> str:
    """The first section that defines a figure by its name, or by a glob; "" where none does."""
    return next((t for t, words in _sections() if any(fnmatchcase(name, w) for w in words)), "")


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _limit(check: Check, limit: Limit) -> str:
    said = f"{_number(limit)} {limit.unit}" if short_limit(limit) else f"none, in {limit.unit}"
    margin = f", margin {limit.margin:g}" if limit.margin else ""
    given = "".join(f", `{name}` {value:g}" for name, value in limit.parameters)
    return f"{said}{margin}{given}; one test for each {check.cells.name.replace('_', ' ')} cell"


def _number(limit: Limit) -> str:
    return short_limit(limit).replace("<=", "at most").replace(">=", "at least")


def _where(override: Override) -> str:
    return ", ".join(f"{name} `{pattern}`" for name, pattern in override.where.items())


def _override(override: Override, found: CheckLimits) -> str:
    own = Limit(found.limit.unit, override.min, override.max)
    parts = [f"{_number(own)} {own.unit}"] if short_limit(own) else []
    parts += [f"margin {override.margin:g}"] if override.margin else []
    for question, words in _COMPARED:
        margin = getattr(override, question)
        parts += [f"{words} if {_margin(margin, own.unit)}"] if margin is not None else []
    return f"{', '.join(parts)}. {_sentence(override.reason)}"


def _margin(margin: Margin, unit: str) -> str:
    by = f"{margin.by:g} {unit}" if margin.by else ""
    share = f"{margin.share:.3g} of the baseline's value" if margin.share else ""
    way = {"either": "either way", "higher": "higher", "lower": "lower"}[margin.worse]
    return f"more than {' plus '.join(filter(None, (by, share)))} {way}"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else "–"


def _item(name: str, text: str) -> list[str]:
    return [_wrapped(f"- *{name}*: {text}", "  ")]


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )

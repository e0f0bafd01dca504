"""The matrix of a run: a row for each SAE, a column for each topic.

A square shows its topic's main figure, or the worst one where any test needs looking at. What is
about several SAEs (pairs, a stack) or about the whole release has rows of its own, after those of
the SAEs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sae_checks.judge.topics import headline, in_order
from sae_checks.records import Release, SaeRef
from sae_checks.report.overview.levels import Level, counts, level, worst
from sae_checks.resolve.model_order import depth
from sae_checks.session.result import Outcome, RunResult

RowKind = Literal["sae", "several", "release"]


@dataclass(frozen=True)
class Square:
    """The tests of one row on one topic; at least one."""

    outcomes: tuple[Outcome, ...]

    @cached_property
    def worst(self) -> Outcome:
        """The one to look at first."""
        return worst(self.outcomes)

    @cached_property
    def level(self) -> Level:
        """That of the worst."""
        return level(self.worst)

    @cached_property
    def shown(self) -> Outcome:
        """The one whose value stands in the square: the worst, if anything needs looking at.

        Else the one of the topic's headline, so that a column without failures shows one figure.
        """
        worst = self.worst
        if self.level not in ("passed", "reported") or _beyond(worst):
            return worst
        named = headline(worst.check.about)
        leading = [o for o in self.outcomes if o.check.name == named]
        return _worst_of(leading) or worst

    @property
    def value(self) -> float | None:
        """Of what is shown; None where it was not measured."""
        verdict = self.shown.verdict
        return None if verdict is None else verdict.estimate.value

    @property
    def unit(self) -> str:
        """Of the value."""
        return _unit(self.shown)

    @property
    def counts(self) -> dict[Level, int]:
        """How many of each level, the worst first."""
        return counts(self.outcomes)


@dataclass(frozen=True)
class Row:
    """One SAE, several at once, or the whole release.

    Attributes:
        title: the SAE's id; "pairs of SAEs", a stack's id, or "whole release".
        label: the same where there is little room: "3 resid_pre"; still no other row's.
        sae: of a row of one.
        squares: by topic; topics without a test have none.
    """

    kind: RowKind
    title: str
    label: str
    sae: SaeRef | None
    squares: Mapping[str, Square]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All tests of the row."""
        return tuple(each for square in self.squares.values() for each in square.outcomes)


@dataclass(frozen=True)
class Matrix:
    """Rows in the order of the model, topics in the order of the suite."""

    topics: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, topic: str) -> list[Square]:
        """The squares of a topic, from above."""
        return [row.squares[topic] for row in self.rows if topic in row.squares]


def matrix(result: RunResult) -> Matrix:
    """The matrix of all tests of a run."""
    release = result.facts.release
    rows = [*_sae_rows(release, result.outcomes), *_other_rows(result.outcomes)]
    topics = in_order(outcome.check.about for outcome in result.outcomes)
    return Matrix(tuple(topics), tuple(rows))


def in_layer_order(saes: Iterable[SaeRef]) -> list[SaeRef]:
    """SAEs as the model comes to where they write; those of one place as the release has them."""
    return sorted(saes, key=lambda sae: depth(sae.writes))


def labels(release: Release) -> dict[str, str]:
    """Short names of a release's SAEs by id: layer and site, or the id where two are alike.

    Of a transcoder both sites, where it reads and where it writes: "3 resid_mid->mlp_out".
    """
    short = {sae.sae_id: f"{sae.layer} {_sites(sae)}" for sae in release.saes}
    names = list(short.values())
    return {of: name if names.count(name) == 1 else of for of, name in short.items()}


def _sites(sae: SaeRef) -> str:
    reads = sae.site.removeprefix("hook_")
    if not sae.is_transcoder:
        return reads
    block, _, site = sae.writes.rpartition(".")
    same = block == sae.hook_point.rpartition(".")[0]
    return f"{reads}->{(site if same else sae.writes).removeprefix('hook_')}"


def _unit(outcome: Outcome) -> str:
    limit = None if outcome.verdict is None else outcome.verdict.limit
    return outcome.check.unit if limit is None else limit.unit or outcome.check.unit


def _beyond(outcome: Outcome) -> bool:
    return outcome.verdict is not None and outcome.verdict.beyond_limit


def _worst_of(outcomes: list[Outcome]) -> Outcome | None:
    measured = [o for o in outcomes if level(o) in ("passed", "reported")]
    return worst(measured) if measured else None


def _squares(outcomes: Iterable[Outcome]) -> dict[str, Square]:
    by_topic: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_topic.setdefault(outcome.check.about, []).append(outcome)
    return {topic: Square(tuple(by_topic[topic])) for topic in in_order(by_topic)}


def _sae_rows(release: Release, outcomes: Iterable[Outcome]) -> list[Row]:
    by_sae: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.cell.sae is not None:
            by_sae.setdefault(outcome.cell.sae.sae_id, []).append(outcome)
    short = labels(release)
    return [
        Row("sae", sae.sae_id, short[sae.sae_id], sae, _squares(by_sae[sae.sae_id]))
        for sae in in_layer_order(release.saes)
        if sae.sae_id in by_sae
    ]


def _other_rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Rows by what reports call their places: alike ones (all pairs) in one."""
    by_title: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        place = outcome.cell.place
        if outcome.cell.sae is None:
            by_title.setdefault(place.title_of_saes or place.of_saes, []).append(outcome)
    whole = by_title.pop("", [])
    short = {title: _label(title, of[0]) for title, of in by_title.items()}
    names = list(short.values())
    rows = [
        Row("several", title, _unless_alike(short[title], title, names), None, _squares(found))
        for title, found in by_title.items()
    ]
    release = Row("release", "whole release", "whole release", None, _squares(whole))
    return [*rows, release] if whole else rows


def _label(title: str, outcome: Outcome) -> str:
    """A title as it is, or the number of SAEs of a place whose id names them all."""
    if outcome.cell.place.title_of_saes or not outcome.cell.saes:
        return title
    named = next(selector.name for selector, _ in outcome.cell.place.parts if selector.renamed)
    return f"{named} of {len(outcome.cell.saes)} SAEs"


def _unless_alike(label: str, title: str, labels: list[str]) -> str:
    return label if labels.count(label) == 1 else title

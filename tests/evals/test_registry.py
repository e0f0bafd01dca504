"""What evaluations register is known everywhere; here with a made-up one beside the others."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sae_checks.baseline.comparison import Comparison, comparison_of
from sae_checks.baseline.file import read_baseline, write_baseline
from sae_checks.baseline.identity import Baseline, BaselineSae, key_of
from sae_checks.baseline.paired import CellValue, Influences
from sae_checks.baseline.source import FileBaseline
from sae_checks.checking import check, check_of
from sae_checks.evals import registry
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.kind import evaluations_of
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.verdict import judge
from sae_checks.records import PositionRange, Release
from sae_checks.records.place import CellKey, CellRef
from sae_checks.records.ranges import position_ranges
from sae_checks.records.selectors import property_names
from sae_checks.report.accepting import known_failure_entries
from sae_checks.report.junit import properties
from sae_checks.report.message import failure_message
from sae_checks.report.words import known_failure
from sae_checks.session.family import Family
from sae_checks.session.result import Failing, Outcome
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.evals.pairs import PAIRS, PairCell
from tests.places import cell_ref
from tests.report.results import run_facts

SAES = tuple(stored.sae_ref(layer) for layer in range(3))
RELEASE = Release("made-up", "folder", stored.LOADING, SAES)
IDS = tuple(sae.sae_id for sae in SAES)
LIMITS = """
[checks.delta_ce_of_pair]
max = 0.5
margin = 0.1
unit = "nats"

[[checks.delta_ce_of_pair.override]]
pair = "blocks.1.*->*"
max = 0.7

[[known_failure]]
check = "delta_ce_of_pair"
release = "*"
pair = "*->blocks.2.*"
reason = "the last one is known"
"""


@pytest.fixture(autouse=True)
def pairs(monkeypatch) -> None:
    monkeypatch.setattr(registry, "EVALUATIONS", (*registry.EVALUATIONS, PAIRS))


def check_delta_ce_of_pair(cell: PairCell) -> Estimate:
    """A made-up figure."""
    return cell.delta_ce()


def made() -> Check:
    marked = check(cells="pair", needs=("ce_clean", "ce_sae"), unit="nats")(check_delta_ce_of_pair)
    found = check_of(marked)
    assert found is not None
    return found


def cells() -> list[CellRef]:
    ranges = {sae.sae_id: position_ranges(sae.training_context, stored.CONTEXT) for sae in SAES}
    return CellCollector(RELEASE, stored.CONTEXT, ranges, (), frozenset()).cells(made())


def thresholds() -> Thresholds:
    rules = {"delta_ce_of_pair": CheckRules("nats")}
    return parse_thresholds(LIMITS, rules, selectors=registry.selectors())


def test_an_unknown_kind_is_refused_with_those_that_there_are(monkeypatch):
    kinds = [kind.name for each in registry.EVALUATIONS for kind in each.kinds]
    assert kinds[:2] == ["in_context", "past_context"]
    assert kinds[-1] == "pair"
    sentence = f"no such kind of cells: 'sea'; there are {', '.join(kinds)}"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check(cells="sea", unit="nats")(check_delta_ce_of_pair)
    monkeypatch.setattr(registry, "EVALUATIONS", registry.EVALUATIONS[:-1])
    with pytest.raises(ValueError, match="no such kind of cells: 'pair'; there are in_context, "):
        made()


def test_ids():
    assert [str(each) for each in cells()] == [f"{IDS[0]}->{IDS[1]}", f"{IDS[1]}->{IDS[2]}"]
    assert [each.saes for each in cells()] == [SAES[:2], SAES[1:]]
    assert evaluations_of(made()) == {"context"}


def test_overrides_and_accepted_failures():
    first, second = (each.place for each in cells())
    of = thresholds()
    assert of.limit("delta_ce_of_pair", first).max == 0.5
    assert of.limit("delta_ce_of_pair", second).max == 0.7
    assert of.known_failure("delta_ce_of_pair", first) is None
    found = of.known_failure("delta_ce_of_pair", second)
    assert found is of.known_failures[0]
    assert known_failure(found) == (
        "[[known_failure]] delta_ce_of_pair of * (*, pair *->blocks.2.*)"
    )


def test_junit_properties():
    names = tuple(property_names(registry.selectors()))
    facts = run_facts(property_names=names)
    told = properties(made(), cells()[0], None, facts)
    own = ("release", "sae", "layer", "hook", "pair", "task", "first_position", "last_position")
    values = ("made-up", "", "", "", f"{IDS[0]}->{IDS[1]}", "", "1", str(stored.CONTEXT - 2))
    assert {name: told[name] for name in own} == dict(zip(own, values, strict=True))
    of_sae = cell_ref("in_context", "made-up", SAES[1], PositionRange(4, 7))
    told = properties(bundled_checks()["delta_ce"], of_sae, None, facts)
    values = ("made-up", IDS[1], "1", IDS[1], "", "", "4", "7")
    assert {name: told[name] for name in own} == dict(zip(own, values, strict=True))


def test_failures_and_the_entries_that_accept_them():
    cell = cells()[0]
    verdict = judge(Estimate(0.9, 0.89, 0.91, 0.005, 97, 3104), Limit("nats", max=0.5, margin=0.1))
    assert failure_message(Failing(made(), cell, verdict)).startswith(
        f"delta_ce_of_pair 0.9 > 0.5 nats at {IDS[0]}->{IDS[1]}: margin 0.1, interval "
    )
    entries = known_failure_entries([Outcome(made(), cell, "failed", verdict)], date(2026, 1, 1))
    assert f'pair = "{IDS[0]}->{IDS[1]}"\n' in entries
    rules = {"delta_ce_of_pair": CheckRules("nats")}
    (entry,) = parse_thresholds(entries, rules, selectors=registry.selectors()).known_failures
    matched = [entry.matches("delta_ce_of_pair", each.place) for each in cells()]
    assert matched == [True, False]


def test_the_error_of_an_sae_is_shared_by_its_pairs_too():
    checks = {"delta_ce_of_pair": made(), "delta_ce": bundled_checks()["delta_ce"]}
    limit = CheckLimits(Limit("nats", max=1, margin=0.1))
    of = Family(Thresholds(checks=dict.fromkeys(checks, limit)), checks, 3, {})
    # One claim of delta_ce and two pairs that an SAE of three may begin; as much for the release.
    assert of.error(made(), cells()[0]) == pytest.approx(0.04 / 4 / (1 + 2))


def test_keys_of_a_baseline(tmp_path: Path):
    """In a file, found again under other ids, and told where only the baseline has the cell."""
    cell = cells()[0]
    key = key_of(made(), cell)
    assert key == CellKey("delta_ce_of_pair", (("pair", f"{IDS[0]}->{IDS[1]}"),))
    value = CellValue(0.5, Influences.of(np.zeros(12)), 12, 48, 12)
    old = CellKey("delta_ce_of_pair", (("pair", "x->y"),))
    lost = CellKey("delta_ce_of_pair", (("pair", "y->z"),))
    saes = tuple(BaselineSae(sae_id, sae_id, "") for sae_id in "xyz")
    path = tmp_path / "base.json"
    write_baseline(path, Baseline("old", {}, saes, {old: value, lost: value}))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert '  ["delta_ce_of_pair", 1, {}, ["pair"]]' in lines
    assert '  ["delta_ce_of_pair", ["x->y"], 0.5, 12, 48, 12, "text"],' in lines
    read = read_baseline(path)
    assert read.cells.keys() == {old, lost}
    comparison = Comparison(FileBaseline("old", read), dict(zip(IDS, "xyz", strict=True)))
    compared = comparison.cells(made(), [cell], "made-up")
    assert [str(each) for each in compared] == [
        f"delta_ce_of_pair-{IDS[0]}->{IDS[1]}",
        "missing-delta_ce_of_pair-y->z",
    ]
    assert comparison_of(made(), "regression").cells is compared[1].kind

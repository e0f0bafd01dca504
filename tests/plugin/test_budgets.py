"""Runs that stop where verdicts are clear, go on from there, measure all, or only plan."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate
from tests.stored import change_sealed

pytestmark = pytest.mark.exhaustive  # in minutes, not seconds

LAYER_1 = "blocks.1.hook_resid_pre"
# One check of texts and one of items; enough of both for some SAEs to stop and some to go on.
SOME = ("-k", "check_delta_ce_growth or check_accuracy_drop")
BUDGET = ("--sae-tokens=32768", "--sae-items=300", "--sae-task=tales_long")
TEXTS, ITEMS, SAES = 128, 300, 5


def gate(tmp_path: Path, store: Path, *arguments: str) -> GateRun:
    return run_gate(tmp_path, f"--sae-store={store}", *BUDGET, *SOME, *arguments)


def measured(run: GateRun) -> list[str]:
    """What the run measured, as it says itself."""
    told = re.findall(r"^sae-checks: (measuring .*)$", run.output, re.MULTILINE)
    return [str(line) for line in told]


def judged(run: GateRun) -> dict[str, tuple[str, str]]:
    return {case.name: (case.outcome, case.properties["verdict"]) for case in run.cases}


def claims(run: GateRun) -> dict[str, tuple[str, str]]:
    deciding = {case.name for case in run.cases if case.properties["family"] == "claim"}
    return {name: verdict for name, verdict in judged(run).items() if name in deciding}


def counts(run: GateRun) -> dict[tuple[str, str], int]:
    """Texts or items that verdicts rest on, by SAE and task."""
    found = {}
    for case in run.cases:
        told = case.properties
        found[told["sae"], told["task"]] = int(told["texts"])
    return found


@pytest.fixture(scope="module")
def stopped_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stopped")


@pytest.fixture(scope="module")
def stopped(stopped_store: Path, tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    """A run as it is by default."""
    return gate(tmp_path_factory.mktemp("run"), stopped_store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    """The same with the whole budget, in a store of its own."""
    return gate(tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("whole"), "--sae-fixed")


def test_saes_stop_at_different_lengths_and_verdicts_are_those_of_the_whole_budget(stopped, whole):
    lengths = counts(stopped)
    assert set(counts(whole).values()) == {TEXTS, ITEMS}
    assert len(set(lengths.values()) - {TEXTS, ITEMS}) > 1
    assert claims(stopped) == claims(whole)
    # Ranges say where, and wait for nobody: fewer texts may leave them undecided, and no more.
    both = [(judged(run)[case.name][1]) for case in whole.cases for run in (stopped, whole)]
    assert {"pass", "fail"} not in [set(pair) for pair in zip(both[::2], both[1::2], strict=True)]
    spent, budget = sum(lengths.values()), SAES * (TEXTS + ITEMS)
    assert (
        f"\ndecided with {spent / budget:.0%} of the budget: {spent:,} of {budget:,} passes of an "
        "SAE over a text or an item (--sae-fixed measures all)\n"
    ) in stopped.output
    assert "of the budget" not in whole.output


def test_what_stopped_goes_on_from_where_it_was(tmp_path, stopped, stopped_store, whole):
    store = tmp_path / "store"
    shutil.copytree(stopped_store, store)
    before = {path: pq.read_table(path) for path in sorted(store.rglob("items.parquet"))}
    on = gate(tmp_path, store, "--sae-fixed")
    behind = {key: count for key, count in counts(stopped).items() if count not in (TEXTS, ITEMS)}
    of_texts, of_items = (sum(bool(task) is t for _, task in behind) for t in (False, True))
    assert measured(on) == [
        f"measuring {of_texts} SAEs on 128 texts",
        f"measuring {of_items} SAEs on 300 items of tales_long",
    ]
    for path, rows in before.items():  # what was measured is kept, to the bit
        assert pq.read_table(path).slice(0, rows.num_rows).equals(rows)
    assert judged(on) == judged(whole)
    for one, other in zip(on.cases, whole.cases, strict=True):
        for name in ("value", "ci_low", "ci_high", "adjusted_low", "adjusted_high"):
            expected = pytest.approx(float(other.properties[name]), rel=1e-4, abs=1e-6, nan_ok=True)
            assert float(one.properties[name]) == expected, one.name
    assert measured(gate(tmp_path, store)) == []  # an adaptive run takes what is there


def test_a_narrower_limit_measures_on(tmp_path, stopped, stopped_store):
    store, limits = tmp_path / "store", tmp_path / "limits.toml"
    shutil.copytree(stopped_store, store)
    settled = counts(stopped)[LAYER_1, "tales_long"]
    assert settled < ITEMS
    value = float(stopped.named(f"check_accuracy_drop[{LAYER_1}-tales_long]").properties["value"])
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    limits.write_text(
        text + f'\n[[checks.accuracy_drop.override]]\nsae = "{LAYER_1}"\nmax = {value + 1.5}\n'
        'reason = "hardly above what it is"\n',
        encoding="utf-8",
    )
    again = gate(tmp_path, store, f"--sae-thresholds={limits}")
    assert "measuring 1 SAE on at most 300 items of tales_long" in measured(again)
    assert counts(again)[LAYER_1, "tales_long"] > settled


def test_stopped_tables_are_judged_as_what_they_are_from_their_folder(
    tmp_path, stopped, stopped_store
):
    """Even where the manifest, of a later run on other SAEs, says that nothing stops early."""
    store = tmp_path / "store"
    shutil.copytree(stopped_store, store)
    (folder,) = (store / "measurements").iterdir()
    change_sealed(folder / "manifest.json", adaptive=False)
    again = run_gate(tmp_path, f"--sae-measurements={folder}", *SOME)
    assert again.cases == stopped.cases


@pytest.fixture(scope="module")
def plan_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(plan_store: Path, tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    return gate(tmp_path_factory.mktemp("run"), plan_store, "--sae-plan")


def test_a_plan_tells_cost_and_power_and_judges_nothing(plan, plan_store):
    assert (plan.exit_code, plan.cases) == (0, ())
    lines = plan.output.splitlines()
    begin = lines.index("cost at the whole budget, by what the pilot took:")
    texts, items, head, growth, accuracy = lines[begin + 1 : begin + 6]
    assert re.fullmatch(
        r"  texts: 640 passes of an SAE over a text, about \d+ s \(320 took \d+\.\d s\)", texts
    )
    assert re.fullmatch(
        r"  task tales_long: 1,500 passes of an SAE over an item, about \d+ s "
        r"\(500 took \d+\.\d s\)",
        items,
    )
    assert head == "by how much a limit must be exceeded to be noticed 8 times in 10, at worst:"
    assert re.fullmatch(
        r"  delta_ce_growth +<= [\d.]+ times: [\d.]+ with 128 texts \(at \S+\)", growth
    )
    assert re.fullmatch(r"  accuracy_drop +<= 5 points: [\d.]+ with 300 items \(at \S+\)", accuracy)
    # The pilot's tables are those that a run begins with.
    assert {pq.read_metadata(path).num_rows for path in plan_store.rglob("items.parquet")} == {100}


def test_what_the_plan_says_could_be_noticed_is_what_the_whole_budget_notices(plan, whole):
    """Of an SAE that passes, within what a pilot of 64 texts and 100 items can know of spreads."""
    for check, count in (("delta_ce_growth", TEXTS), ("accuracy_drop", ITEMS)):
        found = re.search(rf"  {check} .*: (\S+) with {count} \w+ \(at (\S+)\)", plan.output)
        assert found is not None
        case = whole.named(f"check_{check}[{found[2]}]")
        assert float(found[1]) == pytest.approx(float(case.properties["detectable"]), rel=1.0)


def test_a_plan_is_of_what_is_to_be_measured(tmp_path, stopped, stopped_store):
    (folder,) = (stopped_store / "measurements").iterdir()
    refused = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae-plan")
    assert refused.exit_code == 4
    assert (
        "ERROR: --sae-plan tells of a measurement to be made, --sae-measurements judges one that "
        "was: leave one of the two out\n"
    ) in refused.output

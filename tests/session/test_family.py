"""Errors shared by the release and its limits, and by nothing that a run happens to collect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.comparison import comparison_of
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.records import PositionRange, SaeRef
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges, position_ranges
from sae_checks.session.family import Family
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests import stored
from tests.places import cell_ref

CHECKS = bundled_checks()
RULES = {name: CheckRules(check.unit, check.parameters) for name, check in CHECKS.items()}
THRESHOLDS = read_thresholds(BUNDLED_THRESHOLDS, RULES)
RANGES = position_ranges(64, 256)
SAE = stored.sae_ref(0)


def family(saes: int = 5, ranges: PositionRanges = RANGES) -> Family:
    return Family(THRESHOLDS, CHECKS, saes, {SAE.sae_id: ranges})


def ref(check: Check, **more: object) -> CellRef:
    sae: SaeRef | None = None if check.cells.whole_release else SAE
    return cell_ref(check.cells.name, "made-up", sae, **more)


def test_by_hand() -> None:
    """Two checks on texts, one on tasks for two tasks: four parts of a half of each SAE's part."""
    limit = CheckLimits(Limit("nats", max=1, margin=0.1, regression=Margin("higher", 0.1)))
    reported = CheckLimits(Limit("nats", report_only=True))
    own = CheckLimits(Limit("nats", max=1, margin=0.1), by_default=True)
    checks = {name: CHECKS[name] for name in ("delta_ce", "l0_growth", "delta_ln_p", "mse", "kl")}
    thresholds = Thresholds(
        checks={"delta_ce": limit, "l0_growth": limit, "delta_ln_p": limit}
        | {"mse": reported, "kl": own}
    )
    of = Family(thresholds, checks, 3, {SAE.sae_id: RANGES})
    # 3 SAEs and the release itself; 1 + 1 + 4 claims of each.
    for name in ("delta_ce", "l0_growth", "delta_ln_p", "kl"):
        assert of.error(checks[name], ref(checks[name])) == pytest.approx(0.04 / 4 / 6)
    # 7 ranges within the training context of 64 tokens, 5 past it up to 256.
    assert (len(RANGES.in_context), len(RANGES.past_context)) == (6, 4)
    within = ref(checks["delta_ce"], family="range")
    assert of.error(checks["delta_ce"], within) == pytest.approx(0.01 / 3 / (6 + 4))
    compared = comparison_of(checks["delta_ce"], "regression")
    assert of.error(compared, ref(compared)) == pytest.approx(0.04 / 4 / 6)
    same = comparison_of(checks["delta_ce"], "equivalence")  # which nothing gives a margin for
    assert of.error(same, ref(same)) == pytest.approx(0.04 / 4)


def test_all_claims_together_spend_no_more_than_their_error() -> None:
    of, saes = family(), 5
    gating = [check for name, check in CHECKS.items() if THRESHOLDS.checks[name].gates]
    tasks = {"task": THRESHOLDS.gate.tasks, "task_release": THRESHOLDS.gate.tasks}
    # 10 pairs of 5 SAEs: two to each.
    tasks["propagation"] = 10 // saes
    spent = sum(
        of.error(check, ref(check))
        * tasks.get(check.cells.name, 1)
        * (1 if check.cells.whole_release else saes)
        for check in gating
    )
    assert spent == pytest.approx(THRESHOLDS.gate.claims_error)
    of_ranges = sum(
        of.error(check, ref(check, family="range")) * len(getattr(RANGES, check.cells.name)) * saes
        for check in gating
        if check.cells.name in ("in_context", "past_context")
    )
    assert of_ranges == pytest.approx(THRESHOLDS.gate.ranges_error)


@given(st.sets(st.sampled_from(sorted(CHECKS))))
def test_what_is_collected_beside_a_cell_does_not_matter(collected: set[str]) -> None:
    """A shard knows of all checks that the thresholds have, and of the whole release."""
    check = CHECKS["delta_ce"]
    alone = family().error(check, ref(check))
    beside = {name: CHECKS[name] for name in sorted(collected)}
    of = Family(THRESHOLDS, {**beside, **CHECKS}, 5, {SAE.sae_id: RANGES})
    assert of.error(check, ref(check)) == alone


def test_ranges_asked_for_alone_are_judged_as_beside_others() -> None:
    """Their error is that of the default ones, and less only where more are asked for."""
    check = CHECKS["delta_ce"]
    cell = ref(check, family="range")
    many = PositionRanges(tuple(PositionRange(i, i) for i in range(1, 64)), RANGES.past_context)
    assert family(ranges=many).error(check, cell) < family().error(check, cell)

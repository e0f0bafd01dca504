"""The summary in a screenful: what it says, how wide it is, what a terminal is never sent."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sae_checks.report.overview.levels import LEVELS
from sae_checks.report.overview.verdict import run_verdict
from sae_checks.report.short import MARKS, short_value
from sae_checks.report.summary import summary_lines
from sae_checks.report.terminal.compact import compact_lines, failed_lines, verdict_lines
from sae_checks.report.terminal.screen import Screen
from sae_checks.session.result import RunResult
from tests.report.results import outcome, release_result, sae_ref

BROKEN = {
    **{("delta_ce_growth", layer): 40.0 * (4 - layer) for layer in range(4)},
    ("l0_growth", 1): 50.0,
    ("l2_ratio", 2): 0.5,
}
WIDE = Screen(100)
HOSTILE = "a\x1b[31mred\x1b[0m\r\n\u202eb|`<script>\x07"


@pytest.fixture(scope="module")
def large() -> RunResult:
    """13 SAEs, failures of two causes and something undecided: more than 3,500 tests."""
    return release_result(13, broken=BROKEN, undecided=[("delta_ce", 5)])


def test_thousands_of_tests_are_told_in_a_screenful(large):
    lines = compact_lines(large, WIDE)
    assert len(large.outcomes) > 3_500
    assert len(lines) <= 60
    assert lines[0].startswith("FAILED: 6 claims and 48 ranges failed; 1 claim undecided for lack ")
    group = lines.index(
        "✗ layers 0–3, positions 128 to 1,022: grows past the training context (5 claims and 40 "
        "ranges)"
    )
    assert lines[group + 1] == (
        "  delta_ce_growth 40 to 160 times (<= 2), l0_growth 50 times (<= 2)"
    )
    assert lines[group + 2].startswith(
        "  worst: delta_ce_growth 160 > 2 times at blocks.0.hook_resid_pre, positions 128 to 1022: "
    )
    (more,) = (line for line in lines if "check_l2_ratio" in line)
    assert more == (
        "  more: pytest checks/ --sae made-up -k 'check_l2_ratio and blocks.2.hook_resid_pre' -v"
    )


def test_the_matrix_has_a_line_for_each_sae_in_the_order_of_layers(large):
    lines = compact_lines(large, WIDE)
    rows = [line for line in lines if re.match(r"\d+ resid_pre", line)]
    assert [int(row.split()[0]) for row in rows] == list(range(13))
    assert "✗ 160×" in rows[0]
    assert "✗ 0.5 " in rows[2]
    assert rows[5].startswith("5 resid_pre  ? 0.125 nats")
    heads = "loss in loss past recon. sparsity SAE past features task task declared"
    assert lines[lines.index("") + 1].split() == heads.split()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_no_line_is_wider_than_the_screen(large, width):
    """But for commands, which are there to be copied."""
    lines = [*compact_lines(large, Screen(width)), *failed_lines(large.outcomes, Screen(width))]
    assert max(cell_len(line) for line in lines if "more: pytest" not in line) <= width


def test_what_has_no_room_is_named_and_failures_have_room_first(large):
    (line,) = (line for line in compact_lines(large, Screen(44)) if line.startswith("no room"))
    assert "✗" not in line
    assert "sparsity" in line


def in_long_units(topics: int) -> RunResult:
    """Of one SAE that is asked about so many topics, each in a unit of many letters."""
    one = release_result(1, broken={("kl", 0): 0.9})
    asked = [each for each in one.outcomes if each.check.name == "kl"][:1]
    outcomes = []
    for number in range(topics):
        check = replace(asked[0].check, topic=f"topic{number}", unit="kilowatt-hours")
        verdict = asked[0].verdict
        assert verdict is not None, "it was judged"
        limit = replace(verdict.limit, unit="kilowatt-hours")
        outcomes.append(replace(asked[0], check=check, verdict=replace(verdict, limit=limit)))
    return replace(one, outcomes=tuple(outcomes))


@pytest.mark.parametrize(
    ("topics", "shown"),
    [
        (1, ["✗ 0.9 kilowatt-hours"]),
        (4, ["✗ 0.9 kilowatt-hours"] * 4),
        (5, ["✗ 0.9 kilowatt-…"] * 5),
        (6, ["✗ 0.9 kilowat…"] * 5),
    ],
)
def test_columns_are_cut_only_where_there_is_no_room(topics, shown):
    lines = compact_lines(in_long_units(topics), WIDE)
    (row,) = (line for line in lines if line.startswith("0 resid_pre "))
    assert re.findall(r"✗ \S+ \S+", row) == shown
    assert cell_len(row) <= 100


@pytest.mark.parametrize("name", ["summary", "colours"])
def test_colours_change_nothing_but_colours(large, name):
    plain = compact_lines(large, WIDE)
    coloured = compact_lines(large, replace(WIDE, colour=True))
    assert any("\x1b[31m" in line for line in coloured)
    assert not any("\x1b" in line for line in plain)
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in coloured] == plain


def test_a_terminal_without_unicode_is_sent_none(large):
    screen = replace(WIDE, ascii_only=True)
    lines = [*compact_lines(large, screen), *failed_lines(large.outcomes, screen)]
    assert all(line.isascii() for line in lines)
    assert any(line.startswith("X layers 0-3, ") for line in lines)


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [
        ("utf-8", False),
        ("UTF8", False),
        ("ascii", True),
        ("latin-1", True),
        (None, True),
        ("no", True),
    ],
)
def test_whether_a_terminal_has_unicode_is_told_by_its_encoding(encoding, ascii_only):
    assert Screen.of(100, encoding, colour=False).ascii_only is ascii_only


def test_every_level_has_a_sign_of_its_own_in_either_encoding():
    """So that nothing hangs on a colour."""
    assert set(MARKS) == set(LEVELS)
    for signs in zip(*MARKS.values(), strict=True):
        assert len(set(signs)) == len(LEVELS)
    assert all(ascii_sign.isascii() for _, ascii_sign in MARKS.values())


def test_the_quietest_run_says_the_verdict_alone(large):
    assert " ".join(verdict_lines(large, WIDE)) == run_verdict(large).sentence


def test_a_failed_line_begins_with_value_and_limit(large):
    lines = failed_lines(large.outcomes, WIDE)
    assert "FAILED l2_ratio 0.5 < 0.83 fraction: check_l2_ratio[blocks.2.hook_resid_pre-1:127]" in (
        lines
    )
    assert lines[-1] == "and 48 tests more: -v lists all"
    narrow = failed_lines(large.outcomes, Screen(40))
    assert "FAILED l2_ratio 0.5 < 0.83 fraction: ch…" in narrow


def test_all_figures_show_of_a_check_the_test_that_the_matrix_ranks_first(large):
    """The claim, which decides, and not a range, however far beyond its limit."""
    growth = [each for each in large.outcomes if each.check.name == "delta_ce_growth"]
    claim = next(each.cell for each in growth if each.cell.family == "claim")
    within = next(each.cell for each in growth if each.cell.family == "range")
    both = (outcome("delta_ce_growth", within, 40.0), outcome("delta_ce_growth", claim, 3.0))
    (shown,) = (
        line
        for line in summary_lines(replace(large, outcomes=both))
        if line.startswith("  delta_ce_growth ")
    )
    assert shown.split() == ["delta_ce_growth", "3", "<=", "2", "at", "128:1022", "failed"]


def test_all_figures_end_with_the_verdict(large):
    assert summary_lines(large)[-1] == run_verdict(large).sentence


def test_ranges_have_lines_only_where_no_claim_fails():
    run = release_result(1, broken={("kl", 0): 0.9})
    claims = [o for o in run.outcomes if o.cell.family == "claim" and o.outcome == "failed"]
    ranges = [o for o in run.outcomes if o.cell.family == "range" and o.outcome == "failed"]
    assert len(failed_lines([*ranges, *claims], WIDE)) == 2  # the claim, and how many more
    assert failed_lines(ranges, WIDE)[0].startswith("FAILED kl 0.9 > 0.4 nats: check_kl[")


def test_failed_lines_are_cut_behind_the_gravest():
    """However many claims before them are undecided, or were not measured."""
    broken = {("kl", 12): 0.9, ("delta_ce", 11): 40.0}
    unsure = [("delta_ce", layer) for layer in range(11)] + [("l2_ratio", 3), ("l2_ratio", 4)]
    run = release_result(13, broken=broken, undecided=unsure)
    lost = replace(run.outcomes[0], outcome="error", verdict=None)
    lines = failed_lines([lost, *run.outcomes[1:]], WIDE)
    assert lines[:3] == [
        "FAILED delta_ce 40 > 0.35 nats: check_delta_ce[blocks.11.hook_resid_pre-1:127]",
        "FAILED kl 0.9 > 0.4 nats: check_kl[blocks.12.hook_resid_pre-1:127]",
        f"ERROR {lost.check.title} not measured: check_{lost.check.name}[{lost.cell}]",
    ]
    assert len(lines) == 13
    assert all(line.startswith("UNDECIDED ") for line in lines[3:12])
    assert lines[12].endswith(" tests more: -v lists all")


def test_the_line_of_an_undecided_claim_says_so(large):
    (line,) = (each for each in failed_lines(large.outcomes, WIDE) if "delta_ce[" in each)
    assert line == (
        "UNDECIDED delta_ce insufficient evidence: 0.125 nats against <= 0.35: "
        "check_delta_ce[blocks.5.hook_…"
    )


def test_nothing_in_a_name_reaches_the_terminal_as_it_is():
    refs = [replace(sae_ref(0), sae_id=HOSTILE), replace(sae_ref(1), sae_id="\x9b31m\u2066")]
    broken = {("kl", 0): 0.9, ("l2_ratio", 1): 0.1}
    run = release_result(refs=refs, name=HOSTILE, tasks=[HOSTILE], broken=broken)
    for screen in (WIDE, replace(WIDE, ascii_only=True)):
        for line in [*compact_lines(run, screen), *failed_lines(run.outcomes, screen)]:
            assert line.isprintable()
    assert any(r"\x1b[31mred" in line for line in compact_lines(run, WIDE))


@given(st.text(), st.booleans())
def test_a_text_of_anybodys_is_one_printable_line(text, ascii_only):
    shown = Screen(100, ascii_only=ascii_only).text(text)
    assert shown.isprintable()
    assert not ascii_only or shown.isascii()
    if text.isprintable() and not ascii_only:
        assert shown == text


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_cut_text_is_as_wide_as_it_may_be(text, width):
    screen = Screen(100)
    shown = screen.cut(screen.text(text), width)
    assert cell_len(shown) <= max(width, 1)
    assert cell_len(screen.filled(screen.text(text), max(width, 1))) == max(width, 1)


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (461.7, "times", "462×"),
        (0.01048, "nats", "0.0105 nats"),
        (-10.46, "nats", "-10.5 nats"),
        (95.0, "points", "95 pts"),
        (0.5519, "fraction", "0.552"),
        (4123.4, "times", "4,120×"),
        (1.5, "training contexts", "1.5 ctx"),
        (1.234e-7, "fraction", "1e-7"),
        (2.5e9, "times", "2e+9×"),
        (0.0, "fraction", "0"),
        (float("inf"), "times", "inf×"),
        (float("nan"), "times", "undefined"),
        (None, "times", "not measured"),
    ],
)
def test_short_values(value, unit, told):
    assert short_value(value, unit) == told

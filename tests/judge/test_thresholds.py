from __future__ import annotations

import tomllib
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds import (
    CheckLimits,
    Gate,
    KnownFailure,
    Limit,
    Margin,
    Override,
    Thresholds,
)
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds, read_thresholds
from sae_checks.judge.toml_table import line_of
from sae_checks.records import ModelLoading, PositionRange, SaeRef
from tests.places import cell_ref, place, where

CHECKS = {
    "delta_ce": CheckRules("nats"),
    "delta_ce_growth": CheckRules("times", ("floor",)),
    "l0": CheckRules("features"),
    "depth_trend": CheckRules("correlation"),
    "accuracy_drop": CheckRules("points"),
}

EXAMPLE = """\
[gate]
confidence = 0.9
claims_error = 0.03
ranges_error = 0.02
tasks = 5
undecided_claims = "pass"
undecided_ranges = "fail"
known_failures_strict = true

[checks.delta_ce]
max = 0.30
margin = 0.05
unit = "nats"
source = "a paper"

[[checks.delta_ce.override]]
release = "gpt2-small-*"
layer = [9, 10, 11]
max = 0.4
margin = 0.1
reason = "late layers"

[[checks.delta_ce.override]]
positions = "1:3"
report_only = true

[checks.delta_ce_growth]
max = 2
margin = 0.2
floor = 0.02
unit = "times"

[checks.depth_trend]
report_only = true
unit = "correlation"

[checks.accuracy_drop]
max = 5
margin = 3
unit = "points"

[[checks.accuracy_drop.override]]
task = "ioi*"
max = 2

[[known_failure]]
check = "delta_ce_growth"
release = "tales"
sae = "blocks.0.*"
positions = "64:255"
reason = "trained at 64 tokens"

[[known_failure]]
check = "accuracy_drop"
release = "tales"
task = "cbt-*"
reason = "long prompts"
"""


def test_example() -> None:
    assert parse_thresholds(EXAMPLE, CHECKS) == Thresholds(
        gate=Gate(0.9, 0.03, 0.02, 5, "pass", "fail", known_failures_strict=True),
        checks={
            "delta_ce": CheckLimits(
                Limit("nats", max=0.3, source="a paper", margin=0.05),
                (
                    Override(
                        where(release="gpt2-small-*", layer=(9, 10, 11)),
                        max=0.4,
                        margin=0.1,
                        reason="late layers",
                    ),
                    Override(where(positions=PositionRange(1, 3)), report_only=True),
                ),
            ),
            "delta_ce_growth": CheckLimits(
                Limit("times", max=2, parameters=(("floor", 0.02),), margin=0.2)
            ),
            "depth_trend": CheckLimits(Limit("correlation", report_only=True)),
            "accuracy_drop": CheckLimits(
                Limit("points", max=5, margin=3), (Override(where(task="ioi*"), max=2.0),)
            ),
        },
        known_failures=(
            KnownFailure(
                "delta_ce_growth",
                where(release="tales", sae="blocks.0.*", positions=PositionRange(64, 255)),
                "trained at 64 tokens",
            ),
            KnownFailure("accuracy_drop", where(release="tales", task="cbt-*"), "long prompts"),
        ),
    )


def test_an_empty_file_is_the_defaults() -> None:
    assert parse_thresholds("", CHECKS) == Thresholds()


def test_a_files_messages_name_it(tmp_path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("[gate]\nconfidence = 2\n")
    with pytest.raises(ThresholdsError) as error:
        read_thresholds(path, CHECKS)
    assert str(error.value) == (
        f"{path}, line 2: confidence of [gate] must lie between 0.5 and 1, got 2"
    )
    with pytest.raises(ThresholdsError, match=r"missing\.toml cannot be read: "):
        read_thresholds(tmp_path / "missing.toml", CHECKS)


HEAD = '[checks.delta_ce]\nmax = 0.3\nmargin = 0.1\nunit = "nats"\n'  # four lines

REFUSED = {
    "[gates]": '1: "gates" is no key (did you mean gate?); legal: checks, gate, known_failure',
    "[gate]\nconfidance = 0.9": (
        '2: "confidance" is no key of [gate] (did you mean confidence?); '
        "legal: claims_error, confidence, known_failures_strict, ranges_error, tasks, "
        "undecided_claims, undecided_ranges"
    ),
    "[gate]\nconfidence = true": "2: confidence of [gate] must be a number, got true",
    "[gate]\nundecided = 'pass'": (
        "2: undecided of [gate] is now undecided_claims and undecided_ranges, since an undecided "
        "claim is no longer a pass: give each of them fail or pass"
    ),
    "[gate]\nundecided_claims = 'faill'": (
        '2: undecided_claims of [gate] must be one of fail, pass; got "faill" (did you mean fail?)'
    ),
    "[gate]\nundecided_ranges = 'point_estimate'": (
        '2: undecided_ranges of [gate] must be one of fail, pass; got "point_estimate"'
    ),
    "[gate]\nclaims_error = 0": ("2: claims_error of [gate] must lie between 0 and 0.5, got 0"),
    "[gate]\nranges_error = 0.5": ("2: ranges_error of [gate] must lie between 0 and 0.5, got 0.5"),
    "[gate]\nconfidence = 0.5": ("2: confidence of [gate] must lie between 0.5 and 1, got 0.5"),
    "[gate]\ntasks = 0": "2: tasks of [gate] must be a whole number of 1 or more, got 0",
    "[gate]\ntasks = 1.5": ("2: tasks of [gate] must be an integer or a list of integers, got 1.5"),
    "[checks.l0]\nmax = 1\nunit = 'features'": (
        "1: [checks.l0] lacks margin: every limit says, in its own unit, the smallest excess over "
        "it that would matter; a cell passes when it is shown to lie within limit and margin"
    ),
    "[checks.l0]\nmax = 1\nmargin = 0\nunit = 'features'": (
        "3: margin of [checks.l0] must be above 0, got 0"
    ),
    "[checks.l0]\nreport_only = true\nunit = 'features'\n"
    "[[checks.l0.override]]\nlayer = 1\nmax = 3": (
        "4: [[checks.l0.override]] lacks margin: every limit says, in its own unit, the smallest "
        "excess over it that would matter; a cell passes when it is shown to lie within limit and "
        "margin"
    ),
    "[gate]\nknown_failures_strict = 1": (
        "2: known_failures_strict of [gate] must be true or false, got 1"
    ),
    "gate = 3": "1: gate of the file must be a table, got 3",
    "\n[checks.delta_cee]\nmax = 1": (
        '2: "delta_cee" is no check of [checks] (did you mean delta_ce?); '
        "legal: accuracy_drop, delta_ce, delta_ce_growth, depth_trend, l0"
    ),
    "[checks.l0]\nmax = 1": (
        '1: unit of [checks.l0] is missing, but this check measures in "features"'
    ),
    "[checks.l0]\nmax = 1\nunit = 'nats'": (
        '3: unit of [checks.l0] is "nats", but this check measures in "features"'
    ),
    "[checks.l0]\nunit = 'features'": (
        "1: [checks.l0] limits nothing: give it a min or a max, or report_only = true"
    ),
    "[checks.l0]\nmax = nan\nunit = 'features'": (
        "2: max of [checks.l0] must be a finite number, got nan"
    ),
    "[checks.l0]\nmax = '1'\nunit = 'features'": (
        '2: max of [checks.l0] must be a number, got "1"'
    ),
    "[checks.l0]\nmax = 1\nmin = 2\nunit = 'features'": (
        "3: min of [checks.l0] is 2, above max, which is 1"
    ),
    "[checks.l0]\nmax = 1\nreport_only = true\nunit = 'features'": (
        "3: report_only of [checks.l0] is true, but there is also a limit: keep one of the two"
    ),
    "[checks.l0]\nmax = 1\nfloor = 2\nunit = 'features'": (
        '3: "floor" is no key of [checks.l0]; legal: equivalence, margin, max, min, override, '
        "regression, report_only, source, unit"
    ),
    "[checks.delta_ce_growth]\nmax = 1\nunit = 'times'": (
        "1: [checks.delta_ce_growth] lacks floor, which this check needs"
    ),
    HEAD + "[[checks.delta_ce.override]]\nmax = 1": (
        "5: [[checks.delta_ce.override]] selects nothing: "
        "give it release, sae, layer, site, positions or task"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nreason = 'why'": (
        "5: [[checks.delta_ce.override]] sets nothing: give it min, max, margin, report_only, "
        "regression or equivalence"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nmin = 1": (
        "5: [[checks.delta_ce.override]] leaves min 1 above max 0.3"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1.5\nmax = 1": (
        "6: layer of [[checks.delta_ce.override]] must be an integer or a list of integers, got 1.5"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = []\nmax = 1": (
        "6: layer of [[checks.delta_ce.override]] must be an integer or a list of integers, got []"
    ),
    HEAD + "[[checks.delta_ce.override]]\nlayer = 1\nmax = 1\n"
    "[[checks.delta_ce.override]]\npositions = '9'\nmax = 1": (
        '9: positions of [[checks.delta_ce.override]] is malformed: "9" is not a range of '
        'positions: write first:last, such as "16:127"'
    ),
    HEAD + "override = 1": (
        "5: override of [checks.delta_ce] must be an array of tables, "
        "written [[checks.delta_ce.override]]"
    ),
    "[checks.l0]\nreport_only = true\nunit = 'features'\n"
    "[[checks.l0.override]]\nlayer = 1\nreport_only = false": (
        "6: report_only of [[checks.l0.override]] is false, but there is no min or max to judge by"
    ),
    HEAD + "equivalence = {by = 0.1, worse = 'higher'}": (
        '5: "worse" is no key of [checks.delta_ce.equivalence]; legal: by, share'
    ),
    HEAD + "equivalence = {}": (
        "5: [checks.delta_ce.equivalence] allows nothing: give it by, share or both"
    ),
    HEAD + "equivalence = {share = -1}": (
        "5: share of [checks.delta_ce.equivalence] must be 0 or more, got -1"
    ),
    "[[known_failure]]\ncheck = 'regression of equivalence'\nrelease = '*'\nreason = 'r'": (
        "2: check of [[known_failure]] must be one of accuracy_drop, delta_ce, delta_ce_growth, "
        'depth_trend, equivalence, l0, regression; got "regression of equivalence" '
        "(did you mean equivalence?)"
    ),
    "[[known_failure]]\ncheck = 'l0'": "1: [[known_failure]] lacks release and reason",
    "[[known_failure]]\ncheck = 'l1'\nrelease = '*'\nreason = 'r'": (
        "2: check of [[known_failure]] must be one of accuracy_drop, delta_ce, "
        'delta_ce_growth, depth_trend, equivalence, l0, regression; got "l1"'
    ),
    "[[known_failure]]\ncheck = 'l0'\nrelease = 3\nreason = 'r'": (
        "3: release of [[known_failure]] must be a text in quotes, got 3"
    ),
    "[[known_failure]]\ncheck = 'l0'\nrelease = '*'\nlayer = 1\nreason = 'r'": (
        '4: "layer" is no key of [[known_failure]]; '
        "legal: bound, check, expires, positions, reason, release, sae, task"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text) -> None:
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds(text, CHECKS)
    assert str(error.value) == f"thresholds.toml, line {REFUSED[text]}"


def test_toml_errors_keep_their_line() -> None:
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds("[gate]\nconfidence 0.9\n", CHECKS)
    assert str(error.value) == (
        "thresholds.toml is not valid TOML: "
        "Expected '=' after a key in a key/value pair (at line 2, column 12)"
    )


LINES = '''\
# [checks.a]

top = """
[checks.a]
max = 1
"""
[checks.a]  # 7
list = [
    "]", 3,
    [9, 10],
]
max = 2  # 12

[[checks.a.override]]  # 14
layer = 1
[[checks.a.override]]
layer = 2  # 17
inner.deep = { x = 1, y = 2 }  # 18
[checks]  # 19
b = 'text # [checks.c]'  # 20
'''


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 3),
        (("checks",), 7),
        (("checks", "a"), 7),
        (("checks", "a", "list"), 8),
        (("checks", "a", "max"), 12),
        (("checks", "a", "override", 0), 14),
        (("checks", "a", "override", 1), 16),
        (("checks", "a", "override", 1, "layer"), 17),
        (("checks", "a", "override", 1, "inner", "deep", "y"), 18),
        (("checks", "b"), 20),
        ((), 1),
    ],
)
def test_lines_of_values(path, line, newline) -> None:
    assert line_of(LINES.replace("\n", newline), path) == line


def limit(thresholds: Thresholds, **cell) -> Limit:
    return thresholds.limit("delta_ce", place(cell.pop("release", "gpt2-small-res-jb"), **cell))


def test_limits_of_cells() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    assert limit(thresholds, layer=3).max == 0.3
    assert limit(thresholds, layer=9).max == 0.4
    assert limit(thresholds, layer=9).source == "late layers"
    assert limit(thresholds, layer=9, release="gemma").max == 0.3
    assert limit(thresholds, layer=9, positions=PositionRange(2, 3)).report_only
    assert limit(thresholds, layer=9, positions=PositionRange(2, 3)).max is None
    assert limit(thresholds, layer=9, positions=PositionRange(2, 4)).max == 0.4
    assert thresholds.limit("delta_ce_growth", place("any")).parameters == (("floor", 0.02),)


def test_limits_of_tasks() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    of = {
        task: thresholds.limit("accuracy_drop", place("any", task=task)).max
        for task in ("ioi", "ioi-long", "lambada", None)
    }
    assert of == {"ioi": 2, "ioi-long": 2, "lambada": 5, None: 5}


def test_a_check_without_a_limit_is_refused() -> None:
    with pytest.raises(ThresholdsError) as error:
        Thresholds().limit("l0", place("any"))
    assert str(error.value) == (
        "the thresholds have no table [checks.l0]: give it a min or a max, or report_only = true"
    )


def test_overrides_that_contradict_each_other_are_refused() -> None:
    overrides = (Override(where(layer=(1,)), min=2.0), Override(where(site="mlp*"), max=1.0))
    thresholds = Thresholds(checks={"l0": CheckLimits(Limit("features", min=0.0), overrides)})
    assert thresholds.limit("l0", place("any", layer=1, site="attn")).min == 2
    with pytest.raises(ThresholdsError) as error:
        thresholds.limit("l0", place("any", "blocks.1.mlp", 1, "mlp", PositionRange(1, 3), "ioi"))
    assert str(error.value) == (
        "the overrides of l0 that match blocks.1.mlp 1:3 ioi leave min 2 above max 1: "
        "change one of them"
    )


def test_margins_by_what_is_asked() -> None:
    """Worse follows from the limit; what is to be the same may change in no direction."""
    of_override = "[[checks.delta_ce.override]]\nlayer = 1\nequivalence = {share = 0.2}"
    margins = "regression = {by = 0.1}\nequivalence = {by = 0.01, share = 0.02}\n"
    thresholds = parse_thresholds(HEAD + margins + of_override, CHECKS)
    found = limit(thresholds)
    assert found.compared("regression") == Margin("higher", 0.1, 0.0)
    assert found.compared("equivalence") == Margin("either", 0.01, 0.02)
    found = limit(thresholds, layer=1)
    assert found.compared("regression") == Margin("higher", 0.1, 0.0)
    assert found.compared("equivalence") == Margin("either", 0.0, 0.2)
    assert limit(parse_thresholds(EXAMPLE, CHECKS)).compared("equivalence") is None


@pytest.mark.parametrize("question", ["regression", "equivalence"])
def test_known_failures_of_comparisons(question) -> None:
    at = place("any", "blocks.1.hook")
    for check, covers in ((question, True), (f"{question} of l0", True), ("l0", False)):
        text = f"[[known_failure]]\ncheck = '{check}'\nrelease = '*'\nreason = 'r'"
        thresholds = parse_thresholds(text, CHECKS)
        found = thresholds.known_failure(f"{question} of l0", at)
        assert (found is not None) is covers
        assert thresholds.known_failure("regressions of l0", at) is None


def test_an_overrides_limit_makes_a_report_a_gate() -> None:
    override = Override(where(sae="blocks.1.*"), max=3.0)
    thresholds = Thresholds(
        checks={"l0": CheckLimits(Limit("features", report_only=True), (override,))}
    )
    assert not thresholds.limit("l0", place("any", "blocks.1.hook")).report_only
    assert thresholds.limit("l0", place("any", "blocks.2.hook")).report_only
    assert thresholds.limit("l0", place("any")).report_only  # a release is no SAE that matches


def test_known_failures() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    known = thresholds.known_failures[0]
    inside, outside = PositionRange(64, 79), PositionRange(32, 64)
    sae = "blocks.0.hook_resid_pre"
    covered = {"release": "tales", "sae": sae, "positions": inside}
    assert thresholds.known_failure("delta_ce_growth", place(**covered)) is known
    assert thresholds.known_failure("l0", place(**covered)) is None
    for change in (
        {"positions": outside},
        {"positions": None},
        {"release": "Tales"},
        {"sae": None},
    ):
        assert thresholds.known_failure("delta_ce_growth", place(**covered | change)) is None
    everywhere = KnownFailure("l0", where(release="*"), "why")
    assert everywhere.matches("l0", place("any"))
    assert everywhere.matches("l0", place(**covered))
    assert everywhere.matches("l0", place("any", task="ioi"))


def test_a_known_failure_of_all_saes_is_of_the_release_too() -> None:
    for sae, covers in (('sae = "*"\n', True), ("", True), ('sae = "?*"\n', False)):
        text = f'[[known_failure]]\ncheck = "l0"\nrelease = "*"\nreason = "r"\n{sae}'
        (entry,) = parse_thresholds(text, CHECKS).known_failures
        assert entry.matches("l0", place("any", "blocks.1.hook"))
        assert entry.matches("l0", place("any")) is covers


def test_known_failures_of_tasks() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    known = thresholds.known_failures[1]
    for at, covers in [
        (place("tales", "blocks.0.hook_resid_pre", task="cbt-common-nouns"), True),
        (place("tales", task="cbt-common-nouns"), True),
        (place("tales", task="lambada"), False),
        (place("tales"), False),
    ]:
        assert thresholds.known_failure("accuracy_drop", at) is (known if covers else None)


@pytest.mark.parametrize(
    ("positions", "task", "shown"),
    [
        (None, None, "blocks.1.mlp"),
        (PositionRange(1, 3), None, "blocks.1.mlp-1:3"),
        (None, "ioi", "blocks.1.mlp-ioi"),
    ],
)
def test_a_cells_place(positions, task, shown) -> None:
    loading = ModelLoading("tiny")
    sae = SaeRef("blocks.1.mlp", "blocks.1.mlp", 1, "mlp", 4, 2, 8, "standard", loading, "", "")
    cell = cell_ref("sae", "any", sae, positions, task)
    assert str(cell) == shown
    assert cell.place == place("any", "blocks.1.mlp", 1, "mlp", positions, task, "blocks.1.mlp")
    whole = cell_ref("release", "any", None, positions, task)
    assert str(whole) == shown.replace("blocks.1.mlp", "any")
    assert whole.place == place("any", positions=positions, task=task)


# --- Laws --------------------------------------------------------------------------------------

numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6)).map(float)
strings = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
ranges = st.tuples(st.integers(1, 500), st.integers(0, 500)).map(
    lambda pair: PositionRange(pair[0], pair[0] + pair[1])
)


excesses = st.floats(1e-3, 1e3)


@st.composite
def bounds(draw):
    low, high = sorted([draw(numbers), draw(numbers)])
    return draw(st.sampled_from([(low, None), (None, high), (low, high)]))


@st.composite
def limits(draw, rules: CheckRules) -> Limit:
    parameters = tuple((name, draw(numbers)) for name in sorted(rules.parameters))
    if draw(st.booleans()):
        return Limit(rules.unit, None, None, True, parameters, draw(strings))
    return Limit(rules.unit, *draw(bounds()), False, parameters, draw(strings), draw(excesses))


@st.composite
def overrides(draw, limit: Limit) -> Override:
    low, high = draw(st.one_of(st.just((None, None)), bounds()))
    override = Override(
        where(
            release=draw(st.none() | strings),
            sae=draw(st.none() | strings),
            layer=draw(st.none() | st.lists(st.integers(0, 40), min_size=1).map(tuple)),
            site=draw(st.none() | strings),
            positions=draw(ranges),
            task=draw(st.none() | strings),
        ),
        min=low,
        max=high,
        report_only=True if low is None and high is None else draw(st.sampled_from([None, False])),
        parameters=draw(st.sampled_from([(), limit.parameters])),
        reason=draw(strings),
        margin=draw(excesses),
    )
    result = override.apply(limit)
    assume(result.min is None or result.max is None or result.min <= result.max)
    return override


@st.composite
def thresholds_of(draw) -> Thresholds:
    checks = {}
    for name in draw(st.lists(st.sampled_from(sorted(CHECKS)), unique=True)):
        limit = draw(limits(CHECKS[name]))
        checks[name] = CheckLimits(limit, tuple(draw(st.lists(overrides(limit), max_size=2))))
    known = st.builds(
        KnownFailure,
        check=st.sampled_from(sorted(CHECKS)),
        where=st.builds(
            where,
            release=strings.filter(bool),
            sae=st.none() | strings.filter(lambda text: text != "*"),  # which is as without
            positions=st.none() | ranges,
            task=st.none() | strings,
        ),
        reason=strings.filter(bool),
    )
    gate = st.builds(
        Gate,
        confidence=st.floats(0.51, 0.99),
        claims_error=st.floats(0.001, 0.49),
        ranges_error=st.floats(0.001, 0.49),
        tasks=st.integers(1, 9),
        undecided_claims=st.sampled_from(["fail", "pass"]),
        undecided_ranges=st.sampled_from(["fail", "pass"]),
        known_failures_strict=st.booleans(),
    )
    return Thresholds(draw(gate), checks, tuple(draw(st.lists(known, max_size=2))))


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def rendered(header: str, record: object) -> str:
    """A record as a TOML table: its fields are the table's keys."""
    fields = dict(vars(record))
    fields.update(fields.pop("parameters", ()))
    lines = [f"{name} = {pattern.toml}" for name, pattern in fields.pop("where", {}).items()]
    if fields.get("margin") == 0:  # of what is only reported
        del fields["margin"]
    lines += [f"{key} = {written(value)}" for key, value in fields.items() if value is not None]
    return "\n".join([header, *lines, ""])


def to_toml(thresholds: Thresholds) -> str:
    parts = [rendered("[gate]", thresholds.gate)]
    for name, check in thresholds.checks.items():
        parts.append(rendered(f"[checks.{name}]", check.limit))
        parts += [rendered(f"[[checks.{name}.override]]", each) for each in check.overrides]
    parts += [rendered("[[known_failure]]", each) for each in thresholds.known_failures]
    return "\n".join(parts)


@given(thresholds_of())
def test_what_is_written_parses_back(thresholds) -> None:
    assert parse_thresholds(to_toml(thresholds), CHECKS) == thresholds


@given(thresholds_of(), st.text("abcdefghijklmnop_", min_size=1, max_size=9), st.data())
def test_a_junk_key_is_named_with_its_line(thresholds, junk, data) -> None:
    legal = "gate checks known_failure confidence undecided known_failures_strict min max unit"
    legal += " margin tasks equivalence regression"
    legal += " source report_only override floor release sae layer site positions task reason check"
    assume(junk not in legal.split())
    lines = to_toml(thresholds).split("\n")
    headers = [number for number, line in enumerate(lines) if line.startswith("[")]
    at = data.draw(st.sampled_from(headers)) + 1
    lines.insert(at, f"{junk} = 1")
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds("\n".join(lines), CHECKS)
    assert f'line {at + 1}: "{junk}" is no key of {lines[at - 1]}' in str(error.value)


@given(st.lists(numbers, min_size=1, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_last_override_that_matches_wins(values, matching) -> None:
    each = tuple(
        Override(where(layer=(3 if matches else 4,)), max=value)
        for value, matches in zip(values, matching, strict=False)
    )
    thresholds = Thresholds(checks={"l0": CheckLimits(Limit("features", max=7.5), each)})
    winners = [value for value, matches in zip(values, matching, strict=False) if matches]
    assert thresholds.limit("l0", place("any", layer=3)).max == (winners[-1] if winners else 7.5)


@given(thresholds_of(), st.data())
def test_every_line_is_found(thresholds, data) -> None:
    text = to_toml(thresholds)
    for name in tomllib.loads(text).get("checks", {}):
        line = line_of(text, ("checks", name, "unit"))
        assert text.split("\n")[line - 1].startswith("unit = ")
        assert f"[checks.{name}]" in text.split("\n")[:line]


def test_of_several_accepted_failures_the_narrowest_counts() -> None:
    """A claim's entry covers the ranges within it too: theirs have bounds of their own."""
    claim = KnownFailure(
        "l0", where(release="*", positions=PositionRange(64, 254)), "claim", bound=2.0
    )
    part = KnownFailure(
        "l0", where(release="*", positions=PositionRange(128, 254)), "range", bound=3.0
    )
    every = KnownFailure("l0", where(release="*"), "all")
    thresholds = Thresholds(known_failures=(every, claim, part))
    for positions, found in (((128, 254), part), ((64, 254), claim), ((1, 63), every)):
        at = place("any", "sae", positions=PositionRange(*positions))
        assert thresholds.known_failure("l0", at) is found
    at = place("any", "sae", positions=PositionRange(128, 254))
    limit = Limit("features", max=1.0, margin=0.1)
    assert thresholds.accepts("l0", at, 2.5, limit, date(2026, 1, 1))
    assert not thresholds.accepts("l0", at, 3.5, limit, date(2026, 1, 1))

"""JUnit files compared: ids, outcomes, properties, messages up to paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.equality.comparison import EqualityError
from tests.equality.junit import compare_cases, read_cases, without_paths

PASSED = '<testcase classname="c" name="one"><properties>{}</properties></testcase>'
VALUE = '<property name="value" value="{}" /><property name="unit" value="nats" />'
FAILED = '<testcase classname="c" name="two"><failure message="{}">{}</failure></testcase>'
ACCEPTED = (
    '<testcase classname="c" name="two"><skipped type="pytest.xfail" message="m" /></testcase>'
)


def write(path: Path, *cases: str) -> Path:
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", "utf-8")
    return path


def compare(tmp_path: Path, old: tuple[str, ...], new: tuple[str, ...]):
    """The comparisons that found differences: how many by name, and the sentences."""
    sides = [write(tmp_path / f"{n}.xml", *cases) for n, cases in (("old", old), ("new", new))]
    found = compare_cases(*(read_cases(path) for path in sides))
    assert [c.what for c in found] == ["test cases", "outcomes", "properties", "messages"]
    return {c.what: (dict(c.differing), c.first) for c in found if c.differences}


ONE, TWO = PASSED.format(VALUE.format("0.1")), FAILED.format("no", "first&#10;/a/b/c.py:7: x")


def test_equal_files(tmp_path):
    assert compare(tmp_path, (ONE, TWO), (TWO, ONE)) == {}
    found = compare_cases(*[read_cases(tmp_path / "old.xml")] * 2)
    assert [comparison.compared for comparison in found] == [2, 2, 2, 1]


def test_a_property_differs_by_its_text(tmp_path):
    found = compare(tmp_path, (ONE,), (PASSED.format(VALUE.format("0.10")),))
    assert found == {"properties": ({"value": 1}, ("c::one, value: '0.1' became '0.10'",))}


def test_a_property_is_missing(tmp_path):
    found = compare(tmp_path, (PASSED.format(""),), (ONE,))
    assert found == {
        "properties": (
            {"unit": 1, "value": 1},
            ("c::one, unit: None became 'nats'", "c::one, value: None became '0.1'"),
        )
    }


def test_an_outcome_differs(tmp_path):
    found = compare(tmp_path, (ONE, TWO), (ONE, ACCEPTED))
    assert found["outcomes"] == ({"outcome": 1}, ("c::two: 'failed' became 'xfailed'",))


def test_ids_differ(tmp_path):
    renamed = ONE.replace('"one"', '"three"')
    assert compare(tmp_path, (ONE, TWO), (renamed, TWO)) == {
        "test cases": (
            {"ids": 2},
            (
                "c::one: only the old run has this test case",
                "c::three: only the new run has this test case",
            ),
        )
    }


def test_messages_differ(tmp_path):
    other = FAILED.format("no", "first&#10;/a/b/c.py:7: y")
    found = compare(tmp_path, (TWO,), (other,))
    assert found == {"messages": ({"message": 1}, ("c::two: '<path>: x' became '<path>: y'",))}
    longer = TWO.replace(": x", ": x&#10;more")
    found = compare(tmp_path, (TWO,), (longer,))
    assert found["messages"][1] == ("c::two: only the new one has the line 'more'",)


def test_messages_are_equal_up_to_paths(tmp_path):
    moved = FAILED.format("no", "first&#10;/elsewhere/d.py:9: x")
    assert compare(tmp_path, (TWO,), (moved,)) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("in /tmp/old/checks/c.py:12: 0.1/0.2", "in <path>: 0.1/0.2"),
        ("tables: /my folder/store/m-1", "tables: <path>"),
        ("1 / 2 nats/token, x/y/z, https://a.b/c/d", "1 / 2 nats/token, x/y/z, https://a.b/c/d"),
        ("(/a/b), '/a/b/'", "(<path>), '<path>'"),
    ],
)
def test_only_paths_are_hidden(text, told):
    assert without_paths(text, (Path("/my folder"),)) == told


def test_refusals_are_sentences(tmp_path):
    path = write(tmp_path / "j.xml")
    with pytest.raises(EqualityError) as caught:
        read_cases(path)
    assert str(caught.value) == f"{path} holds no test case; see the log of the run beside it"
    write(path, ONE, ONE)
    with pytest.raises(EqualityError) as caught:
        read_cases(path)
    assert str(caught.value) == f"{path} holds 2 test cases, but 1 ids"

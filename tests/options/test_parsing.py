"""What is said of options that cannot be understood, before anything is looked for."""

from __future__ import annotations

import argparse

import pytest

from sae_checks.options import OPTIONS
from sae_checks.options.parsing import name_or_path, path, task_names

LONG = "n" * 5_000
NAMES = [option for option in OPTIONS if option.parse in (name_or_path, path)]


def refusal(parse, text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize("option", NAMES, ids=lambda option: option.name)
@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_no_name(option, text):
    """Empty, as of a variable that is not set, it would be the working directory."""
    assert refusal(option.parse, text) == f"must be a name or a path, not {text!r}"


@pytest.mark.parametrize(
    ("text", "shown", "said"),
    [
        (LONG, LONG[:80] + "…", "File name too long"),
        ("~nobody-here/x", "~nobody-here/x", "Could not determine home directory"),
    ],
    ids=["too_long", "no_home"],
)
@pytest.mark.parametrize("option", NAMES, ids=lambda option: option.name)
def test_what_no_file_can_be_called(option, text, shown, said):
    assert refusal(option.parse, text) == f"must be a name or a path, not {shown!r}: {said}"


def test_a_zero_byte_is_in_no_name():
    assert refusal(path, "a\0b").startswith("must be a name or a path, not 'a\\x00b': ")


def test_names_of_files_among_tasks_are_looked_at_too():
    assert refusal(task_names, f"lambada,{LONG}.jsonl").endswith(": File name too long")
    assert task_names("lambada, none.jsonl") == ("lambada", "none.jsonl")


def test_what_is_there_is_a_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert name_or_path("here") == str(tmp_path / "here")
    assert name_or_path("not-here") == "not-here"
    assert path("not-here") == tmp_path / "not-here"

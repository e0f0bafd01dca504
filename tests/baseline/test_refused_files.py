"""Files that were edited, cut or made wrong are refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sae_checks.baseline.file import checksum_of, read_baseline
from sae_checks.errors import BaselineError
from tests.baseline.test_file import BASELINE, SAE, TEXT

HINT = "restore it, or write it anew with --sae-baseline-update"


def refusal(path: Path) -> str:
    with pytest.raises(BaselineError) as caught:
        read_baseline(path)
    return str(caught.value)


def test_another_format_is_refused(tmp_path: Path):
    path = tmp_path / "base.json"
    path.write_text(TEXT.replace('"format": 3', '"format": 2'), encoding="utf-8")
    assert refusal(path) == (
        f"the baseline {path} is of format 2, this is format 3; write it anew with "
        "--sae-baseline-update"
    )


def test_a_missing_file_is_told(tmp_path: Path):
    path = tmp_path / "base.json"
    assert refusal(path) == (
        f"the baseline {path} cannot be read (FileNotFoundError: [Errno 2] No such file or "
        f"directory: '{path}'); {HINT}"
    )


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("0.30000000000000004", "0.5"),
        ("[-16,", "[-12,"),
        ("AEAA4AAA", "AEAA4AAB"),
        ('"floor": 0.02', '"floor": 0.2'),
        ('"abc"', '"abd"'),
        ('"provenance.seed": 0', '"provenance.seed": 1'),
        ("2026-12-31", "2027-01-01"),
        ("sha256:", "sha256:0"),
    ],
)
def test_what_was_edited_by_hand_is_refused(tmp_path: Path, was: str, now: str):
    path = tmp_path / "base.json"
    path.write_text(TEXT.replace(was, now, 1), encoding="utf-8")
    assert refusal(path) == (
        f"the baseline {path} was changed after it was written: its checksum is not that of what "
        f"it holds; {HINT}"
    )


def test_a_line_that_was_cut_out_is_refused(tmp_path: Path):
    path = tmp_path / "base.json"
    lines = TEXT.splitlines(keepends=True)
    kept = [line for line in lines if "160:191" not in line]
    assert len(kept) == len(lines) - 1
    path.write_text("".join(kept), encoding="utf-8")
    assert "was changed after it was written" in refusal(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_other_line_ends_change_nothing(tmp_path: Path, line_end: str):
    """As a repository may check it out."""
    path = tmp_path / "base.json"
    path.write_bytes(TEXT.replace("\n", line_end).encode())
    assert read_baseline(path).cells.keys() == BASELINE.cells.keys()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[: len(text) // 2], "JSONDecodeError: "),
        (lambda text: "", "JSONDecodeError: Expecting value"),
        (lambda text: "[]", "TypeError: list indices must be integers"),
        (lambda text: "{}", "KeyError: 'format'"),
        # As a merge leaves it.
        (lambda text: text.replace("  [", "<<<<<<< HEAD\n  [", 1), "JSONDecodeError: "),
    ],
    ids=["cut", "empty", "list", "no_format", "merge"],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage: Callable[[str], str], why: str):
    path = tmp_path / "base.json"
    path.write_text(damage(TEXT), encoding="utf-8")
    told = refusal(path)
    assert told.startswith(f"the baseline {path} cannot be read ({why}")
    assert told.endswith(f"); {HINT}")


def test_what_is_no_text_is_told(tmp_path: Path):
    path = tmp_path / "base.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read (UnicodeDecodeError: " in refusal(path)


def resigned(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A file that was made wrong, with a checksum that fits."""
    content = json.loads(TEXT)
    change(content)
    path.write_text(json.dumps(content | {"checksum": checksum_of(content)}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content.pop("cells"), "KeyError: 'cells'"),
        (lambda content: content["saes"][0].pop(), "TypeError: "),
        (lambda content: content["cells"][0].pop(2), "ValueError: invalid literal for int()"),
        (lambda content: content["cells"][0][1].pop(), "ValueError: zip() argument 2 is shorter"),
        (lambda content: content["checks"][0][3].pop(), "ValueError: zip() argument 2 is longer"),
        (lambda content: content["checks"][0].pop(), "ValueError: not enough values"),
        (lambda content: content["influences"].pop(), "ValueError: zip() argument 2 is shorter"),
        (lambda content: content["influences"][0].pop(), "ValueError: not enough values"),
        (lambda content: content["influences"].__setitem__(0, [0, "?"]), "Error: "),
        (lambda content: content["influences"].__setitem__(0, [0, "AA=="]), "ValueError: buffer"),
        (lambda content: content["checks"].pop(), "KeyError: 'kl'"),
    ],
)
def test_what_has_another_form_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str
):
    path = resigned(tmp_path / "base.json", change)
    told = refusal(path)
    assert told.startswith(f"the baseline {path} cannot be read (")
    assert why in told
    assert told.endswith(f"); {HINT}")


def with_cell(number: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    """Change parts of a cell's row, or its influences."""
    names = ("check", "place", "value", "texts", "tokens", "units")

    def change(content: dict[str, Any]) -> None:
        for name, value in changes.items():
            if name == "influences":
                content["influences"][number] = value
            else:
                content["cells"][number][names.index(name)] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            with_cell(1, value=None),
            f"delta_ce_growth of {SAE} 128:159: its value is nan and no rea",
        ),
        (
            with_cell(1, value=math.nan),
            f"delta_ce_growth of {SAE} 128:159: its value is nan and no reason is given",
        ),
        (
            with_cell(0, value=math.inf),
            f"accuracy_drop of {SAE} lambada: its value is inf and no reason is given",
        ),
        (
            with_cell(2, influences=[2000, "AEAA4AAA"]),
            f"delta_ce_growth of {SAE} 160:191: its influences have the exponent 2000",
        ),
        (
            with_cell(4, influences=[-16, "AEAA4AAA"]),
            f"kl of {SAE} 128:159: it has 3 influences, but no value",
        ),
        (
            with_cell(1, influences=[0, ""]),
            f"delta_ce_growth of {SAE} 128:159: it has a value, but no influences",
        ),
        (
            with_cell(1, units=4),
            f"delta_ce_growth of {SAE} 128:159: it has 3 influences of 4 units",
        ),
        (
            with_cell(2, influences=[-16, "AEAA4A=="]),
            f"delta_ce_growth of {SAE} 160:191: it has 2 influences, others on texts have 3",
        ),
        (
            with_cell(0, influences=[-16, "AEAA4AAA" * 7]),
            f"accuracy_drop of {SAE} lambada: it has influences of 21 groups of 20",
        ),
    ],
    ids=[
        "none",
        "nan",
        "inf",
        "huge",
        "without_value",
        "none_at_all",
        "few",
        "other_length",
        "groups",
    ],
)
def test_cells_that_would_hide_a_regression_are_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
):
    """A NaN would make every difference undecided, which passes."""
    path = resigned(tmp_path / "base.json", change)
    assert refusal(path).startswith(f"the baseline {path} is damaged at {told}")
    assert refusal(path).endswith(f"; {HINT}")

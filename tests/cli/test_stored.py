"""Commands on stored tables: report, accept, card, compare; and how a folder is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sae_checks.cli import main
from sae_checks.cli.folders import measurement_folder
from sae_checks.errors import UserError
from tests import stored


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two measurements: one in which nothing fails, one whose first layer breaks past context."""
    root = tmp_path_factory.mktemp("stored")
    stored.write_measurement(root / "good")
    stored.write_measurement(root / "broken", delta_ce=stored.broken_past_context)
    return root


def test_a_report_by_the_ending_of_its_file(store, tmp_path, capsys):
    for name, begins in (
        ("run.html", "<!DOCTYPE html>"),
        ("run.txt", "blocks.0.hook_resid_pre"),
        ("run.toml", "[[known_failure]]"),
    ):
        file = tmp_path / name
        assert main(["report", str(store / "broken"), "-o", str(file)]) == 0
        assert capsys.readouterr().out == f"written to {file}\n"
        assert begins.lower() in file.read_text(encoding="utf-8")[:400].lower()


def test_a_report_at_the_terminal(store, capsys):
    assert main(["report", str(store / "good")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("passed: ")
    assert len(lines) < 30
    assert main(["report", str(store / "good"), "--format", "summary"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (title,) = [line for line in lines if line.startswith("blocks.1.hook_resid_pre: ")]
    assert title == "blocks.1.hook_resid_pre: 10 reported, 101 passed"
    assert [line for line in lines if line.startswith(("  silent_features", "  l0 "))][2:] == [
        "  silent_features                      0 no limit     at 1:15        reported",
        "  l0                                  20 1 to 100     at 1:15        passed",
    ]


def test_a_format_that_does_not_exist(store, tmp_path, capsys):
    assert main(["report", str(store / "good"), "--format", "sumary"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "sae-checks: there is no format 'sumary' (did you mean summary?); a file ends with .html"
    )
    assert main(["report", str(store / "good"), "--format", ""]) == 2
    assert capsys.readouterr().err == (
        "sae-checks: there is no format ''; a file ends with .html, .md, .txt, .toml, and --format "
        "takes compact, summary, markdown, page, card, accepted-failures\n"
    )
    assert main(["report", str(store / "good"), "-o", str(tmp_path / "run.pdf")]) == 2
    assert "there is no format for" in capsys.readouterr().err


def test_failures_become_accepted_ones(store, tmp_path, capsys):
    file = tmp_path / "accepted.toml"
    assert main(["accept", str(store / "broken"), "-o", str(file)]) == 0
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["known_failure"]
    assert {entry["check"] for entry in entries} == {"delta_ce_growth", "usable_context"}
    told = capsys.readouterr().out
    assert told.endswith(f"{len(entries)} failures for review: give each a reason of yours\n")
    # With them, nothing fails any more.
    words = ["accept", str(store / "broken"), "--sae-thresholds", str(file)]
    assert main(words) == 0
    assert capsys.readouterr().out == "nothing fails that is not accepted already\n"


def test_releases_side_by_side(store, capsys):
    assert main(["compare", str(store / "good"), str(store / "broken")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"made-up (1): {measurement_folder(store / 'good')}"
    assert "different settings" not in "".join(lines)
    (row,) = [line.split() for line in lines if line.startswith("delta_ce_growth ")]
    assert (row[3], row[6]) == ("passed", "failed")
    (row,) = [line.split() for line in lines if line.startswith("duplicate_features ")]
    assert (row[3], row[6]) == ("reported", "reported")


def test_comparing_draws_a_page_and_needs_two(store, tmp_path, capsys):
    page = tmp_path / "both.html"
    folders = [str(store / "good"), str(store / "broken")]
    assert main(["compare", *folders, "-o", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"page: {page}"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert main(["compare", str(store / "good")]) == 2
    assert "compare needs two folders or more" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["c.md", "c", "c.html.txt"])
def test_a_comparison_is_a_page_and_nothing_else(tmp_path, capsys, name):
    """Told before anything is read: there are no such folders."""
    assert main(["compare", "one", "other", "-o", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err == (
        f"sae-checks: compare writes a page, and {tmp_path / name} does not end with .html; name a "
        "file that does\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["report", "card", "accept", "compare"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, capsys, command):
    folders = ["one", "other"] if command == "compare" else ["one"]
    folder = tmp_path / "folder.html"
    folder.mkdir()
    for file, why in (
        (folder, "Is a directory"),
        (tmp_path / "gone" / "a.html", "No such file or directory"),
    ):
        assert main([command, *folders, "-o", str(file)]) == 2
        assert capsys.readouterr().err == (
            f"sae-checks: {file} cannot be written ({why}); name another file\n"
        )


@pytest.mark.parametrize("command", ["report", "card", "accept", "compare"])
def test_a_file_is_as_it_was_where_the_command_is_refused(tmp_path, capsys, command):
    folders = ["one", "other"] if command == "compare" else ["one"]
    kept, new = tmp_path / "kept.html", tmp_path / "new.html"
    kept.write_text("as it was", encoding="utf-8")
    for file in (kept, new):
        assert main([command, *folders, "-o", str(file)]) == 2
        assert "there is no folder" in capsys.readouterr().err
    assert kept.read_text(encoding="utf-8") == "as it was"
    assert not new.exists()


def test_a_folder_is_compared_with_others(store, capsys):
    folder = measurement_folder(store / "good")
    assert main(["compare", str(store / "good"), str(store / "broken"), str(folder)]) == 2
    assert capsys.readouterr() == (
        "",
        f"sae-checks: compare takes a folder once, and {folder} is named twice; name others\n",
    )


def test_the_section_of_a_model_card(store, capsys):
    assert main(["card", str(store / "broken")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "## Measured by sae-checks"
    assert "on tales: 12 texts of 64 tokens" in lines[2]
    assert lines[3] == "In brackets are 95% intervals. Limits are those of the sae-checks gate."
    assert lines[5] == (
        "On texts, over the positions of the training context; usable context is for how many "
        "training contexts ΔCE holds its limit, with ≥ where it does as far as was measured:"
    )
    head, rule, limits, first, second = lines[7:12]
    assert head.startswith("| SAE | L0 (features) | explained variance (fraction) | ΔCE (nats) |")
    assert rule.count("---") == head.count(" | ") + 1
    assert limits.startswith("| *limit* | 1 to 100 | \\>= 0.7 | \\<= 0.35 |")
    assert first.startswith("| blocks.0.hook\\_resid\\_pre | 20 [20, 20] |")
    assert first.endswith("1 [1, 1] **beyond limit** |")
    assert limits.endswith("| no limit | \\>= 1.5 |")  # alive features, of so few tokens
    assert second.endswith("| 1 [1, 1] | ≥ 4 |")
    assert lines[13:] == [
        "Shown to be beyond the limit: 2 claims of the gate.",
        "",
        *[line for line in lines[15:] if line.startswith("- `")],
    ]


def test_a_folder_of_one_measurement_stands_for_it(store, tmp_path):
    found = measurement_folder(store / "good")
    assert (found / "manifest.json").is_file()
    assert measurement_folder(found) == found
    for name, message in (
        (store / "goood", f"there is no folder {store / 'goood'} (did you mean good?)"),
        (tmp_path, f"{tmp_path} holds no stored measurement"),
    ):
        with pytest.raises(UserError) as error:
            measurement_folder(name)
        assert str(error.value).startswith(message)


def test_a_folder_of_several_measurements_names_them(tmp_path):
    for name in ("one", "other"):
        stored.write_measurement(tmp_path, name=name)
    with pytest.raises(UserError) as error:
        measurement_folder(tmp_path)
    first, *folders = str(error.value).splitlines()
    assert first == f"{tmp_path} holds 2 measurements; name one of them:"
    assert [Path(each.strip()).name.partition("-")[0] for each in folders] == ["one", "other"]

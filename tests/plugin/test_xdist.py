"""Tests handed out to the workers of pytest-xdist: measured once, judged and told as without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

FEW = ("--sae-tokens=4096", "--sae-items=40", "--sae-task=tales", "--sae-ids=blocks.[01].*")
SOME = ("-k", "check_l0 or check_delta_ce or check_accuracy_drop")


def summary(run: GateRun, *places: Path) -> list[str]:
    """What is told after the tests, without where files lie and how long it took."""
    lines = run.output[run.output.index("= sae-checks: ") :].splitlines()[1:]
    text = re.sub(r" in [\d.]+ ?s\b", "", "\n".join(lines))
    for place in places:
        text = text.replace(str(place), "<place>")
    return [line.strip("=") for line in text.splitlines()]


def assert_told_alike(one: list[str], other: list[str]) -> None:
    """pytest lists failures as they come in, and all else is in the same order."""
    assert sorted(one) == sorted(other)
    end = next(row for row, line in enumerate(one) if line.startswith("JUnit report"))
    assert one[:end] == other[:end]


def by_name(run: GateRun) -> dict[str, object]:
    assert len({case.name for case in run.cases}) == len(run.cases)
    return {case.name: case for case in run.cases}


def measured(run: GateRun) -> list[str]:
    return re.findall(r"^sae-checks: (measuring .*)$", run.output, re.MULTILINE)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> tuple[GateRun, Path]:
    folder = tmp_path_factory.mktemp("serial")
    accept = f"--sae-accept={folder / 'accept.toml'}"
    arguments = (f"--sae-store={folder / 'store'}", accept, "--sae-strict", *FEW, *SOME)
    return run_gate(folder, *arguments), folder


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", [(), ("--dist=loadgroup",)], ids=["load", "loadgroup"])
def test_a_distributed_run_is_the_serial_one(tmp_path: Path, serial, how):
    """Its tests, summary, and what it writes; some fail, as nothing is accepted."""
    alone, folder = serial
    accept = f"--sae-accept={tmp_path / 'accept.toml'}"
    arguments = (f"--sae-store={tmp_path / 'store'}", accept, "--sae-strict", *FEW, *SOME)
    run = run_gate(tmp_path, *arguments, "-n2", *how)
    assert run.exit_code == alone.exit_code == 1
    assert (
        measured(run)
        == measured(alone)
        == [
            "measuring 2 SAEs on at most 16 texts",
            "measuring 2 SAEs on at most 40 items of tales",
        ]
    )
    assert by_name(run) == by_name(alone)
    assert_told_alike(summary(run, tmp_path), summary(alone, folder))
    written = [(place / "accept.toml").read_text(encoding="utf-8") for place in (folder, tmp_path)]
    assert written[0] == written[1] != ""


def test_stored_tables_are_judged_in_workers_too(tmp_path: Path):
    """An SAE that could not be measured is an error with its reason."""
    folder = stored.write_measurement(tmp_path / "store", layers=3, failures={1: "it is broken"})
    argument = f"--sae-measurements={folder}"
    alone, run = run_gate(tmp_path, argument), run_gate(tmp_path, argument, "-n2")
    assert by_name(run) == by_name(alone)
    assert_told_alike(summary(run), summary(alone))
    assert {case.properties["sae"] for case in run.with_outcome("error")} >= {
        stored.sae_ref(1).sae_id
    }


def test_a_baseline_is_written_from_all_tests(tmp_path: Path):
    folder = stored.write_measurement(tmp_path / "store", layers=2)
    files = [tmp_path / name for name in ("alone.json", "distributed.json")]
    for file, how in zip(files, ([], ["-n2"]), strict=True):
        arguments = (f"--sae-measurements={folder}", f"--sae-baseline={file}")
        run = run_gate(tmp_path, *arguments, "--sae-baseline-update", *how)
        assert run.exit_code == 1  # a new baseline fails the run, so that somebody looks
    assert files[0].read_bytes() == files[1].read_bytes()


def test_mistakes_are_one_sentence(tmp_path: Path):
    run = run_gate(tmp_path, f"--sae={tmp_path / 'nowhere'}", "-n2")
    assert run.exit_code == 4
    assert "INTERNALERROR" not in run.output
    assert "Traceback" not in run.output
    alone = run_gate(tmp_path, f"--sae={tmp_path / 'nowhere'}")
    (sentence,) = re.findall(r"^ERROR: .*$", alone.output, re.MULTILINE)
    assert sentence in run.output.splitlines()


def test_a_plan_is_told_by_the_controller(tmp_path: Path):
    run = run_gate(tmp_path, f"--sae-store={tmp_path / 's'}", *FEW, *SOME, "--sae-plan", "-n2")
    assert (run.exit_code, run.cases) == (0, ())
    assert "cost at the whole budget, by what the pilot took:" in run.output


def test_checks_in_a_file_of_another_name_are_refused(tmp_path: Path):
    """The controller knows nothing of them, and would tell and write nothing of what they show."""
    suite = tmp_path / "suite"
    suite.mkdir()
    bundled = Path(__file__).parents[2] / "checks" / "check_sparsity.py"
    (suite / "test_mine.py").write_text(bundled.read_text(encoding="utf-8"), encoding="utf-8")
    folder = stored.write_measurement(tmp_path / "store")
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "-n2", suite=suite)
    assert run.exit_code == 1
    assert {case.outcome for case in run.cases} == {"error"}
    assert (
        f"{suite / 'test_mine.py'} holds checks, but pytest -n measures only for files called "
        "check_*.py; rename it, or run it without -n"
    ) in run.cases[0].message


def test_a_check_file_with_a_bug_stops_the_run(tmp_path: Path):
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "check_mine.py").write_text("import sae_checks\n1 / 0\n", encoding="utf-8")
    run = run_gate(tmp_path, "-n2", suite=suite)
    assert run.exit_code == 2
    assert run.output.count("ZeroDivisionError") == run_gate(tmp_path, suite=suite).output.count(
        "ZeroDivisionError"
    )

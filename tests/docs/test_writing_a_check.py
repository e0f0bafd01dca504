"""The example of docs/writing-a-check.md, run as a user would run it."""

from __future__ import annotations

import re

from tests import stored
from tests.plugin.gate_run import CHECKOUT, run_gate

PAGE = (CHECKOUT / "docs" / "writing-a-check.md").read_text(encoding="utf-8")
PYTHON, TOML = (
    re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0] for language in ("python", "toml")
)


def test_the_example_is_ten_lines_or_less():
    assert len([line for line in PYTHON.splitlines() if line.strip()]) <= 10


def test_the_example_runs_and_judges(tmp_path):
    folder = stored.write_measurement(tmp_path)
    (tmp_path / "check_strength.py").write_text(PYTHON, encoding="utf-8")
    arguments = (f"--sae-measurements={folder}",)
    run = run_gate(tmp_path, *arguments, suite="check_strength.py", cwd=tmp_path)
    assert run.exit_code == 0, run.output
    case = run.named("check_strength[blocks.1.hook_resid_pre-8:15]")
    assert (case.properties["value"], case.properties["limit"]) == ("2.5", "<= 5")

    # By its folder too: no configuration says that check_*.py are tests.
    assert len(run_gate(tmp_path, *arguments, suite=".", cwd=tmp_path).cases) == len(run.cases)


def test_its_limits_in_a_thresholds_file_take_the_place_of_its_own(tmp_path):
    folder = stored.write_measurement(tmp_path)
    (tmp_path / "check_strength.py").write_text(PYTHON, encoding="utf-8")
    limits = tmp_path / "limits.toml"
    limits.write_text(TOML.replace("max = 4.0", "max = 2.0"), encoding="utf-8")
    run = run_gate(
        tmp_path,
        f"--sae-measurements={folder}",
        f"--sae-thresholds={limits}",
        suite="check_strength.py",
        cwd=tmp_path,
    )
    assert run.exit_code == 1
    assert {case.properties["limit"] for case in run.cases} == {"<= 2"}
    assert len(run.with_outcome("failed")) == len(run.cases)

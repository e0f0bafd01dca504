"""What the plugin collects and from where, and that it leaves other people's suites alone."""

from __future__ import annotations

import subprocess
import sys

from tests import stored
from tests.plugin.gate_run import CHECKOUT, run_gate

IDS = "blocks.0.hook_resid_pre"


def test_a_checkout_is_run_from_any_folder(tmp_path):
    folder = stored.write_measurement(tmp_path / "store")
    run = run_gate(
        tmp_path, f"--sae-measurements={folder}", suite=CHECKOUT / "checks", cwd=tmp_path
    )
    assert run.exit_code == 0, run.output
    assert len(run.cases) > 50


def test_options_have_ini_keys_and_paths_are_seen_from_the_ini_file(tmp_path):
    folder = stored.write_measurement(tmp_path / "store")
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nsae_measurements = {folder.relative_to(tmp_path)}\nsae_ids = {IDS}\n"
        "sae_ranges = 1:7,8:15,20:40\n",
        encoding="utf-8",
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    run = run_gate(
        tmp_path, "-c", str(tmp_path / "pytest.ini"), suite=CHECKOUT / "checks", cwd=inner
    )
    assert run.exit_code == 0, run.output
    assert {case.properties["sae"] for case in run.cases} == {IDS}
    names = {case.name for case in run.cases if case.name.startswith("check_l0[")}
    assert names == {f"check_l0[{IDS}-{at}]" for at in ("1:15", "1:7", "8:15")}


def test_a_wrong_ini_value_names_the_file_and_the_key(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nsae_tokens = many\n", encoding="utf-8")
    ini = tmp_path / "pytest.ini"
    run = run_gate(tmp_path, "-c", str(ini), suite=CHECKOUT / "checks", cwd=tmp_path)
    assert run.exit_code == 4
    assert f"{ini}: sae_tokens = many: must be a whole number, not 'many'" in run.output


def test_other_suites_are_left_alone(tmp_path):
    (tmp_path / "check_other.py").write_text("def check_it():\n    raise SystemExit\n", "utf-8")
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\ndef test_it():\n    assert 'torch' not in sys.modules\n", "utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-v", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "check_it" not in done.stdout
    assert "sae-checks:" not in done.stdout


def test_a_check_with_a_bug_shows_its_traceback(tmp_path):
    folder = stored.write_measurement(tmp_path / "store")
    (tmp_path / "check_bug.py").write_text(
        "from sae_checks import check\n\n\n"
        '@check(cells="sae", unit="features", max=1, margin=1)\n'
        "def check_bug(cell):\n"
        "    return 1 / 0\n",
        encoding="utf-8",
    )
    run = run_gate(tmp_path, f"--sae-measurements={folder}", suite="check_bug.py", cwd=tmp_path)
    assert run.exit_code == 1
    assert {case.outcome for case in run.cases} == {"error"}
    assert "return 1 / 0" in run.output
    assert "ZeroDivisionError" in run.output


def test_a_check_that_asks_for_no_such_column_is_told_so(tmp_path):
    (tmp_path / "check_column.py").write_text(
        "from sae_checks import check\n\n\n"
        '@check(cells="sae", needs=("l3",), unit="features", max=1, margin=1)\n'
        "def check_column(cell):\n"
        '    return cell.mean("l3")\n',
        encoding="utf-8",
    )
    run = run_gate(tmp_path, suite="check_column.py", cwd=tmp_path)
    assert run.exit_code == 2
    # Whole in tests/measure/test_plan.py.
    assert "ValueError: no such column: l3; there are, per token, l0, l1, mse, norm" in run.output

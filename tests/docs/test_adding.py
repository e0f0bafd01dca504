"""docs/adding.md: its examples put where it says, in a copy of the package, and run by the gate."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from sae_checks.report.registry import FORMATS
from tests import stored
from tests.docs.pages import page
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

PAGE = page("adding.md")
PLACED = re.compile(r"`([\w/]+\.py)`[^`\n]*(?:\n[^`\n]+)*:\n\n```python\n(.*?)```", re.DOTALL)
FILES = dict(PLACED.findall(PAGE))
BLOCKS = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)
FUTURE = "from __future__ import annotations\n"
IMPORTED = """
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
"""
BUDGET = ("--sae-tokens=16384", "--sae-fixed", "--sae-task=none")


def block(beginning: str) -> str:
    """The one example that begins like this."""
    (found,) = (code for code in BLOCKS if code.lstrip().startswith(beginning))
    return found


def lines(*codes: str) -> int:
    """Those that are neither empty nor comments."""
    each = (line.strip() for code in codes for line in code.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in each)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package with everything added that the page adds."""
    root = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "sae_checks", root / "sae_checks", ignore=ignored)
    shutil.copytree(CHECKOUT / "checks", root / "checks", ignore=ignored)
    shutil.copy(CHECKOUT / "thresholds.toml", root)
    shutil.copy(CHECKOUT / "conftest.py", root)
    _add_quantity(root)
    _add_evaluation(root)
    _add_report(root)
    return root


def _add_quantity(root: Path) -> None:
    path = root / "sae_checks/evals/context/columns.py"
    before, after = path.read_text(encoding="utf-8").split("COLUMNS = (\n", 1)
    before = before.replace(FUTURE, FUTURE + IMPORTED, 1)
    function, column = block("def cosine"), block('Column("cosine"')
    path.write_text(f"{before}{function}\n\nCOLUMNS = (\n{column}{after}", encoding="utf-8")
    _write(root, "more/check_direction.py")


def _add_evaluation(root: Path) -> None:
    for path in ("__init__", "measuring"):
        _write(root, f"sae_checks/evals/pairs/{path}.py")
    _write(root, "more/check_propagation.py")
    registry = root / "sae_checks/evals/registry.py"
    text = registry.read_text(encoding="utf-8")
    changed = text.replace("\n)\n\n\ndef kinds", f"\n{block('PAIRS')})\n\n\ndef kinds", 1)
    assert changed != text
    before, beside = (
        "from sae_checks.evals.tasks.kinds",
        "from sae_checks.evals.pairs import PAIRS\n",
    )
    changed = changed.replace(before, beside + before, 1)
    registry.write_text(changed, encoding="utf-8")


def _add_report(root: Path) -> None:
    _write(root, "sae_checks/report/blocking.py")
    registry = root / "sae_checks/report/registry.py"
    text = registry.read_text(encoding="utf-8")
    before = "from sae_checks.report.summary import"
    changed = text.replace(
        before, f"from sae_checks.report.blocking import blocking_lines\n{before}", 1
    )
    opened = "FORMATS: Mapping[str, ReportFormat] = {\n"
    assert opened in changed
    registry.write_text(changed.replace(opened, opened + block('"blocking"'), 1), encoding="utf-8")


def _write(root: Path, path: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(FILES[path], encoding="utf-8")


def run(copy: Path, tmp_path: Path, *suite: str, arguments: tuple[str, ...] = BUDGET) -> GateRun:
    return run_gate(tmp_path, *arguments, *suite[1:], suite=suite[0], cwd=copy, pythonpath=copy)


def test_a_quantity_takes_two_files_and_twenty_lines(copy, tmp_path):
    assert lines(block("def cosine"), block('Column("cosine"')) <= 6
    assert lines(FILES["more/check_direction.py"]) <= 12
    done = run(copy, tmp_path, "more/check_direction.py")
    assert done.exit_code == 0, done.output
    values = {float(case.properties["value"]) for case in done.cases}
    assert len(done.cases) == 35
    assert all(0.8 < value < 1 for value in values)


def test_an_evaluation_is_a_folder_and_a_line(copy, tmp_path):
    store = f"--sae-store={tmp_path / 'store'}"
    done = run(copy, tmp_path, "more/check_propagation.py", store)
    assert done.exit_code == 0, done.output
    pairs = [case.properties["pair"] for case in done.cases]
    assert len(pairs) == len(set(pairs)) == 9  # the last two SAEs are of one layer
    assert {case.properties["sae"] for case in done.cases} == {""}
    values = {case.properties["pair"]: float(case.properties["value"]) for case in done.cases}
    assert all(value > 0.5 for value in values.values()), values

    # Judged from its tables, by an override of its own selector, and against itself.
    (folder,) = (tmp_path / "store/measurements").iterdir()
    limits = tmp_path / "limits.toml"
    first = pairs[0]
    limits.write_text(
        '[checks.mse_propagation]\nmax = 40\nmargin = 4\nunit = "times"\n'
        f'[[checks.mse_propagation.override]]\npair = "{first}"\nmax = 0.01\nmargin = 0.01\n',
        encoding="utf-8",
    )
    arguments = (f"--sae-measurements={folder}", f"--sae-thresholds={limits}")
    again = run(copy, tmp_path, "more/check_propagation.py", arguments=arguments)
    assert [case.properties["pair"] for case in again.with_outcome("failed")] == [first]
    assert {c.properties["pair"]: float(c.properties["value"]) for c in again.cases} == values


def test_an_evaluation_stops_where_its_claims_are_decided_whatever_is_stored_beside_it(
    copy, tmp_path
):
    """Of four SAEs something is stored already: pairs with the fifth are measured all the same."""
    adaptive = ("--sae-tokens=32768", "--sae-task=none", f"--sae-store={tmp_path / 'store'}")
    some = ("checks/check_reconstruction.py", "--sae-ids=blocks.[012].*,blocks.3.hook_resid_pre")
    run(copy, tmp_path, *some, arguments=adaptive)
    both = ("checks/check_reconstruction.py", "more/check_propagation.py")
    done = run(copy, tmp_path, *both, arguments=adaptive)
    pairs = [case for case in done.cases if case.properties["pair"]]
    assert {case.outcome for case in pairs} == {"passed"}, done.output
    texts = {case.properties["pair"]: int(case.properties["texts"]) for case in pairs}
    assert len(texts) == 9
    assert all(64 <= count <= 128 for count in texts.values())
    assert min(texts.values()) < 128  # some are decided before the end, also those upstream


def test_a_report_is_a_file_and_a_line(copy, tmp_path):
    folder = stored.write_measurement(tmp_path, delta_ce=harmful)
    report = tmp_path / "blocking.md"
    suite = ("checks/check_delta_ce.py", "-k", "check_delta_ce[")
    given = (f"--sae-measurements={folder}", f"--sae-report=blocking={report}")
    done = run(copy, tmp_path, *suite, arguments=given)
    assert done.exit_code == 1
    assert f"\nreport blocking in {report}\n" in done.output
    lines = report.read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["# made-up", "", "| check | where | verdict |", "|---|---|---|"]
    failed = done.with_outcome("failed")
    assert len(lines) == 4 + len(failed) > 4
    assert lines[4].startswith("| delta_ce | blocks.1.hook_resid_pre ")


def harmful(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 1 costs 2 nats, the others stay good."""
    return np.where(layer == 1, 2.0, 0.1) + 0 * position


def test_a_format_that_does_not_exist_is_refused_before_anything_is_measured(copy, tmp_path):
    given = (*BUDGET, f"--sae-report=html={tmp_path / 'run.html'}")
    done = run(copy, tmp_path, "checks/check_sparsity.py", arguments=given)
    assert done.exit_code == 4
    names = ", ".join(["blocking", *FORMATS])
    assert f"ERROR: --sae-report html: there is no such format; there are {names}\n" in done.output

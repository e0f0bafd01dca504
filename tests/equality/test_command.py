"""`python -m tests.equality` as a process: on made-up checkouts, and on this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from tests.equality.__main__ import main
from tests.equality.runs import RUNS
from tests.plugin.gate_run import CHECKOUT

# A package that takes the options of the gate, and stores and judges one figure.
PLUGIN = """
import json, os, pathlib
import pyarrow as pa
import pyarrow.parquet as pq

VALUE = {value}

def pytest_addoption(parser):
    for name in ("store", "ablate", "baseline", "tokens", "items"):
        parser.addoption(f"--sae-{{name}}", default="")
    for name in ("fixed", "baseline-update", "baseline-force", "equivalence"):
        parser.addoption(f"--sae-{{name}}", action="store_true")

def pytest_sessionfinish(session):
    store = pathlib.Path(session.config.getoption("--sae-store"))
    store.mkdir(parents=True, exist_ok=True)
    rows = pa.table({{"sae": ["a"], "text": [0], "position": [1], "mse": [VALUE]}})
    pq.write_table(rows, store / "tokens.parquet")
    seen = {{"cwd": os.getcwd(), "arguments": session.config.invocation_params.args}}
    (store / "seen.json").write_text(json.dumps(seen | {{"environment": dict(os.environ)}}))
    if session.config.getoption("--sae-baseline-update"):
        written = {{"cells": [["mse", "a", "", "", VALUE]], "influences": [[0, ""]]}}
        pathlib.Path(session.config.getoption("--sae-baseline")).write_text(json.dumps(written))
"""
CHECKS = """
def check_mse(record_property):
    record_property("value", "{value:g}")

def check_failing():
    raise AssertionError(__file__)
"""


def make_checkout(folder: Path, value: float = 0.5) -> Path:
    files = {
        "pytest.ini": "[pytest]\npython_files = check_*.py\npython_functions = check_*\n",
        "conftest.py": 'pytest_plugins = ["sae_checks.plugin"]\n',
        "thresholds.toml": "",
        "sae_checks/__init__.py": "",
        "sae_checks/plugin.py": PLUGIN.format(value=value),
        "checks/check_mse.py": CHECKS.format(value=value),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Compared:
    """What became of comparing two equal checkouts in all runs."""

    old: Path
    new: Path
    kept: Path
    exit_code: int
    printed: list[str]


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Compared:
    """Two equal checkouts in folders of other names, among settings that would change runs."""
    folder = tmp_path_factory.mktemp("compared")
    old, new = (make_checkout(folder / name) for name in ("old one", "new"))
    arguments = [str(old), str(new), f"--keep={folder / 'kept'}"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"):
            patch.setenv(name, "1")
        patch.setenv("PYTEST_ADDOPTS", "--no-such-option")
        exit_code = main([*arguments, "--sae-tokens=9", "--sae-items=7"])
    return Compared(old, new, folder / "kept", exit_code, printed.getvalue().splitlines())


def test_equal_checkouts(compared):
    assert compared.exit_code == 0
    assert compared.printed[:2] == [f"old: {compared.old}", f"new: {compared.new}"]
    assert compared.printed[2].split() == ["run", "what", "compared", "differ"]
    rows = compared.printed[3:-1]
    assert [row for row in rows if row.startswith("bare")] == [
        "bare               exit code                 1          0",
        "bare               test cases                2          0",
        "bare               outcomes                  2          0",
        "bare               properties                1          0",
        "bare               messages                  1          0",
        "bare               tokens                    2          0",
    ]
    assert "baseline           baseline file             3          0" in rows
    assert {row.split()[0] for row in rows} == {run.name for run in RUNS}
    assert all(row.endswith(" 0") for row in rows)
    assert compared.printed[-1] == f"equal: {len(RUNS) * 9 + 3} values"


@pytest.mark.parametrize("side", ["old", "new"])
def test_runs_are_kept_apart(compared, side):
    """From the caller's settings, from this machine's caches, and from other runs' stores."""
    folder, checkout = compared.kept / side, getattr(compared, side)
    assert {path.name for path in (folder / "stores").iterdir()} == {run.store for run in RUNS}
    seen = json.loads((folder / "stores/ablated/seen.json").read_text(encoding="utf-8"))
    assert seen["cwd"] == str(checkout)
    assert seen["environment"]["HOME"] == str(folder / "home")
    assert seen["environment"]["HF_HOME"] == str(folder / "home/huggingface")
    assert seen["environment"]["PYTHONPATH"] == str(checkout)
    assert not {"HF_TOKEN", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"} & seen["environment"].keys()
    asked = {"--sae-fixed", "--sae-ablate=3", "--sae-tokens=9", "--sae-items=7"}
    assert asked <= set(seen["arguments"])
    left = {f"{run.name}.{ending}" for run in RUNS for ending in ("xml", "log")}
    assert left <= {path.name for path in folder.iterdir()}
    assert not list(checkout.rglob("__pycache__"))


def test_a_difference_is_told(tmp_path, capsys):
    old, new = make_checkout(tmp_path / "old"), make_checkout(tmp_path / "new", 0.75)
    assert main([str(old), str(new), "--runs=baseline"]) == 1
    assert capsys.readouterr().out.splitlines()[3:] == [
        "baseline           exit code                 1          0",
        "baseline           baseline file             3          1",
        "    differing: value (1)",
        "    mse a, value: 0.5 became 0.75",
        "baseline           test cases                2          0",
        "baseline           outcomes                  2          0",
        "baseline           properties                1          1",
        "    differing: value (1)",
        "    checks.check_mse::check_mse, value: '0.5' became '0.75'",
        "baseline           messages                  1          0",
        "baseline           tokens                    2          1",
        "    differing: mse (1)",
        "    a, text 0, position 1, mse: 0.5 became 0.75",
        "NOT EQUAL: 3 of 12 values differ",
    ]


def test_mistakes_are_sentences(tmp_path, capsys):
    def refusal(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err.strip()

    checkout = make_checkout(tmp_path / "checkout")
    assert refusal(checkout, tmp_path) == f"{tmp_path} is no checkout: it has no conftest.py"
    assert refusal(checkout, checkout, f"--keep={checkout}") == (
        f"--keep {checkout} is not empty; name a new folder, so that stores are new"
    )
    broken = make_checkout(tmp_path / "broken")
    (broken / "sae_checks/plugin.py").write_text("no Python", encoding="utf-8")
    told = refusal(broken, checkout)
    assert told.startswith(f"the run 'bare' of {broken} ended with ")
    assert "SyntaxError: invalid syntax" in told
    empty = make_checkout(tmp_path / "empty")
    (empty / "sae_checks/__init__.py").write_text("__file__ = '/elsewhere'", encoding="utf-8")
    assert refusal(checkout, empty) == f"sae_checks is not imported from {empty}: /elsewhere"


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (
            "bare,tidy",
            "must be of bare, fixed, ablated, baseline, equivalence, with commas, not tidy",
        ),
        ("bare,equivalence", "has equivalence without baseline, which writes its file"),
    ],
)
def test_unknown_runs(capsys, runs, told):
    with pytest.raises(SystemExit) as caught:
        main([".", ".", f"--runs={runs}"])
    assert caught.value.code == 2
    assert f"argument --runs: {told}" in capsys.readouterr().err


@pytest.mark.exhaustive  # in minutes, not seconds
def test_this_checkout_equals_itself(tmp_path):
    """In a process: each side measures the demo, on few texts and items."""
    command = [sys.executable, "-m", "tests.equality", str(CHECKOUT), str(CHECKOUT)]
    command += ["--runs=ablated", "--sae-tokens=5120", "--sae-items=32"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("ablated")]
    compared = {" ".join(row[1:-2]): int(row[-2].replace(",", "")) for row in rows}
    tokens = 20 * 255 * 5  # of 20 texts, by SAE
    assert compared["tokens"] > 10 * tokens  # rows, and at least ten quantities
    assert compared["items"] > 2 * 32 * 5 * 10
    for what in ("test cases", "properties", "messages", "position sums", "features", "ablations"):
        assert compared[what] > 0

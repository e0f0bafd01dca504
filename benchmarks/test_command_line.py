"""What it takes until the command line answers; each in a process of its own.

    pytest benchmarks/test_command_line.py -s

Time is printed and never asserted: the goals are 0.2 s for the import and 1 s for the list.
"""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.benchmark(group="command line")
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("pass", id="python alone"),
        pytest.param("import sae_checks", id="import sae_checks"),
        pytest.param("from sae_checks.cli import main; main(['list'])", id="sae-checks list"),
        pytest.param("from sae_checks.cli import main; main(['show'])", id="sae-checks show"),
    ],
)
def test_until_it_answers(benchmark, code):
    command = [sys.executable, "-c", code]
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=5
    )
    print(f"\n{code}: {benchmark.stats['median']:.2f} s (median of 5)")

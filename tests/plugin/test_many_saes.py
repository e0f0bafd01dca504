"""Memory does not grow with the number of SAEs; two runs on one store do not disturb each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sae_checks import demo
from sae_checks.measure.loaded import KEPT_BYTES
from tests.equality.junit import read_cases
from tests.plugin.gate_run import CHECKOUT, run_gate

FEATURES, WIDTH = 4_096, 128
MEBIBYTE = 2**20
SAE_BYTES = 2 * 4 * FEATURES * WIDTH  # 4 MiB
FEW, MANY = 20, 200
# Runs a command, and prints how much memory it held at most, in bytes.
PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(done.stdout, done.stderr, file=sys.stderr)
print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def write_release(folder: Path, saes: int) -> Path:
    """SAEs of 4 MiB with random weights, at the demo's hook points in turn."""
    rng = np.random.default_rng(0)
    encoder = rng.normal(size=(WIDTH, FEATURES)).astype(np.float32)
    weights = {"W_enc": encoder, "W_dec": np.ascontiguousarray(encoder.T) / FEATURES}
    weights |= {"b_enc": np.full(FEATURES, -5, np.float32), "b_dec": np.zeros(WIDTH, np.float32)}
    described = json.loads((demo.SAES_FOLDER / "blocks.1.hook_resid_pre/cfg.json").read_text())
    for number in range(saes):
        hook_point = f"blocks.{number % 4}.hook_resid_pre"
        metadata = {**described["metadata"], "hook_name": hook_point}
        sae = folder / f"{hook_point}-{number}"
        sae.mkdir(parents=True)
        config = {**described, "d_sae": FEATURES, "metadata": metadata}
        (sae / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
        save_file(weights, sae / "sae_weights.safetensors")
    return folder


def command(folder: Path | None, store: Path, junit: Path, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "checks", "-q", "-p", "no:cacheprovider"),
        *([f"--sae={folder}"] if folder is not None else []),  # the demo without it
        *(f"--sae-store={store}", f"--junitxml={junit}", "--sae-task=none"),
        *arguments,
    ]


def peak_bytes(tmp_path: Path, saes: int) -> int:
    folder = write_release(tmp_path / f"of-{saes}", saes)
    arguments = ("-k", "check_l0 and 1:63", "--sae-fixed", "--sae-tokens=4096")
    ran = command(folder, tmp_path / f"store-{saes}", tmp_path / f"{saes}.xml", *arguments)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *ran],
        capture_output=True, text=True, cwd=CHECKOUT, env=environment, check=False,
    )  # fmt: skip
    assert len(read_cases(tmp_path / f"{saes}.xml")) == saes, done.stderr
    return int(done.stdout.split()[-1])


def test_two_hundred_saes_take_no_more_memory_than_twenty(tmp_path):
    """Both are more than may stay loaded; together, the two hundred would be 720 MiB more."""
    assert FEW * SAE_BYTES > KEPT_BYTES
    few, many = (peak_bytes(tmp_path, saes) for saes in (FEW, MANY))
    assert many < few + 100 * MEBIBYTE


@pytest.fixture(scope="module")
def at_once(tmp_path_factory) -> list[tuple[int, str, Path]]:
    """Exit code, output and JUnit file of two runs that are started together on one store."""
    folder = tmp_path_factory.mktemp("at-once")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    started = []
    for number in range(2):
        junit = folder / f"{number}.xml"
        ran = command(None, folder / "store", junit, "--sae-tokens=25600")
        process = subprocess.Popen(
            ran, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=CHECKOUT, env=environment,
        )  # fmt: skip
        started.append((process, junit))
    ended = [(process.communicate()[0], process.returncode, junit) for process, junit in started]
    return [(code, output, junit) for output, code, junit in ended]


def test_two_runs_at_once_end_alike(at_once):
    for code, output, _ in at_once:
        assert code == 0, output
    one, other = (read_cases(junit) for _, _, junit in at_once)
    assert one == other
    assert len(one) > 300


def test_neither_takes_the_other_s_tables_for_damaged(at_once):
    for _, output, _ in at_once:
        assert "set aside" not in output


FAILS = """
from sae_checks.errors import SaeError
from sae_checks.load import sae

load = sae.load_sae


def fail(release, ref, **given):
    if ref.layer == 1:
        raise SaeError(f"SAE {ref.sae_id!r} cannot be loaded now")
    return load(release, ref, **given)


sae.load_sae = fail
"""


def test_an_sae_that_fails_to_load_is_not_judged_by_the_less_that_is_stored(tmp_path):
    """A default run stopped it at few items; of a run that asks for all, that is no verdict."""
    few = (f"--sae-store={tmp_path / 'store'}", "--sae-tokens=4096", "--sae-task=tales")
    suite = ("-k", "accuracy_drop", "--sae-items=300")
    first = run_gate(tmp_path, *few, *suite)
    assert first.exit_code == 0, first.output
    (tmp_path / "fails.py").write_text(FAILS, encoding="utf-8")
    given = ("--sae-fixed", "-p", "fails")
    again = run_gate(tmp_path, *few, *suite, *given, pythonpath=tmp_path, preloaded=False)
    assert again.exit_code == 1
    of_layer_1 = [case for case in again.cases if case.properties["layer"] == "1"]
    assert {case.outcome for case in of_layer_1} == {"error"}
    assert all("cannot be loaded now" in case.message for case in of_layer_1)
    others = [case for case in again.cases if case.properties["layer"] != "1"]
    assert {case.properties["texts"] for case in others} == {"300"}

"""The built wheel, as an installed package with no checkout at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

from tests import stored
from tests.plugin.gate_run import CHECKOUT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's content, as site-packages would have it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, cwd, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_suite_runs_by_its_package_name_from_any_folder(installed, tmp_path):
    folder = stored.write_measurement(tmp_path / "store")
    done = run(installed, tmp_path, "--pyargs", "sae_checks.checks", f"--sae-measurements={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "release made-up" in done.stdout
    assert str(installed / "sae_checks" / "thresholds.toml") not in done.stderr
    assert "check_delta_ce.py" in done.stdout


def test_the_demo_travels_inside_the_wheel(installed, tmp_path):
    done = run(installed, tmp_path, "--pyargs", "sae_checks.checks", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "check_delta_ce[blocks.0.hook_resid_pre-1:1]" in done.stdout
    demo = installed / "sae_checks" / "demo" / "tales"
    assert (demo / "model" / "model.safetensors").is_file()
    assert len(list(demo.glob("saes/*/sae_weights.safetensors"))) == 5


def test_its_types_and_its_license_travel_inside_the_wheel(installed):
    assert (installed / "sae_checks" / "py.typed").is_file()
    (described,) = installed.glob("sae_checks-*.dist-info")
    license_text = (described / "licenses" / "LICENSE").read_text(encoding="utf-8")
    assert license_text.startswith("MIT License\n\nCopyright (c) 2026 the sae-checks authors\n")
    metadata = (described / "METADATA").read_text(encoding="utf-8").splitlines()
    assert "License-Expression: MIT" in metadata
    assert "Classifier: Typing :: Typed" in metadata
    assert "Project-URL: Repository, https://github.com/sae-checks/sae-checks" in metadata


def test_a_check_of_the_users_own_runs_beside_it(installed, tmp_path):
    folder = stored.write_measurement(tmp_path / "store")
    check = (
        "from sae_checks import check\n\n\n"
        '@check(cells="sae", needs=("l0",), unit="features", max=10, margin=1)\n'
        "def check_mine(cell):\n"
        '    return cell.mean("l0")\n'
    )
    (tmp_path / "check_mine.py").write_text(check, encoding="utf-8")
    done = run(installed, tmp_path, "check_mine.py", f"--sae-measurements={folder}", "-q")
    assert done.returncode == 1
    assert "mine 20 > 10 features at blocks.0.hook_resid_pre" in done.stdout

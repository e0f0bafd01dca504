"""`sae-checks init`: what it writes gates the demo, and nothing of anybody's is overwritten."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from sae_checks.cli import main
from tests.plugin.gate_run import run_gate

GITHUB = ".github/workflows/sae-checks.yml"


def test_what_is_written(tmp_path: Path, capsys):
    assert main(["init", str(tmp_path), "--release", "my saes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written: thresholds.toml",
        "written: check_mine.py",
        f"written: {GITHUB}",
        "gate with them: sae-checks gate 'my saes' check_mine.py --sae-thresholds thresholds.toml",
    ]
    workflow = (tmp_path / GITHUB).read_text(encoding="utf-8")
    assert "gate 'my saes' check_mine.py" in workflow
    assert not re.search("RELEASE|REQUIREMENT", workflow)
    assert f"pip install 'sae-checks=={version('sae-checks')}'\n" in workflow


@pytest.mark.parametrize(("ci", "file"), [("github", GITHUB), ("gitlab", ".gitlab-ci.yml")])
def test_what_is_installed_may_come_from_elsewhere(tmp_path: Path, ci: str, file: str):
    address = "git+https://example.org/RELEASE/sae-checks"
    assert main(["init", str(tmp_path), "--ci", ci, "--install", address]) == 0
    job = (tmp_path / file).read_text(encoding="utf-8")
    assert f"pip install '{address}'\n" in job
    assert "gate 'tales' check_mine.py" in job


def test_gitlab_or_none(tmp_path: Path):
    assert main(["init", str(tmp_path / "a"), "--ci", "gitlab"]) == 0
    job = yaml.safe_load((tmp_path / "a/.gitlab-ci.yml").read_text(encoding="utf-8"))["sae-checks"]
    assert job["artifacts"]["reports"] == {"junit": "sae-checks.xml"}
    assert main(["init", str(tmp_path / "b"), "--ci", "none"]) == 0
    assert sorted(each.name for each in (tmp_path / "b").iterdir()) == [
        "check_mine.py",
        "thresholds.toml",
    ]


def test_nothing_is_overwritten(tmp_path: Path, capsys):
    mine = tmp_path / "check_mine.py"
    mine.write_text("mine", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"sae-checks: {tmp_path} already has check_mine.py, and nothing is overwritten: move what "
        "is there, or name another folder\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["check_mine.py"]
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["it's", "$(rm)", "`x`", "a\nb", 'a"b', ""])
def test_a_name_that_a_shell_would_read_otherwise(tmp_path, capsys, name):
    for option, what in (("--release", "a folder or a release"), ("--install", "a requirement")):
        assert main(["init", str(tmp_path), option, name]) == 2
        assert capsys.readouterr().err == (
            f"sae-checks: {option} {name!r} cannot stand in a CI file; name {what} without quotes, "
            "backslashes, dollar signs and control characters\n"
        )
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_gated_with_what_is_written(tmp_path: Path):
    """A real run: the limits that it changes are named, and the check of one's own is asked."""
    assert main(["init", str(tmp_path), "--ci", "none"]) == 0
    limits = tmp_path / "thresholds.toml"
    text = limits.read_text(encoding="utf-8")
    # As written it changes nothing: its examples are comments.
    assert all(line.startswith("#") for line in text.splitlines() if line)
    example = r"(?m)^# (?=\[+checks|min =|max =|report_only =|layer =|reason = .the first)"
    limits.write_text(re.sub(example, "", text), encoding="utf-8")
    run = run_gate(
        tmp_path,
        str(tmp_path / "check_mine.py"),
        f"--sae-thresholds={limits}",
        f"--sae-store={tmp_path / 'store'}",
        "--sae-ids=blocks.1.*",
        "--sae-task=none",
        "-k",
        "strength or explained_variance or declared_l0",
    )
    assert run.exit_code == 0, run.output
    changed = "changes of the shipped limits: explained_variance, declared_l0, l0"
    assert changed in " ".join(run.output.split())
    held = {case.properties["metric"]: case.properties["limit"] for case in run.cases}
    assert held["strength"] == "<= 50"
    assert held["explained_variance"] == ">= 0.75"
    assert held["declared_l0"] == ""

"""Mistakes of a user's: each ends with exit code 4 and a sentence, before anything is measured."""

from __future__ import annotations

import pytest

from tests import stored
from tests.plugin.gate_run import run_gate
from tests.plugin.limits import thresholds


def test_a_check_of_the_suite_that_the_limits_leave_out_is_refused(tmp_path):
    folder = stored.write_measurement(tmp_path)
    limits = tmp_path / "limits.toml"
    alone = 'extends = false\n[checks.kl]\nmax = 1\nmargin = 0.1\nunit = "nats"\n'
    limits.write_text(alone, encoding="utf-8")
    arguments = (f"--sae-measurements={folder}", f"--sae-thresholds={limits}")
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 4
    assert "the thresholds have no table [checks." in run.output
    assert run_gate(tmp_path, *arguments, "-k", "check_kl[").exit_code == 0


def test_stored_tables_are_judged_as_they_were_measured(tmp_path):
    folder = stored.write_measurement(tmp_path)
    other = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae=gpt2-small-res-jb")
    assert other.exit_code == 4
    assert "holds, which is made-up; leave --sae out" in other.output
    tokens = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae-tokens=5")
    assert tokens.exit_code == 4
    assert "--sae-tokens cannot change that, leave it out or measure again" in tokens.output


def test_ranges_that_hold_nothing_measured_are_refused(tmp_path):
    folder = stored.write_measurement(tmp_path)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "--sae-ranges=1:7,5000:6000")
    assert run.exit_code == 4
    assert (
        "--sae-ranges 5000:6000 holds no position that is measured: they are 1 to 62 at a context "
        "of 64 tokens" in run.output
    )


def test_nothing_collected_is_not_success(tmp_path):
    folder = stored.write_measurement(tmp_path)
    assert run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "nosuchcheck").exit_code == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--sae=gpt2-smal-res-jb"],
            "--sae 'gpt2-smal-res-jb' is no release of sae_lens's directory, no folder of SAEs "
            "and no hub repo id (owner/name); did you mean gpt2-small-res-jb",
        ),
        (
            ["--sae-ids=blocks.9.*"],
            "--sae-ids blocks.9.* matches no SAE of 'tales'; it has blocks.0.hook_resid_pre, ",
        ),
        (
            ["--sae=tests"],
            "holds no SAE: an SAE saved by sae_lens is a cfg.json beside a "
            "sae_weights.safetensors, and no cfg.json is all that was found in it",
        ),
        (
            ["--sae-context=4096"],
            "--sae-context 4,096 is beyond the model's context of 256 tokens; give 256 or less",
        ),
        (
            ["--sae-measurements=tests"],
            "is no stored measurement (it has no manifest.json of sae-checks); a run says in its "
            "summary where it stored its tables",
        ),
        (
            ["--sae=mntss-gemma-2-2b-2.5m-clt-as-per-layer"],
            "holds cross-layer transcoders, whose features write to the outputs of all later MLPs",
        ),
        (["--sae-tokens=none"], "argument --sae-tokens: must be a whole number, not 'none'"),
        (["--sae-packing=zip"], "must be one of documents, concatenate, not 'zip'"),
        (["--sae-corpus=missing.txt"], "--sae-corpus 'missing.txt': there is no such file"),
        (["--sae="], "argument --sae: must be a name or a path, not ''"),
        (
            ["--sae-accept=/proc/nowhere/known.toml"],
            "--sae-accept /proc/nowhere/known.toml cannot be written (No such file or directory); "
            "name another file",
        ),
        (
            ["--sae-report=checks"],
            "argument --sae-report: must be FORMAT=FILE, or FILE.html, not 'checks'",
        ),
        (
            ["--sae-report=summary=checks"],
            "checks cannot be written (Is a directory); name another file",
        ),
        (
            ["--sae-baseline=/proc/nowhere/b.json", "--sae-baseline-update", "--sae-fixed"],
            "--sae-baseline /proc/nowhere/b.json cannot be written (No such file or directory)",
        ),
        (
            ["-p", "no:skipping"],
            "-p no:skipping leaves no way to tell accepted and undecided cells from passed ones; "
            "leave it out",
        ),
    ],
)
def test_mistakes_end_with_exit_code_4_and_one_sentence(tmp_path, arguments, sentence):
    run = run_gate(tmp_path, *arguments)
    assert run.exit_code == 4
    assert sentence in run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output


def test_malformed_thresholds_are_refused_before_anything_loads(tmp_path):
    folder = stored.write_measurement(tmp_path)
    limits = thresholds(tmp_path, '\n[checks.delta_cee]\nmax = 1\nunit = "nats"\n')
    run = run_gate(tmp_path, f"--sae-measurements={folder}", limits)
    assert run.exit_code == 4
    assert "delta_cee" in run.output
    assert "delta_ce" in run.output
    assert "INTERNALERROR" not in run.output


def test_without_skipping_a_run_is_refused_before_other_plugins_stumble(tmp_path):
    """As pytest-benchmark does, over a marker that is then unknown."""
    (tmp_path / "stumbling.py").write_text(
        "def pytest_collection_modifyitems():\n    raise AssertionError('stumbled')\n",
        encoding="utf-8",
    )
    run = run_gate(tmp_path, "-p", "no:skipping", "-p", "stumbling", pythonpath=tmp_path)
    assert run.exit_code == 4
    assert "-p no:skipping leaves no way to tell accepted" in run.output
    assert "stumbled" not in run.output

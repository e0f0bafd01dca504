"""The files that a run writes: where none can be written, and what a full disk leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sae_checks.errors import UserError
from sae_checks.options import Options
from sae_checks.plugin.writing import refuse_unwritable, write_files
from tests import stored
from tests.plugin.gate_run import run_gate
from tests.report.results import run_result


def test_a_place_is_tried_and_left_as_it_was(tmp_path: Path):
    kept, new = tmp_path / "kept.toml", tmp_path / "deep" / "new.md"
    kept.write_text("as it was", encoding="utf-8")
    refuse_unwritable(Options(accept=kept, markdown=new))
    assert kept.read_text(encoding="utf-8") == "as it was"
    assert os.listdir(tmp_path / "deep") == []


def test_a_folder_of_figures_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        refuse_unwritable(Options(figures=tmp_path / "file" / "figures"))
    assert str(caught.value) == (
        f"--sae-figures {tmp_path}/file/figures cannot be made (Not a directory); name another "
        "folder"
    )


class Session:
    """All that writing asks of a session."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def update_baseline(self):
        raise OSError(28, "No space left on device")


def test_what_could_not_be_written_is_told_and_fails_the_run(tmp_path: Path):
    """And what could, is: the JUnit file is pytest's, and comes after."""
    gone = tmp_path / "gone" / "known.toml"
    options = Options(accept=gone, reports=(("summary", tmp_path / "summary.txt"),))
    lines, fails = write_files(Session(options), run_result())
    assert fails
    assert lines == [
        f"not written: [Errno 2] No such file or directory: '{gone}'",
        f"report summary in {tmp_path}/summary.txt",
        "the baseline is not written: [Errno 28] No space left on device",
    ]
    assert (tmp_path / "summary.txt").read_text(encoding="utf-8")


def test_without_capturing(tmp_path: Path):
    folder = stored.write_measurement(tmp_path)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "-p", "no:capture", "-k", "check_l0")
    assert "INTERNALERROR" not in run.output
    assert len(run.cases) > 0
